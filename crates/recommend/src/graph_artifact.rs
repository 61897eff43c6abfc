//! A trained model of a graph on disk: a folder with `graph.json` (format, settings, seed, sizes, hashes) and
//! `graph.safetensors` (vectors, raw ids, facts).

use std::fs;
use std::path::Path;

use segue_data::{EntityIdx, LinkData, RelationIdx, Triple, Vocabulary, hash};
use segue_models::graph_links::{GraphConfig, GraphModel, GraphSize};
use segue_models::{ModelError, Tensors};
use serde::{Deserialize, Serialize};

use crate::error::RecommendError;
use crate::folder::{io, put, write_aside};

const FORMAT_VERSION: u32 = 2;
const HEAD: &str = "graph.json";
const ARRAYS: &str = "graph.safetensors";
/// No honest head is larger.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// A model and the facts that it was trained, chosen and measured on.
#[derive(Clone, Debug)]
pub struct GraphArtifact {
    /// The model.
    pub model: GraphModel,
    /// Vocabularies and facts.
    pub data: LinkData,
    /// What it says about itself.
    pub about: About,
}

/// What an artifact says about its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Seed of the training, and of the split where that was random.
    pub seed: u64,
    /// Learning rate.
    pub rate: f32,
    /// Questions per step.
    pub batch: usize,
    /// The pass that was kept of each member, from 1.
    pub epochs: Vec<usize>,
    /// Filtered MRR on valid of all members together; `None` when there were no facts of valid.
    pub valid_mrr: Option<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format_version: u32,
    config: GraphConfig,
    about: About,
    n_entities: usize,
    n_relations: usize,
    /// Whether entities have names beside their ids.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_names: bool,
    /// Facts of train, valid and test.
    n_facts: [usize; 3],
    /// Hash of the facts by raw ids.
    data_sha256: String,
    /// Hash of the file of arrays.
    arrays_sha256: String,
}

impl GraphArtifact {
    /// Writes the folder `to`, which must not exist; it appears only when complete.
    ///
    /// # Errors
    /// When `to` exists or writing fails.
    pub fn write(&self, to: &Path) -> Result<(), RecommendError> {
        write_aside(to, |folder| self.write_into(folder))
    }

    fn write_into(&self, folder: &Path) -> Result<(), RecommendError> {
        fs::create_dir_all(folder).map_err(|e| io("create", folder, e))?;
        let mut tensors = Tensors::new();
        self.model.save(&mut tensors);
        let texts = |ids: &Vocabulary| ids.iter().map(str::to_owned).collect::<Vec<_>>();
        tensors.put_texts("entity_ids", &texts(&self.data.entities));
        tensors.put_texts("relation_ids", &texts(&self.data.relations));
        if !self.data.names.is_empty() {
            tensors.put_texts("entity_names", &self.data.names);
        }
        for (name, facts) in self.data.parts() {
            let values = facts.iter().flat_map(|fact| [fact.head.0, fact.relation.0, fact.tail.0]);
            tensors.put_u32(name, values.collect());
        }
        let path = folder.join(ARRAYS);
        let bytes = tensors.to_bytes().map_err(|e| broken(&path, e))?;
        put(&path, &bytes)?;
        let head = Head {
            format_version: FORMAT_VERSION,
            config: self.model.config,
            about: self.about.clone(),
            n_entities: self.data.entities.len(),
            n_relations: self.data.relations.len(),
            has_names: !self.data.names.is_empty(),
            n_facts: self.data.parts().map(|(_, facts)| facts.len()),
            data_sha256: self.data.sha256(),
            arrays_sha256: hash::of_bytes(&bytes),
        };
        let path = folder.join(HEAD);
        let text = serde_json::to_vec_pretty(&head).map_err(|e| damaged(&path, e.to_string()))?;
        put(&path, &text)
    }

    /// Reads a folder; hashes, sizes and indexes are checked.
    ///
    /// # Errors
    /// When a file is missing, changed, or does not fit the others.
    pub fn read(folder: &Path) -> Result<Self, RecommendError> {
        let path = folder.join(HEAD);
        let n_bytes = fs::metadata(&path).map_err(|e| io("read", &path, e))?.len();
        if n_bytes > HEAD_BYTES_MAX {
            return Err(damaged(&path, format!("{n_bytes} bytes are too many for it")));
        }
        let text = fs::read(&path).map_err(|e| io("read", &path, e))?;
        let version: Version = serde_json::from_slice(&text).map_err(|e| damaged(&path, e.to_string()))?;
        if version.format_version != FORMAT_VERSION {
            let problem = format!("format {}, this program reads {FORMAT_VERSION}", version.format_version);
            return Err(damaged(&path, problem));
        }
        let head: Head = serde_json::from_slice(&text).map_err(|e| damaged(&path, e.to_string()))?;
        let path = folder.join(ARRAYS);
        let bytes = fs::read(&path).map_err(|e| io("read", &path, e))?;
        if hash::of_bytes(&bytes) != head.arrays_sha256 {
            return Err(damaged(&path, format!("its SHA-256 is not the one in {HEAD}")));
        }
        let mut tensors = Tensors::from_bytes(&bytes).map_err(|e| broken(&path, e))?;
        let data = read_data(&head, &mut tensors).map_err(|e| broken(&path, e))?;
        if data.sha256() != head.data_sha256 {
            return Err(damaged(&path, "its facts are not those that it was trained on"));
        }
        let size = GraphSize { n_entities: head.n_entities, n_relations: head.n_relations };
        let model = GraphModel::load(head.config, size, &mut tensors).map_err(|e| broken(&path, e))?;
        Ok(Self { model, data, about: head.about })
    }
}

/// Read first: other versions may have other fields.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

fn read_data(head: &Head, tensors: &mut Tensors) -> Result<LinkData, ModelError> {
    let mut ids = |name: &str, n: usize| {
        let texts = tensors.take_texts(name)?;
        let ids: Vocabulary = texts.iter().collect();
        if ids.len() == n && texts.len() == n {
            Ok(ids)
        } else {
            Err(ModelError::Inconsistent { tensor: name.to_owned(), expected: format!("{n} different ids") })
        }
    };
    let entities = ids("entity_ids", head.n_entities)?;
    let relations = ids("relation_ids", head.n_relations)?;
    let names = if head.has_names { tensors.take_texts("entity_names")? } else { Vec::new() };
    if head.has_names && names.len() != head.n_entities {
        let expected = format!("{} names", head.n_entities);
        return Err(ModelError::Inconsistent { tensor: "entity_names".to_owned(), expected });
    }
    let mut facts = |name: &str, n: usize| {
        let values = tensors.take_u32(name)?;
        let is_known = |fact: &[u32]| {
            let entity = |at: u32| (at as usize) < head.n_entities;
            entity(fact[0]) && entity(fact[2]) && (fact[1] as usize) < head.n_relations
        };
        if values.len() != 3 * n || !values.chunks_exact(3).all(is_known) {
            let expected = format!("{n} facts of known entities and relations");
            return Err(ModelError::Inconsistent { tensor: name.to_owned(), expected });
        }
        let fact = |fact: &[u32]| Triple {
            head: EntityIdx(fact[0]),
            relation: RelationIdx(fact[1]),
            tail: EntityIdx(fact[2]),
        };
        Ok(values.chunks_exact(3).map(fact).collect::<Vec<_>>())
    };
    let [n_train, n_valid, n_test] = head.n_facts;
    let (train, valid, test) = (facts("train", n_train)?, facts("valid", n_valid)?, facts("test", n_test)?);
    Ok(LinkData { entities, names, relations, train, valid, test })
}

fn damaged(path: &Path, problem: impl Into<String>) -> RecommendError {
    let remedy = "train again with `segue graph train`, or copy the whole folder again";
    RecommendError::artifact(path.display().to_string(), problem, remedy)
}

fn broken(path: &Path, source: ModelError) -> RecommendError {
    RecommendError::Model { expert: "graph".to_owned(), place: path.display().to_string(), source }
}
