//! Vectors that another program computed, brought into the order of the catalog.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use segue_data::{Dataset, DomainIdx, ItemCatalog, ItemIdx, hash};
use segue_models::ItemVectors;
use segue_models::vector_file::VectorFile;
use serde::Serialize;

use super::Modality;
use crate::failure::{closest, failed, usage};
use segue_report::number::count;

/// Rows of no item that are named; all are counted.
const NAMED_MAX: usize = 100;

/// What the command line says about a file of vectors.
pub struct GivenVectors<'a> {
    /// The vectors.
    pub file: &'a Path,
    /// Raw ids of the rows, one a line.
    pub ids: Option<&'a Path>,
    /// Numbers of a row.
    pub dim: Option<usize>,
    /// The domain whose items they are; all domains without it.
    pub domain: Option<&'a str>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GivenFigures {
    /// What the vectors stand for.
    pub modality: Modality,
    /// Name of the file.
    pub model: String,
    /// Its hash.
    pub model_sha256: String,
    /// Length of a vector.
    pub dim: usize,
    /// Items of the catalog.
    pub n_items: usize,
    /// Rows of the file.
    pub n_rows: usize,
    /// Rows whose id is no item of the data set.
    pub n_of_no_item: usize,
    /// The first hundred of these ids.
    pub of_no_item: Vec<String>,
    /// Items without a vector, or with one of zeros, which means the same.
    pub n_without: usize,
}

impl GivenFigures {
    /// One line for people.
    pub fn in_words(&self) -> String {
        let example = self.of_no_item.first().map_or(String::new(), |id| format!(" (such as `{id}`)"));
        format!(
            "{}: {} vectors of {} numbers for {} items; {} rows are of no item{example}, {} items without a vector",
            self.model,
            count(self.n_rows),
            self.dim,
            count(self.n_items),
            count(self.n_of_no_item),
            count(self.n_without)
        )
    }
}

impl GivenVectors<'_> {
    /// Reads the file and gives every item its vector.
    ///
    /// # Errors
    /// When the file, its ids or the domain do not fit the data set.
    pub fn read(&self, dataset: &Dataset, modality: Modality) -> Result<(ItemVectors, GivenFigures)> {
        let items = &dataset.items;
        let domain = self.domain.map(|name| domain_of(dataset, name)).transpose()?;
        let file = VectorFile::read(self.file, self.dim)?;
        let rows = match (self.ids, &file.ids) {
            (Some(ids), None) => by_id(&read_ids(ids, &file, self.file)?, items, domain, ids)?,
            (None, Some(ids)) => by_id(ids, items, domain, self.file)?,
            // The catalog's own order is drawn by a seed, so the place of a row says nothing.
            (None, None) => {
                let problem = format!("`{}` does not say whose its rows are", self.file.display());
                return Err(usage(
                    problem,
                    "name the item of every row: `--ids FILE`, one raw item id a line",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(usage(
                    format!("--ids beside `{}`, which has ids of its own", self.file.display()),
                    "leave --ids away",
                ));
            }
        };
        let mut values = vec![0.0; items.len() * file.dim]; // [n_items, dim]
        let mut n_without = 0;
        for (vector, row) in values.chunks_exact_mut(file.dim).zip(&rows.of_items) {
            if let Some(row) = row {
                vector.copy_from_slice(&file.values[row * file.dim..(row + 1) * file.dim]);
            }
            n_without += usize::from(vector.iter().all(|value| *value == 0.0));
        }
        if n_without == items.len() {
            let problem = format!("no item gets a vector of `{}` that is not zero", self.file.display());
            return Err(failed(problem, "check the file"));
        }
        let name = self.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let figures = GivenFigures {
            modality,
            model: name.clone(),
            model_sha256: hash::of_file(self.file)?,
            dim: file.dim,
            n_items: items.len(),
            n_rows: file.len(),
            n_of_no_item: rows.n_of_no_item,
            of_no_item: rows.of_no_item,
            n_without,
        };
        let model_sha256 = figures.model_sha256.clone();
        Ok((ItemVectors { dim: file.dim, values, model: name, model_sha256 }, figures))
    }
}

// Which row belongs to which item.
struct Rows {
    of_items: Vec<Option<usize>>,
    n_of_no_item: usize,
    of_no_item: Vec<String>,
}

fn domain_of(dataset: &Dataset, name: &str) -> Result<DomainIdx> {
    let names: Vec<&str> = dataset.domains.iter().map(|domain| domain.name.as_str()).collect();
    if let Some(at) = names.iter().position(|own| *own == name) {
        return Ok(DomainIdx(at as u16));
    }
    let remedy = match closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("domains: {}", names.join(", ")),
    };
    Err(usage(format!("there is no domain `{name}`"), remedy))
}

fn read_ids(path: &Path, file: &VectorFile, vectors: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let ids: Vec<String> = text.trim_start_matches('\u{feff}').lines().map(str::to_owned).collect();
    if let Some(at) = ids.iter().position(|id| id.is_empty() || id.contains('\t')) {
        let problem =
            format!("line {} of `{}` is `{}`", at + 1, path.display(), ids[at].replace('\t', "\\t"));
        return Err(failed(
            problem,
            "a line is one raw item id and nothing else; of a table: `cut -f1 TABLE > FILE`",
        ));
    }
    if ids.len() != file.len() {
        let problem = format!(
            "`{}` has {} ids, `{}` has {} rows of {} numbers",
            path.display(),
            ids.len(),
            vectors.display(),
            file.len(),
            file.dim
        );
        return Err(failed(problem, "every row needs its id; check the files (and --dim)"));
    }
    Ok(ids)
}

// One raw id may stand for an item in several domains: without a domain they all get the vector.
fn by_id(ids: &[String], items: &ItemCatalog, domain: Option<DomainIdx>, place: &Path) -> Result<Rows> {
    let mut rows: HashMap<&str, usize> = HashMap::with_capacity(ids.len());
    for (row, id) in ids.iter().enumerate() {
        if let Some(before) = rows.insert(id, row) {
            let problem = format!(
                "rows {} and {} of `{}` are both of item `{id}`",
                before + 1,
                row + 1,
                place.display()
            );
            return Err(failed(problem, "an item has one vector: keep one of the rows"));
        }
    }
    let wanted = domain.map_or(0..items.len(), |domain| items.range(domain));
    let mut of_items = vec![None; items.len()];
    let mut is_known = vec![false; ids.len()];
    for item in wanted {
        if let Some(&row) = rows.get(items.raw(ItemIdx(item as u32))) {
            (of_items[item], is_known[row]) = (Some(row), true);
        }
    }
    let unknown: Vec<&String> =
        ids.iter().zip(&is_known).filter(|(_, is_known)| !**is_known).map(|(id, _)| id).collect();
    if unknown.len() == ids.len() {
        let example = if items.is_empty() { "" } else { items.raw(ItemIdx(0)) };
        let problem = format!("none of the {} ids in `{}` is an item", ids.len(), place.display());
        return Err(failed(problem, format!("ids must be the data set's item ids, such as `{example}`")));
    }
    let of_no_item = unknown.iter().take(NAMED_MAX).map(|id| (*id).clone()).collect();
    Ok(Rows { of_items, n_of_no_item: unknown.len(), of_no_item })
}
