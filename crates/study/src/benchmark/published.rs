//! The published rows and floor recipes of each protocol, kept as data in `benchmarks/`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use segue_train::floor::FloorPart;
use serde::Deserialize;

/// Published rows and floors of one protocol.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Name of the protocol.
    pub protocol: String,
    /// Rows from papers.
    #[serde(rename = "published")]
    pub systems: Vec<PublishedSystem>,
    /// Recipes measured in the same run.
    pub floor: Vec<FloorRecipe>,
}

/// One system's published figures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSystem {
    /// Name of the system.
    pub name: String,
    /// Sampled negatives per case; all candidates when absent.
    pub candidates: Option<usize>,
    /// Metric values by domain.
    pub rows: BTreeMap<String, BTreeMap<String, f64>>,
}

/// One fixed recipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorRecipe {
    /// Name of the row.
    pub name: String,
    /// The domain it is for; every domain when absent.
    pub domain: Option<String>,
    /// What is summed.
    pub parts: Vec<FloorPart>,
}

impl Published {
    /// The data of a protocol, by its name.
    ///
    /// # Errors
    /// When the protocol is unknown or its file is damaged.
    pub fn of(protocol: &str) -> Result<Self> {
        let text = match protocol {
            "s3rec" => include_str!("../../../../benchmarks/s3rec.toml"),
            "minionerec" => include_str!("../../../../benchmarks/minionerec.toml"),
            "abxi" => include_str!("../../../../benchmarks/abxi.toml"),
            other => bail!("no published data for protocol `{other}`"),
        };
        let data: Self = toml::from_str(text).with_context(|| format!("benchmarks/{protocol}.toml"))?;
        if data.protocol != protocol {
            bail!("benchmarks/{protocol}.toml is for protocol `{}`", data.protocol);
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_readable_rows_and_floors() {
        for protocol in ["s3rec", "minionerec", "abxi"] {
            let data = Published::of(protocol).unwrap();
            assert_eq!(data.protocol, protocol);
            assert!(!data.systems.is_empty() && !data.floor.is_empty());
            assert!(
                data.systems
                    .iter()
                    .all(|row| row.rows.values().all(|metrics| metrics.contains_key("ndcg@10")))
            );
        }
    }
}
