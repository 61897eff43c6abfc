//! A trained model on disk: one folder, JSON and safetensors, each file's hash in `artifact.json`, and the hash of that in
//! `artifact.sha256` (as `sha256sum` writes it). `catalog/` holds the items as a data set folder without people: the artifact knows no
//! user's id, attributes or events.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use segue_data::{DomainIdx, hash, store};
use segue_models::{Expert, ExpertConfig, ExpertId, ModelError, Tensors};
use serde::{Deserialize, Serialize};

use crate::blend::Blend;
use crate::catalog::Catalog;
use crate::domain_model::DomainModel;
use crate::error::RecommendError;
use crate::folder::{io, put, write_aside};
use crate::model::Model;

/// Version of the folder's layout. Version 1 held a copy of the whole data set, people included.
pub const FORMAT_VERSION: u32 = 2;

const HEAD: &str = "artifact.json";
const SEAL: &str = "artifact.sha256";
const CATALOG: &str = "catalog";
/// The tables' hashes stand in here; its own stands in the head.
const CATALOG_HEAD: &str = "catalog/dataset.toml";

#[derive(Serialize, Deserialize)]
struct Head {
    format_version: u32,
    catalog_sha256: String,
    /// Unix seconds of the newest event of the data.
    newest: Option<i64>,
    domains: Vec<DomainHead>,
    files: BTreeMap<String, String>,
}

/// What the heads of all versions have.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

#[derive(Serialize, Deserialize)]
struct DomainHead {
    domain: DomainIdx,
    name: String,
    experts: Vec<ExpertHead>,
    blend: Blend,
    /// Runs of equal warm/cold flags, starting with warm: `[n_warm, n_cold, n_warm, …]`.
    cold_runs: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct ExpertHead {
    id: ExpertId,
    config: ExpertConfig,
    spread: f32,
    file: String,
}

/// Writes the model to the folder `to`, which must not exist; it appears only when complete.
///
/// # Errors
/// When `to` exists or writing fails.
pub fn write(model: &Model, seed: u64, to: &Path) -> Result<(), RecommendError> {
    write_aside(to, |aside| write_into(model, seed, aside))
}

fn write_into(model: &Model, seed: u64, dir: &Path) -> Result<(), RecommendError> {
    fs::create_dir_all(dir).map_err(|e| io("create", dir, e))?;
    let (catalog, people_left_out) = (model.catalog(), model.catalog().without_people());
    let tables = store::write(&people_left_out, seed, toml::Table::new(), &dir.join(CATALOG))?;
    let mut head = Head {
        format_version: FORMAT_VERSION,
        catalog_sha256: tables.data_sha256(),
        newest: catalog.newest(),
        domains: Vec::new(),
        files: BTreeMap::new(),
    };
    head.files.insert(CATALOG_HEAD.to_owned(), hash::of_file(&dir.join(CATALOG_HEAD))?);
    for target in model.targets() {
        let mut experts = Vec::new();
        for expert in &target.experts {
            experts.push(write_expert(expert, target.domain, dir, &mut head.files)?);
        }
        head.domains.push(DomainHead {
            domain: target.domain,
            name: catalog.domain_name(target.domain).to_owned(),
            experts,
            blend: target.blend.clone(),
            cold_runs: to_runs(&target.cold),
        });
    }
    let path = dir.join(HEAD);
    let text = serde_json::to_vec_pretty(&head).map_err(|e| {
        RecommendError::artifact(path.display().to_string(), e.to_string(), "report this as a bug")
    })?;
    put(&path, &text)?;
    put(&dir.join(SEAL), seal_of(&text).as_bytes())
}

fn write_expert(
    expert: &Expert,
    domain: DomainIdx,
    dir: &Path,
    files: &mut BTreeMap<String, String>,
) -> Result<ExpertHead, RecommendError> {
    let file = format!("domain-{}-{}.safetensors", domain.0, expert.id);
    let bytes = expert.save().to_bytes().map_err(|e| broken(expert.id, &file, e))?;
    files.insert(file.clone(), hash::of_bytes(&bytes));
    put(&dir.join(&file), &bytes)?;
    Ok(ExpertHead { id: expert.id, config: expert.config().clone(), spread: expert.spread(), file })
}

fn seal_of(head: &[u8]) -> String {
    format!("{}  {HEAD}\n", hash::of_bytes(head))
}

/// Reads a model folder; every file's hash is checked.
///
/// # Errors
/// When a file is missing, changed, does not fit the others, or is of another version.
pub fn read(dir: &Path) -> Result<Model, RecommendError> {
    let head = read_head(dir)?;
    let catalog = read_catalog(dir, &head)?;
    let mut targets = Vec::new();
    for domain in &head.domains {
        targets.push(read_domain(dir, domain, &head.files, &catalog)?);
    }
    Ok(Model::new(catalog, targets))
}

fn damaged(dir: &Path, problem: impl Into<String>) -> RecommendError {
    let remedy = "train again, or copy the whole folder again";
    RecommendError::artifact(dir.display().to_string(), problem, remedy)
}

fn read_head(dir: &Path) -> Result<Head, RecommendError> {
    let get = |name: &str| fs::read(dir.join(name)).map_err(|e| io("read", &dir.join(name), e));
    let text = get(HEAD)?;
    if get(SEAL)? != seal_of(&text).as_bytes() {
        return Err(damaged(dir, format!("the SHA-256 of {HEAD} is not the one in {SEAL}")));
    }
    let Version { format_version } =
        serde_json::from_slice(&text).map_err(|e| damaged(dir, e.to_string()))?;
    let place = || dir.display().to_string();
    match format_version {
        FORMAT_VERSION => serde_json::from_slice(&text).map_err(|e| damaged(dir, e.to_string())),
        0..FORMAT_VERSION => Err(RecommendError::artifact(
            place(),
            format!("trained by an older version of segue (layout {format_version}, now {FORMAT_VERSION})"),
            "train again: `segue train DATA`",
        )),
        _ => Err(RecommendError::artifact(
            place(),
            format!("layout version {format_version}, this program reads {FORMAT_VERSION}"),
            "use the version of segue that trained it, or a newer one",
        )),
    }
}

fn read_catalog(dir: &Path, head: &Head) -> Result<Catalog, RecommendError> {
    if head.files.get(CATALOG_HEAD) != Some(&hash::of_file(&dir.join(CATALOG_HEAD))?) {
        return Err(damaged(dir, format!("the SHA-256 of {CATALOG_HEAD} is not the one in {HEAD}")));
    }
    let (tables, about) = store::read(&dir.join(CATALOG))?;
    if about.data_sha256() != head.catalog_sha256 {
        return Err(damaged(dir, "its catalog is not the one it was trained with"));
    }
    if !tables.users.is_empty() || tables.sequences.n_events() > 0 {
        return Err(damaged(dir, "its catalog holds people"));
    }
    Ok(Catalog::with_newest(&tables, head.newest))
}

fn read_domain(
    dir: &Path,
    head: &DomainHead,
    files: &BTreeMap<String, String>,
    catalog: &Catalog,
) -> Result<DomainModel, RecommendError> {
    if catalog.domains().get(head.domain.at()).is_none_or(|domain| domain.name != head.name) {
        return Err(damaged(dir, "names a domain that its catalog does not have"));
    }
    check_numbers(head, catalog).map_err(|problem| damaged(dir, problem))?;
    let mut experts = Vec::new();
    for expert in &head.experts {
        let expert = read_expert(dir, expert, files, catalog, head.domain)?;
        let n_values = expert.n_profile_values();
        if n_values != 0 && n_values != catalog.attributes().n_values() {
            return Err(damaged(dir, "an expert reads other attributes of users than its catalog names"));
        }
        experts.push(expert);
    }
    let (blend, cold) = (head.blend.clone(), from_runs(&head.cold_runs));
    Ok(DomainModel { domain: head.domain, experts, blend, cold })
}

fn check_numbers(head: &DomainHead, catalog: &Catalog) -> Result<(), &'static str> {
    // Counted before they are spelled out: a forged run may be longer than memory.
    let n_flags: u64 = head.cold_runs.iter().map(|&n| u64::from(n)).sum();
    let members = head.blend.members.iter().map(|member| member.expert);
    if n_flags != catalog.items().range(head.domain).len() as u64
        || !members.eq(head.experts.iter().map(|expert| expert.id))
    {
        return Err("its parts do not fit each other");
    }
    let weights = head.blend.members.iter().flat_map(|member| [member.warm, member.cold]);
    let spreads = head.experts.iter().map(|expert| expert.spread);
    let valid = weights.chain(spreads).all(|value| value.is_finite() && value >= 0.0);
    if valid && head.blend.cold_offset.is_finite() {
        Ok(())
    } else {
        Err("a weight is negative or not finite")
    }
}

fn read_expert(
    dir: &Path,
    head: &ExpertHead,
    files: &BTreeMap<String, String>,
    catalog: &Catalog,
    domain: DomainIdx,
) -> Result<Expert, RecommendError> {
    // A name, never a path: nothing outside the folder can be read.
    let path: PathBuf = dir.join(Path::new(&head.file).file_name().unwrap_or_default());
    let bytes = fs::read(&path).map_err(|e| io("read", &path, e))?;
    if files.get(&head.file) != Some(&hash::of_bytes(&bytes)) {
        let problem = "its SHA-256 is not the one in artifact.json";
        return Err(RecommendError::artifact(path.display().to_string(), problem, "train again"));
    }
    let place = path.display().to_string();
    let mut tensors = Tensors::from_bytes(&bytes).map_err(|e| broken(head.id, &place, e))?;
    let expert = Expert::load(head.id, head.config.clone(), catalog.items(), domain, &mut tensors)
        .map_err(|e| broken(head.id, &place, e))?;
    Ok(expert.with_spread(head.spread))
}

fn to_runs(flags: &[bool]) -> Vec<u32> {
    let mut runs = vec![0];
    let mut current = false;
    for &flag in flags {
        if flag != current {
            runs.push(0);
            current = flag;
        }
        if let Some(last) = runs.last_mut() {
            *last += 1;
        }
    }
    runs
}

fn from_runs(runs: &[u32]) -> Vec<bool> {
    let expand = |(at, &n): (usize, &u32)| std::iter::repeat_n(at % 2 == 1, n as usize);
    runs.iter().enumerate().flat_map(expand).collect()
}

fn broken(expert: ExpertId, place: &str, source: ModelError) -> RecommendError {
    RecommendError::Model { expert: expert.to_string(), place: place.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_flags_round_trip() {
        for flags in [vec![], vec![true], vec![false, true, true, false], vec![true, true, false]] {
            assert_eq!(from_runs(&to_runs(&flags)), flags);
        }
    }
}
