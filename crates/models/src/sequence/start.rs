//! Sequence models before their first step, and back from their arrays.

use rand::{Rng, RngCore};
use segue_data::{ItemCatalog, TrainSet};

use super::biases::RatingBiases;
use super::{
    ItemInput, ItemWords, JointConfig, Net, SequenceConfig, SequenceModel, SequenceTuning, TextInput,
    TransferConfig, profile,
};
use crate::fusion::{FusedItems, FusionInputs};
use crate::item_vectors::TextSpace;
use crate::losses::LossForm;
use crate::query::{Place, Scope};
use crate::rows::Rows;
use crate::tensors::{ModelError, Tensors};

/// What a sequence model is trained on.
#[derive(Clone, Copy)]
pub struct Lessons<'a> {
    /// Events that are learned from.
    pub train: &'a TrainSet,
    /// Of all domains: `train` may hold events of any.
    pub items: &'a ItemCatalog,
    /// What is known about them, for `transfer` and `joint`.
    pub inputs: FusionInputs<'a>,
}

/// What the structure of a model follows from, beside its settings.
pub(super) struct Parts {
    pub(super) rows: Rows,
    pub(super) words: ItemWords,
    pub(super) input: ItemInput,
}

impl SequenceModel {
    /// A model before training whose item vectors are learned from events (and tags);
    /// [`read_profiles`](Self::read_profiles) adds what is known about users.
    ///
    /// # Errors
    /// When the settings contradict each other, or for [`Scope::Sources`]: other domains are read in [`Scope::All`].
    pub fn new(
        config: &SequenceConfig,
        items: &ItemCatalog,
        place: Place,
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        check(config, place.scope)?;
        let rows = Rows::new(items, place);
        let words = ItemWords::of(items, &rows);
        Ok(Self::build(config, Parts { rows, words, input: ItemInput::Ids }, rng))
    }

    /// A model before training whose item vectors are fused from all that is known about items.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when nothing is known about any candidate.
    pub fn with_fusion(
        config: &JointConfig,
        lessons: Lessons<'_>,
        place: Place,
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        let Lessons { train, items, inputs } = lessons;
        check(&config.sequence, place.scope)?;
        let rows = Rows::new(items, place);
        let fused = FusedItems::new(config.fused(), &inputs, &rows, train, items)?;
        let words = tags(config.fusion.tags, items, &rows);
        let input = ItemInput::Fused(Box::new(fused));
        Ok(Self::build(&joint_sequence(config), Parts { rows, words, input }, rng))
    }

    /// A model before training whose item vectors come from texts.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when no candidate has text.
    pub fn with_text(
        config: &TransferConfig,
        items: &ItemCatalog,
        space: &TextSpace<'_>,
        place: Place,
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, place.scope)?;
        let rows = Rows::new(items, place);
        let text = TextInput::new(&config.text, space, &rows)?;
        let words = tags(config.text.tags, items, &rows);
        Ok(Self::build(&config.sequence, Parts { rows, words, input: ItemInput::Text(text) }, rng))
    }

    pub(super) fn build(config: &SequenceConfig, parts: Parts, rng: &mut impl Rng) -> Self {
        let Parts { rows, words, mut input } = parts;
        let (net, mut params) = Net::new(config, &rows, &words, &input, rng);
        if let ItemInput::Fused(fused) = &mut input {
            fused.add_arrays(net.items, &mut params, rng);
        }
        let mut model = Self {
            config: config.clone(),
            rows,
            words,
            input,
            net,
            params,
            vectors: Vec::new(),
            frequencies: Vec::new(),
            biases: RatingBiases::default(),
        };
        model.tune(SequenceTuning::AtOnce);
        model.refresh();
        model
    }

    pub(crate) fn load(
        config: &SequenceConfig,
        items: &ItemCatalog,
        place: Place,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        Self::new(config, items, place, &mut Zeros)?.filled(tensors)
    }

    pub(crate) fn load_with_text(
        config: &TransferConfig,
        items: &ItemCatalog,
        place: Place,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, place.scope)?;
        let rows = Rows::new(items, place);
        let input = ItemInput::Text(TextInput::load(&config.text, &rows, tensors)?);
        let words = tags(config.text.tags, items, &rows);
        Self::build(&config.sequence, Parts { rows, words, input }, &mut Zeros).filled(tensors)
    }

    pub(crate) fn load_with_fusion(
        config: &JointConfig,
        items: &ItemCatalog,
        place: Place,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, place.scope)?;
        let rows = Rows::new(items, place);
        let input = ItemInput::Fused(Box::new(FusedItems::load(config.fused(), &rows, tensors)?));
        let words = tags(config.fusion.tags, items, &rows);
        Self::build(&joint_sequence(config), Parts { rows, words, input }, &mut Zeros).filled(tensors)
    }

    fn filled(self, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let mut model = self;
        for array in model.params.arrays_mut() {
            let values = tensors.take_f32(&array.name)?;
            if values.len() != array.values.len() {
                return Err(ModelError::Inconsistent {
                    tensor: array.name.clone(),
                    expected: format!("{} values", array.values.len()),
                });
            }
            array.values = values;
        }
        model.load_profile(tensors)?;
        model.load_biases(tensors)?;
        model.refresh();
        Ok(model)
    }
}

fn tags(wanted: bool, items: &ItemCatalog, rows: &Rows) -> ItemWords {
    if wanted { ItemWords::of(items, rows) } else { ItemWords::default() }
}

// The sequence model as the form of the losses wants it.
fn joint_sequence(config: &JointConfig) -> SequenceConfig {
    let mut sequence = config.sequence.clone();
    sequence.tasks.squared_error = match config.loss.form {
        LossForm::Rank => 0.0,
        LossForm::Mse => config.loss.behavior,
    };
    sequence
}

fn check(config: &SequenceConfig, scope: Scope) -> Result<(), ModelError> {
    let reason = if scope == Scope::Sources {
        "it reads other domains as part of one mixed sequence (scope `all`)".to_owned()
    } else if config.width == 0 || config.n_heads == 0 || !config.width.is_multiple_of(config.n_heads) {
        format!("width {} is not a multiple of n_heads {}", config.width, config.n_heads)
    } else if config.max_len == 0 || config.max_len > usize::from(u16::MAX) {
        format!("max_len {} is not between 1 and {}", config.max_len, u16::MAX)
    } else if !(0.0..1.0).contains(&config.dropout) {
        format!("dropout {} is not in [0, 1)", config.dropout)
    } else if !profile::is_valid(config) {
        format!("profile_dropout {} is not in [0, 1)", config.profile_dropout)
    } else if !config.tasks.is_valid() {
        "a task's weight is negative or not finite, next_item is 0, or click_negatives is 0".to_owned()
    } else {
        return Ok(());
    };
    Err(ModelError::StandsAside { expert: "behavior", reason })
}

/// For a model whose numbers are read from a file: every draw gives zero.
pub(super) struct Zeros;

impl RngCore for Zeros {
    fn next_u32(&mut self) -> u32 {
        0
    }
    fn next_u64(&mut self) -> u64 {
        0
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
