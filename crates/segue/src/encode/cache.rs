//! Vectors that were computed before, by the hash of their text; one folder per model, one file per part of a run.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::hash;
use segue_models::Tensors;

use super::write_aside;
use crate::failure::failed;
use crate::observer::Observer;

/// The vectors of one model.
pub struct VectorCache {
    folder: PathBuf,
    dim: usize,
    places: HashMap<String, usize>,
    values: Vec<f32>, // [n, dim]
}

impl VectorCache {
    /// Reads what is there; a damaged file is named and left out, its texts are encoded again.
    ///
    /// # Errors
    /// When the folder cannot be made or listed.
    pub fn open(folder: &Path, observer: &dyn Observer) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        let mut cache =
            Self { folder: folder.to_path_buf(), dim: 0, places: HashMap::new(), values: Vec::new() };
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
        paths.sort();
        for path in paths {
            if let Err(error) = cache.read(&path) {
                observer.warn(&format!("cached vectors `{}` are left out: {error}", path.display()));
            }
        }
        Ok(cache)
    }

    fn read(&mut self, path: &Path) -> Result<()> {
        let mut tensors = Tensors::from_bytes(&fs::read(path)?)?;
        let keys = tensors.take_texts("keys")?;
        let dim = tensors.take_u32("dim")?.first().map_or(0, |&dim| dim as usize);
        let values = tensors.take_f32("vectors")?;
        self.take_in(keys, &values, dim)
    }

    fn take_in(&mut self, keys: Vec<String>, values: &[f32], dim: usize) -> Result<()> {
        let fits = dim > 0 && Some(values.len()) == keys.len().checked_mul(dim);
        if !fits || (self.dim != 0 && self.dim != dim) {
            let problem = format!("{} values for {} vectors of {dim}", values.len(), keys.len());
            return Err(failed(problem, "delete the file"));
        }
        self.dim = dim;
        for (key, vector) in keys.into_iter().zip(values.chunks_exact(dim)) {
            let place = self.places.len();
            if let std::collections::hash_map::Entry::Vacant(entry) = self.places.entry(key) {
                entry.insert(place);
                self.values.extend_from_slice(vector);
            }
        }
        Ok(())
    }

    /// Length of a vector; 0 while there is none.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vector of a text's hash.
    pub fn get(&self, key: &str) -> Option<&[f32]> {
        let place = *self.places.get(key)?;
        self.values.get(place * self.dim..(place + 1) * self.dim)
    }

    /// Adds vectors and writes them at once.
    ///
    /// # Errors
    /// When the file cannot be written, or the vectors have another length.
    pub fn add(&mut self, keys: &[String], vectors: Vec<f32>, dim: usize) -> Result<()> {
        let name = format!("{}.safetensors", &hash::of_bytes(keys.concat().as_bytes())[..24]);
        self.take_in(keys.to_vec(), &vectors, dim)?;
        let mut tensors = Tensors::new();
        tensors.put_texts("keys", keys);
        tensors.put_f32("vectors", vectors);
        tensors.put_u32("dim", vec![dim as u32]);
        write_aside(&self.folder.join(name), &tensors.to_bytes()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_and_a_damaged_file_costs_only_its_own() {
        let folder = std::env::temp_dir().join(format!("segue-cache-{}", std::process::id()));
        let mut cache = VectorCache::open(&folder, &crate::Silent).unwrap();
        cache.add(&["a".into(), "b".into()], vec![1.0, 2.0, 3.0, 4.0], 2).unwrap();
        cache.add(&["c".into()], vec![5.0, 6.0], 2).unwrap();
        assert!(cache.add(&["d".into()], vec![1.0; 3], 3).is_err(), "another length");
        let again = VectorCache::open(&folder, &crate::Silent).unwrap();
        assert_eq!((again.get("b"), again.get("c")), (Some(&[3.0, 4.0][..]), Some(&[5.0, 6.0][..])));
        let name = hash::of_bytes(b"c")[..24].to_owned() + ".safetensors";
        fs::write(folder.join(name), b"broken").unwrap();
        let damaged = VectorCache::open(&folder, &crate::Silent).unwrap();
        assert_eq!((damaged.get("a"), damaged.get("c")), (Some(&[1.0, 2.0][..]), None));
        fs::remove_dir_all(&folder).unwrap();
    }
}
