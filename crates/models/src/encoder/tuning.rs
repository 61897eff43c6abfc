//! How an encoder is adapted: which arrays are added, which are trained, which stay as they are.

use rand::Rng;
use segue_nn::adapter::Adapter;
use segue_nn::linear::Linear;
use segue_nn::low_rank::LowRankConfig;
use segue_nn::prefix::Prefix;
use segue_nn::{Gradients, Params};
use serde::{Deserialize, Serialize};

use crate::encoder::error::EncoderError;
use crate::encoder::{Shape, TextEncoder};

/// How an encoder is adapted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tuning {
    /// Not at all.
    Frozen,
    /// All arrays are trained.
    Full,
    /// Low-rank additions to some layers (Hu et al., 2021).
    Lora(LoraConfig),
    /// Low-rank additions whose ranks share a budget (Zhang et al., 2023).
    #[serde(rename = "adalora")]
    AdaLora(AdaLoraConfig),
    /// A narrow network in every block (Houlsby et al., 2019; placed as by Pfeiffer et al., 2021).
    Adapter {
        /// Values between its two layers, at least 1.
        width: usize,
    },
    /// Trained keys and values in front of every text, in every block (Li and Liang, 2021).
    Prefix {
        /// Rows per block, at least 1.
        length: usize,
    },
}

/// Settings of `LoRA`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank of every addition, at least 1.
    pub rank: usize,
    /// Additions are multiplied by `alpha / rank`.
    pub alpha: f32,
    /// Layers that get one.
    pub targets: Vec<Target>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: vec![Target::Query, Target::Value] }
    }
}

/// Settings of `AdaLoRA`; shares are of all training steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaLoraConfig {
    /// Rank of every addition at the start.
    pub initial_rank: usize,
    /// Mean rank in the end.
    pub target_rank: usize,
    /// Additions are multiplied by `alpha / initial_rank`.
    pub alpha: f32,
    /// Layers that get one.
    pub targets: Vec<Target>,
    /// Share of the steps before the budget falls.
    pub warmup_share: f64,
    /// Share of the steps after it has fallen, with fixed ranks.
    pub final_share: f64,
    /// Share of the steps between two allocations; at least one step.
    pub interval_share: f64,
    /// How long sensitivities are remembered, in \[0, 1): the paper's β₁.
    pub sensitivity_decay: f32,
    /// How long their uncertainties are remembered, in \[0, 1): the paper's β₂.
    pub uncertainty_decay: f32,
    /// Weight of the singular vectors' distance from orthonormal: the paper's γ.
    pub orthogonality: f32,
}

impl Default for AdaLoraConfig {
    fn default() -> Self {
        Self {
            initial_rank: 12,
            target_rank: 8,
            alpha: 16.0,
            targets: vec![Target::Query, Target::Value],
            warmup_share: 0.1,
            final_share: 0.3,
            interval_share: 0.01,
            sensitivity_decay: 0.85,
            uncertainty_decay: 0.85,
            orthogonality: 0.1,
        }
    }
}

/// A linear layer of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Queries of the attention.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
    /// After the attention.
    Output,
    /// The wide layer of the second half.
    Up,
    /// The narrow one.
    Down,
}

impl Target {
    /// Its name inside a block, as Hugging Face calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Query => "attention.self.query",
            Self::Key => "attention.self.key",
            Self::Value => "attention.self.value",
            Self::Output => "attention.output.dense",
            Self::Up => "intermediate.dense",
            Self::Down => "output.dense",
        }
    }
}

impl Tuning {
    /// `frozen`, `full`, `lora`, `adalora`, `adapter` or `prefix`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Full => "full",
            Self::Lora(_) => "lora",
            Self::AdaLora(_) => "adalora",
            Self::Adapter { .. } => "adapter",
            Self::Prefix { .. } => "prefix",
        }
    }

    /// With default settings; `None` for a name that stands for no tuning.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "frozen" => Self::Frozen,
            "full" => Self::Full,
            "lora" => Self::Lora(LoraConfig::default()),
            "adalora" => Self::AdaLora(AdaLoraConfig::default()),
            "adapter" => Self::Adapter { width: 32 },
            "prefix" => Self::Prefix { length: 16 },
            _ => return None,
        })
    }

    /// Whether the settings fit an encoder of these sizes.
    ///
    /// # Errors
    /// With the setting that does not.
    pub fn check(&self, shape: &Shape) -> Result<(), EncoderError> {
        let size = |what: &str, n: usize, most: usize| {
            let reason = format!("{what} is {n}, not between 1 and {most}");
            if (1..=most).contains(&n) { Ok(()) } else { Err(EncoderError::Tuning { reason }) }
        };
        match self {
            Self::Frozen | Self::Full => Ok(()),
            Self::Lora(config) => {
                size("rank", config.rank, shape.width)?;
                check_deltas(config.alpha, &config.targets)
            }
            Self::AdaLora(config) => {
                size("initial_rank", config.initial_rank, shape.width)?;
                size("target_rank", config.target_rank, config.initial_rank)?;
                check_deltas(config.alpha, &config.targets)?;
                config.check_numbers()
            }
            Self::Adapter { width } => size("the adapter's width", *width, shape.n_hidden),
            Self::Prefix { length } => size("the prefix's length", *length, shape.n_positions),
        }
    }
}

fn check_deltas(alpha: f32, targets: &[Target]) -> Result<(), EncoderError> {
    let twice = targets.iter().enumerate().find(|(at, target)| targets[..*at].contains(target));
    let reason = if !(alpha > 0.0 && alpha.is_finite()) {
        format!("alpha is {alpha}, not a number above 0")
    } else if targets.is_empty() {
        "targets is empty".to_owned()
    } else if let Some((_, target)) = twice {
        format!("targets has {target:?} twice")
    } else {
        return Ok(());
    };
    Err(EncoderError::Tuning { reason })
}

impl AdaLoraConfig {
    fn check_numbers(&self) -> Result<(), EncoderError> {
        let shares = [self.warmup_share, self.final_share, self.interval_share];
        let decays = [self.sensitivity_decay, self.uncertainty_decay];
        let reason = if !shares.iter().all(|share| (0.0..=1.0).contains(share)) || shares[0] + shares[1] > 1.0
        {
            format!("shares of the steps {shares:?} are not in [0, 1], or the first two exceed 1")
        } else if !decays.iter().all(|decay| (0.0..1.0).contains(decay)) {
            format!("decays {decays:?} are not in [0, 1)")
        } else if !(self.orthogonality >= 0.0 && self.orthogonality.is_finite()) {
            format!("orthogonality is {}, not a number from 0", self.orthogonality)
        } else {
            return Ok(());
        };
        Err(EncoderError::Tuning { reason })
    }
}

impl TextEncoder {
    /// How it is adapted.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Adds the parts of a tuning and freezes everything else ([`Full`](Tuning::Full): trains everything). The vectors stay as they
    /// were until a step is taken, but for a prefix, whose rows take a share of the attention. Calling it again replaces the parts.
    ///
    /// # Errors
    /// When the settings do not fit this encoder.
    pub fn tune(&mut self, tuning: &Tuning, rng: &mut impl Rng) -> Result<(), EncoderError> {
        tuning.check(&self.network.shape)?;
        self.drop_parts();
        let trained = *tuning == Tuning::Full;
        self.params.arrays_mut().iter_mut().for_each(|array| array.trainable = trained);
        for at in 0..self.network.blocks.len() {
            self.tune_block(at, tuning, rng);
        }
        self.tuning = tuning.clone();
        Ok(())
    }

    fn tune_block(&mut self, at: usize, tuning: &Tuning, rng: &mut impl Rng) {
        let width = self.network.shape.width;
        let name = |part: &str| format!("encoder.layer.{at}.{part}");
        match tuning {
            Tuning::Frozen | Tuning::Full => {}
            Tuning::Lora(config) => {
                let (rank, scale) = (config.rank, config.alpha / config.rank as f32);
                for &target in &config.targets {
                    let (linear, rows, params) = self.layer(at, target);
                    let config = LowRankConfig { rank, scale, rows };
                    linear.add_low_rank(params, &name(target.name()), config, rng);
                }
            }
            Tuning::AdaLora(config) => {
                let (rank, scale) = (config.initial_rank, config.alpha / config.initial_rank as f32);
                for &target in &config.targets {
                    let (linear, rows, params) = self.layer(at, target);
                    let config = LowRankConfig { rank, scale, rows };
                    linear.add_singular(params, &name(target.name()), config, rng);
                }
            }
            Tuning::Adapter { width: bottleneck } => {
                let name = name("output.adapter");
                let adapter = Adapter::new(&mut self.params, &name, width, *bottleneck, rng);
                self.network.blocks[at].adapter = Some(adapter);
            }
            Tuning::Prefix { length } => {
                let name = name("attention.self.prefix");
                let prefix = Prefix::new(&mut self.params, &name, *length, width, rng);
                self.network.blocks[at].prefix = Some(prefix);
            }
        }
    }

    // A target's layer, its rows of the output, and the arrays.
    fn layer(&mut self, at: usize, target: Target) -> (&mut Linear, std::ops::Range<usize>, &mut Params) {
        let Shape { width, n_hidden, .. } = self.network.shape;
        let block = &mut self.network.blocks[at];
        let (linear, rows) = match target {
            Target::Query => (&mut block.qkv, 0..width),
            Target::Key => (&mut block.qkv, width..2 * width),
            Target::Value => (&mut block.qkv, 2 * width..3 * width),
            Target::Output => (&mut block.out, 0..width),
            Target::Up => (&mut block.up, 0..n_hidden),
            Target::Down => (&mut block.down, 0..width),
        };
        (linear, rows, &mut self.params)
    }

    /// Removes what [`tune`](Self::tune) added; the arrays of the base model stay as they are, all trained.
    pub(crate) fn drop_parts(&mut self) {
        for block in &mut self.network.blocks {
            for linear in [&mut block.qkv, &mut block.out, &mut block.up, &mut block.down] {
                linear.deltas.clear();
            }
            (block.adapter, block.prefix) = (None, None);
        }
        self.params.truncate(self.n_base_arrays);
        self.params.arrays_mut().iter_mut().for_each(|array| array.trainable = true);
        self.tuning = Tuning::Frozen;
    }

    /// Adds low-rank deltas to the weights and removes them, for serving: vectors stay the same up to rounding, and cost what
    /// those of the base model do. Adapters and prefixes stay parts. Afterwards the encoder counts as [`Full`](Tuning::Full), and
    /// the changed weights are its trained arrays.
    pub fn merge(&mut self) {
        if !matches!(self.tuning, Tuning::Lora(_) | Tuning::AdaLora(_)) {
            return;
        }
        let mut changed = Vec::new();
        for block in &mut self.network.blocks {
            for linear in [&mut block.qkv, &mut block.out, &mut block.up, &mut block.down] {
                if !linear.deltas.is_empty() {
                    linear.merge(&mut self.params);
                    changed.push(linear.weight);
                }
            }
        }
        self.drop_parts();
        for (id, array) in self.params.ids().zip(self.params.arrays_mut()) {
            array.trainable = changed.contains(&id);
        }
        self.tuning = Tuning::Full;
    }

    /// What training adds to its loss besides the task: the distance of `AdaLoRA`'s singular vectors from orthonormal, times its
    /// weight, with the gradients; 0 for other tunings.
    pub fn add_penalty(&self, gradients: &mut Gradients) -> f64 {
        let Tuning::AdaLora(config) = &self.tuning else { return 0.0 };
        let deltas = self.network.deltas();
        deltas.map(|delta| delta.add_orthogonality(&self.params, config.orthogonality, gradients)).sum()
    }
}
