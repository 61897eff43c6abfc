//! Every key of the config, in one table: its path, which values of [`RunConfig`] it sets, and what it means.
//!
//! A setting is defined where it is read: a field, with its default and its range, of a model's, the plan's or the pipeline's own
//! settings. Its line here gives it a path; file, environment variable, `segue config`, `config.toml` and messages follow from that.
//!
//! [`RunConfig`]: crate::config::RunConfig

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`, or `key` at the top.
    pub path: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// The values that it sets, as paths from the config down; `*` stands for each of [`SEQUENCE_MODELS`].
    values: &'static [&'static str],
    /// Names of `false` and `true`, where people read names.
    names: Option<[&'static str; 2]>,
}

/// The sequence models of the plan. One key sets what they have in common.
const SEQUENCE_MODELS: [&str; 3] = ["behavior", "transfer.sequence", "joint.sequence"];

const fn key(path: &'static str, values: &'static [&'static str], meaning: &'static str) -> Key {
    Key { path, meaning, values, names: None }
}

/// All keys, in the order of the file.
pub const KEYS: &[Key] = &[
    key("seed", &["recipe.plan.seed", "recipe.table.bootstrap.seed"], "seed of the search and the intervals"),
    key("data.targets", &["data.targets"], "domains to recommend; empty = all"),
    key("data.min_value", &["data.min_value"], "events with a lower rating or weight are left out"),
    key(
        "data.k_core",
        &["data.k_core"],
        "users and items with fewer events are left out until none is; 0 = keep all",
    ),
    key(
        "split.rule",
        &["split.rule"],
        "auto, global-time, leave-one-out, leave-one-out-per-domain or published",
    ),
    key("split.train", &["split.train"], "share of events in train (global-time)"),
    key("split.valid", &["split.valid"], "share of events in valid (global-time)"),
    key("fit.experts", &["recipe.plan.experts"], "kinds of experts to train"),
    key("fit.budget", &["recipe.plan.budget"], "settings tried per expert"),
    key("fit.search_cases", &["recipe.plan.search_cases"], "valid cases used per trial"),
    key("fit.blend_cases", &["recipe.plan.blend_cases"], "valid cases used to choose the blend"),
    key("fit.objective", &["recipe.plan.objective"], "ranks that count when choosing: masked or unmasked"),
    key("fit.use_sources", &["recipe.plan.use_sources"], "whether other domains may be used"),
    key(
        "fit.pseudo_labels",
        &["recipe.pseudo_labels"],
        "whether sure guesses for users with hardly an event become training events, if valid proves a gain",
    ),
    key(
        "fit.linear_budget_mib",
        &["recipe.plan.linear_budget_mib"],
        "memory that a dense linear solution may take, MiB",
    ),
    key(
        "fit.refit",
        &["recipe.refit"],
        "fit the chosen experts again on train and valid before test is measured",
    ),
    key("behavior.width", &["recipe.plan.behavior.width"], "width of behavior, even"),
    key(
        "behavior.n_layers",
        &["recipe.plan.*.n_layers"],
        "transformer blocks of behavior, transfer and joint",
    ),
    key(
        "behavior.max_len",
        &["recipe.plan.*.max_len"],
        "newest events that behavior, transfer and joint look at",
    ),
    key(
        "behavior.dropout",
        &["recipe.plan.behavior.dropout"],
        "probability that a value of behavior is dropped in training",
    ),
    key("behavior.learning_rate", &["recipe.plan.behavior.learning_rate"], "learning rate of behavior"),
    key(
        "behavior.profile_tokens",
        &["recipe.plan.*.profile_tokens"],
        "whether behavior reads what is known about users (age, gender, …), where the data has it",
    ),
    key(
        "transfer.tuning",
        &["recipe.plan.transfer.tuning"],
        "from the other domains to the target: joint, frozen, light or full",
    ),
    key("transfer.width", &["recipe.plan.transfer.sequence.width"], "width of transfer, even"),
    key(
        "transfer.dropout",
        &["recipe.plan.transfer.sequence.dropout"],
        "probability that a value of transfer is dropped in training",
    ),
    key(
        "transfer.learning_rate",
        &["recipe.plan.transfer.sequence.learning_rate"],
        "learning rate of transfer",
    ),
    key(
        "transfer.id_bound",
        &["recipe.plan.transfer.text.id_bound"],
        "greatest length of an item's own vector beside its text; 0 = none",
    ),
    key(
        "transfer.domain_rank",
        &["recipe.plan.transfer.text.domain_rank"],
        "rank of each domain's own adapter; 0 = none",
    ),
    key(
        "joint.tokens",
        &["recipe.plan.joint.fusion.tokens"],
        "what joint fuses of what the data have: text, image, audio, graph, id",
    ),
    key("joint.width", &["recipe.plan.joint.sequence.width"], "width of joint, even"),
    key(
        "joint.dropout",
        &["recipe.plan.joint.sequence.dropout"],
        "probability that a value of joint is dropped in training",
    ),
    key("joint.learning_rate", &["recipe.plan.joint.sequence.learning_rate"], "learning rate of joint"),
    key(
        "joint.modality_dropout",
        &["recipe.plan.joint.fusion.modality_dropout"],
        "probability that joint does without a token of an item in a step",
    ),
    key(
        "joint.n_neighbors",
        &["recipe.plan.joint.graph.n_neighbors"],
        "neighbors drawn per node of the graph in a step of joint",
    ),
    key("joint.users", &["recipe.plan.joint.graph.users"], "whether users are nodes of joint's graph"),
    key(
        "loss.next_item",
        &["recipe.plan.*.tasks.next_item"],
        "weight of the next item in what behavior, transfer and joint are trained for",
    ),
    key(
        "loss.rating",
        &["recipe.plan.*.tasks.rating"],
        "weight of the rating (squared error); 0 = no such task",
    ),
    key(
        "loss.click",
        &["recipe.plan.*.tasks.click"],
        "weight of the choice (binary cross-entropy, calibrated); 0 = no such task",
    ),
    key(
        "loss.click_negatives",
        &["recipe.plan.*.tasks.click_negatives"],
        "items drawn against each one that was chosen",
    ),
    key(
        "loss.contrast",
        &["recipe.plan.*.tasks.contrast"],
        "weight of the contrast between two views of a sequence; 0 = none",
    ),
    key(
        "loss.sources",
        &["recipe.plan.*.source_weight"],
        "weight of other domains' events relative to the target's",
    ),
    key(
        "loss.objective",
        &["recipe.plan.joint.loss.form"],
        "form of joint's further losses: rank, or mse (squared errors)",
    ),
    key(
        "loss.behavior",
        &["recipe.plan.joint.loss.behavior"],
        "weight of users' squared error (joint with objective mse)",
    ),
    key("loss.graph", &["recipe.plan.joint.loss.graph"], "weight of link prediction (joint)"),
    key("loss.fusion", &["recipe.plan.joint.loss.fusion"], "weight of the alignment of modalities (joint)"),
    key(
        "loss.schedule",
        &["recipe.plan.joint.loss.schedule"],
        "turn of joint's further losses: joint (every step), or alternating",
    ),
    Key {
        names: Some(["fixed", "learned"]),
        ..key(
            "loss.weights",
            &["recipe.plan.*.tasks.learned_weights"],
            "fixed, or learned from those given as a start",
        )
    },
    key(
        "report.cutoffs",
        &["recipe.table.cutoffs"],
        "lengths of lists that are measured; 10 must be among them",
    ),
    key("report.resamples", &["recipe.table.bootstrap.n_resamples"], "resamples of an interval"),
    key("report.confidence", &["recipe.table.bootstrap.confidence"], "confidence of an interval"),
    key("report.examples", &["report.examples"], "users whose recommendations the page shows, per domain"),
];

impl Key {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("SEGUE_{}", self.path.replace('.', "_").to_uppercase())
    }

    /// What a person is told who gave it a value that cannot be meant.
    pub(super) fn hint(&self) -> String {
        format!("`{}` is: {}", self.path, self.meaning)
    }

    /// Paths of the values that it sets, from the config down.
    pub(super) fn values(&self) -> impl Iterator<Item = String> {
        self.values.iter().flat_map(|path| expanded(path))
    }

    /// The names of `false` and `true`, where people read names.
    pub(super) fn names(&self) -> Option<[&'static str; 2]> {
        self.names
    }
}

/// A path without `*`, or the path for every sequence model.
pub(super) fn expanded(path: &str) -> impl Iterator<Item = String> {
    let n = if path.contains('*') { SEQUENCE_MODELS.len() } else { 1 };
    SEQUENCE_MODELS.iter().take(n).map(move |model| path.replace('*', model))
}

/// The key with this path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}
