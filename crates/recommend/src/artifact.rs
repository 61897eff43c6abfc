//! A trained model on disk: one folder, JSON and safetensors, each file's hash in `artifact.json`, and the hash of that in
//! `artifact.sha256` (as `sha256sum` writes it).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use segue_data::{Dataset, DomainIdx, ItemCatalog, hash, store};
use segue_models::{Expert, ExpertConfig, ExpertId, ModelError, Tensors};
use serde::{Deserialize, Serialize};

use crate::blend::Blend;
use crate::error::RecommendError;
use crate::recommender::{DomainModel, Recommender};

/// Version of the folder's layout.
pub const FORMAT_VERSION: u32 = 1;

const HEAD: &str = "artifact.json";
const SEAL: &str = "artifact.sha256";
/// The tables' hashes stand in here; its own stands in the head.
const DATASET_HEAD: &str = "dataset/dataset.toml";

#[derive(Serialize, Deserialize)]
struct Head {
    format_version: u32,
    data_sha256: String,
    domains: Vec<DomainHead>,
    files: BTreeMap<String, String>,
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
pub fn write(recommender: &Recommender, seed: u64, to: &Path) -> Result<(), RecommendError> {
    write_aside(to, |aside| write_into(recommender, seed, aside))
}

/// Lets `write` fill a folder beside `to`, and renames it when it is complete.
pub(crate) fn write_aside(
    to: &Path,
    write: impl FnOnce(&Path) -> Result<(), RecommendError>,
) -> Result<(), RecommendError> {
    if to.exists() {
        return Err(RecommendError::artifact(
            to.display().to_string(),
            "already exists",
            "name another folder",
        ));
    }
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = to.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = write(&aside).and_then(|()| {
        sync(&aside)?;
        fs::rename(&aside, to).map_err(|e| io("rename to", to, e))?;
        sync(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    });
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_dir_all(&aside);
    }
    written
}

fn write_into(recommender: &Recommender, seed: u64, dir: &Path) -> Result<(), RecommendError> {
    fs::create_dir_all(dir).map_err(|e| io("create", dir, e))?;
    let data = store::write(&recommender.dataset, seed, toml::Table::new(), &dir.join("dataset"))?;
    let mut head = Head {
        format_version: FORMAT_VERSION,
        data_sha256: data.data_sha256(),
        domains: Vec::new(),
        files: BTreeMap::new(),
    };
    head.files.insert(DATASET_HEAD.to_owned(), hash::of_file(&dir.join(DATASET_HEAD))?);
    for model in &recommender.domains {
        let mut experts = Vec::new();
        for expert in &model.experts {
            let file = format!("domain-{}-{}.safetensors", model.domain.0, expert.id);
            let bytes = expert.save().to_bytes().map_err(|e| broken(expert.id, &file, e))?;
            head.files.insert(file.clone(), hash::of_bytes(&bytes));
            put(&dir.join(&file), &bytes)?;
            experts.push(ExpertHead {
                id: expert.id,
                config: expert.config().clone(),
                spread: expert.spread(),
                file,
            });
        }
        head.domains.push(DomainHead {
            domain: model.domain,
            name: recommender.dataset.domains[model.domain.at()].name.clone(),
            experts,
            blend: model.blend.clone(),
            cold_runs: to_runs(&model.cold),
        });
    }
    let path = dir.join(HEAD);
    let text = serde_json::to_vec_pretty(&head).map_err(|e| {
        RecommendError::artifact(path.display().to_string(), e.to_string(), "report this as a bug")
    })?;
    put(&path, &text)?;
    put(&dir.join(SEAL), seal_of(&text).as_bytes())
}

fn seal_of(head: &[u8]) -> String {
    format!("{}  {HEAD}\n", hash::of_bytes(head))
}

/// Reads a model folder; every file's hash is checked.
///
/// # Errors
/// When a file is missing, changed, or does not fit the others.
pub fn read(dir: &Path) -> Result<Recommender, RecommendError> {
    let damaged = |problem: String| {
        RecommendError::artifact(
            dir.display().to_string(),
            problem,
            "train again, or copy the whole folder again",
        )
    };
    let get = |name: &str| fs::read(dir.join(name)).map_err(|e| io("read", &dir.join(name), e));
    let text = get(HEAD)?;
    if get(SEAL)? != seal_of(&text).as_bytes() {
        return Err(damaged(format!("the SHA-256 of {HEAD} is not the one in {SEAL}")));
    }
    let head: Head = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    if head.format_version != FORMAT_VERSION {
        return Err(damaged(format!(
            "layout version {}, this program reads {FORMAT_VERSION}",
            head.format_version
        )));
    }
    if head.files.get(DATASET_HEAD) != Some(&hash::of_file(&dir.join(DATASET_HEAD))?) {
        return Err(damaged(format!("the SHA-256 of {DATASET_HEAD} is not the one in {HEAD}")));
    }
    let (dataset, data) = store::read(&dir.join("dataset"))?;
    if data.data_sha256() != head.data_sha256 {
        return Err(damaged("its data set is not the one it was trained with".into()));
    }
    let mut domains = Vec::new();
    for domain in &head.domains {
        domains.push(read_domain(dir, domain, &head.files, &dataset)?);
    }
    Ok(Recommender::new(dataset, domains))
}

fn read_domain(
    dir: &Path,
    head: &DomainHead,
    files: &BTreeMap<String, String>,
    dataset: &Dataset,
) -> Result<DomainModel, RecommendError> {
    let damaged = |problem: &str| RecommendError::artifact(dir.display().to_string(), problem, "train again");
    if dataset.domains.get(head.domain.at()).is_none_or(|domain| domain.name != head.name) {
        return Err(damaged("names a domain that its data set does not have"));
    }
    // Counted before they are spelled out: a forged run may be longer than memory.
    let n_flags: u64 = head.cold_runs.iter().map(|&n| u64::from(n)).sum();
    let members = head.blend.members.iter().map(|member| member.expert);
    if n_flags != dataset.items.range(head.domain).len() as u64
        || !members.eq(head.experts.iter().map(|expert| expert.id))
    {
        return Err(damaged("its parts do not fit each other"));
    }
    let weights = head.blend.members.iter().flat_map(|member| [member.warm, member.cold]);
    let spreads = head.experts.iter().map(|expert| expert.spread);
    let valid = weights.chain(spreads).all(|value| value.is_finite() && value >= 0.0);
    if !valid || !head.blend.cold_offset.is_finite() {
        return Err(damaged("a weight is negative or not finite"));
    }
    let cold = from_runs(&head.cold_runs);
    let mut experts = Vec::new();
    for expert in &head.experts {
        let expert = read_expert(dir, expert, files, &dataset.items, head.domain)?;
        let n_values = expert.n_profile_values();
        if n_values != 0 && n_values != dataset.profiles.n_values() {
            return Err(damaged("an expert reads other attributes of users than its data set has"));
        }
        experts.push(expert);
    }
    Ok(DomainModel { domain: head.domain, experts, blend: head.blend.clone(), cold })
}

fn read_expert(
    dir: &Path,
    head: &ExpertHead,
    files: &BTreeMap<String, String>,
    items: &ItemCatalog,
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
    let expert = Expert::load(head.id, head.config.clone(), items, domain, &mut tensors)
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

pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), RecommendError> {
    fs::write(path, bytes).map_err(|e| io("write", path, e))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), RecommendError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(|e| io("sync", path, e))
}

pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> RecommendError {
    RecommendError::Data(segue_data::DataError::io(action, path, error))
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
