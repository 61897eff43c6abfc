//! Every key of the config, in words: for messages, for `segue config`, and for environment variables.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`, or `key` at the top.
    pub path: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn key(path: &'static str, meaning: &'static str) -> Key {
    Key { path, meaning }
}

/// All keys, in the order of the file.
pub const KEYS: &[Key] = &[
    key("seed", "seed of the search and the intervals"),
    key("data.targets", "domains to recommend; empty = all"),
    key("data.min_value", "events with a lower rating or weight are left out"),
    key("data.k_core", "users and items with fewer events are left out until none is; 0 = keep all"),
    key("split.rule", "auto, global-time, leave-one-out, leave-one-out-per-domain or published"),
    key("split.train", "share of events in train (global-time)"),
    key("split.valid", "share of events in valid (global-time)"),
    key("fit.experts", "kinds of experts to train"),
    key("fit.budget", "settings tried per expert"),
    key("fit.search_cases", "valid cases used per trial"),
    key("fit.blend_cases", "valid cases used to choose the blend"),
    key("fit.objective", "ranks that count when choosing: masked or unmasked"),
    key("fit.use_sources", "whether other domains may be used"),
    key(
        "fit.pseudo_labels",
        "whether sure guesses for users with hardly an event become training events, if valid proves a gain",
    ),
    key("fit.linear_budget_mib", "memory that a dense linear solution may take, MiB"),
    key("fit.refit", "fit the chosen experts again on train and valid before test is measured"),
    key("behavior.width", "width of behavior, even"),
    key("behavior.n_layers", "transformer blocks of behavior, transfer and joint"),
    key("behavior.max_len", "newest events that behavior, transfer and joint look at"),
    key("behavior.dropout", "probability that a value of behavior is dropped in training"),
    key("behavior.learning_rate", "learning rate of behavior"),
    key(
        "behavior.profile_tokens",
        "whether behavior reads what is known about users (age, gender, …), where the data has it",
    ),
    key("transfer.tuning", "from the other domains to the target: joint, frozen, light or full"),
    key("transfer.width", "width of transfer, even"),
    key("transfer.dropout", "probability that a value of transfer is dropped in training"),
    key("transfer.learning_rate", "learning rate of transfer"),
    key("transfer.id_bound", "greatest length of an item's own vector beside its text; 0 = none"),
    key("transfer.domain_rank", "rank of each domain's own adapter; 0 = none"),
    key("joint.tokens", "what joint fuses of what the data have: text, image, audio, graph, id"),
    key("joint.width", "width of joint, even"),
    key("joint.dropout", "probability that a value of joint is dropped in training"),
    key("joint.learning_rate", "learning rate of joint"),
    key("joint.modality_dropout", "probability that joint does without a token of an item in a step"),
    key("joint.n_neighbors", "neighbors drawn per node of the graph in a step of joint"),
    key("joint.users", "whether users are nodes of joint's graph"),
    key("loss.next_item", "weight of the next item in what behavior, transfer and joint are trained for"),
    key("loss.rating", "weight of the rating (squared error); 0 = no such task"),
    key("loss.click", "weight of the choice (binary cross-entropy, calibrated); 0 = no such task"),
    key("loss.click_negatives", "items drawn against each one that was chosen"),
    key("loss.contrast", "weight of the contrast between two views of a sequence; 0 = none"),
    key("loss.sources", "weight of other domains' events relative to the target's"),
    key("loss.objective", "form of joint's further losses: rank, or mse (squared errors)"),
    key("loss.behavior", "weight of users' squared error (joint with objective mse)"),
    key("loss.graph", "weight of link prediction (joint)"),
    key("loss.fusion", "weight of the alignment of modalities (joint)"),
    key("loss.schedule", "turn of joint's further losses: joint (every step), or alternating"),
    key("loss.weights", "fixed, or learned from those given as a start"),
    key("report.cutoffs", "lengths of lists that are measured; 10 must be among them"),
    key("report.resamples", "resamples of an interval"),
    key("report.confidence", "confidence of an interval"),
    key("report.examples", "users whose recommendations the page shows, per domain"),
];

impl Key {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("SEGUE_{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// The key with this path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataSection, RunConfig};

    #[test]
    fn the_keys_are_those_of_the_typed_config() {
        let data = DataSection { min_value: Some(1.0), ..DataSection::default() };
        let full = toml::Table::try_from(RunConfig { data, ..RunConfig::default() }).unwrap();
        let mut paths = Vec::new();
        for (name, value) in &full {
            match value.as_table() {
                Some(section) => paths.extend(section.keys().map(|key| format!("{name}.{key}"))),
                None => paths.push(name.clone()),
            }
        }
        let mut known: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
        known.sort_unstable();
        paths.sort_unstable();
        assert_eq!(paths, known);
    }
}
