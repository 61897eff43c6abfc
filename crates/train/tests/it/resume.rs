//! A training that is stopped anywhere, however often, goes on to the same bytes.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_models::sequence::{Example, SequenceConfig, SequenceModel, SequenceStep};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Place, Scope};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};
use segue_train::judge::mean;
use segue_train::learn::{Epoch, LearnPlan, Learner, Method, learn};
use segue_train::sequence_fit::{Lessons, SequenceTraining, Validation, fit_sequence};
use segue_train::{Judge, Keeping, Objective, TrainError};

use crate::folder::Folder;
use crate::story::{Stage, Story, TARGET};

const N_TRIALS: u64 = 50;

fn small() -> SequenceConfig {
    SequenceConfig {
        width: 8,
        n_heads: 2,
        n_layers: 1,
        max_len: 10,
        dropout: 0.2,
        n_negatives: 20,
        ..SequenceConfig::default()
    }
}

fn plan(n_examples: usize, epochs: usize) -> LearnPlan {
    LearnPlan {
        n_examples,
        batch_size: 16,
        method: Method::AdamW,
        learning_rate: 5e-3,
        warmup_steps: 10,
        weight_decay: 0.01,
        clip_norm: 5.0,
        epochs,
        max_epochs: 5,
        patience: 2,
        seed: 3,
    }
}

/// The behavior model; asks for a stop after some steps, and counts those taken.
struct Interrupted<'a> {
    model: SequenceModel,
    examples: &'a [Example],
    step: SequenceStep,
    judge: &'a Judge<'a>,
    n_steps: &'a Cell<usize>,
    stop_after: usize,
    stop: &'a AtomicBool,
}

impl Learner for Interrupted<'_> {
    fn params(&mut self) -> &mut Params {
        &mut self.model.params
    }

    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64 {
        self.n_steps.set(self.n_steps.get() + 1);
        self.stop_after = self.stop_after.saturating_sub(1);
        self.stop.store(self.stop_after == 0, Ordering::Relaxed);
        self.model.refresh();
        let batch: Vec<&Example> = batch.iter().map(|&at| &self.examples[at]).collect();
        self.step.losses(&self.model, &batch, key, gradients)
    }

    fn validate(&mut self) -> Result<f64, TrainError> {
        self.model.refresh();
        let model = &self.model;
        let score = |query: &segue_models::Query<'_>, scores: &mut [f32]| model.score(query, scores);
        Ok(mean(&self.judge.metric_values(Objective::Masked, score)?))
    }
}

/// What a training gave: bytes of all parameters, and the curve.
type Outcome = (Vec<u8>, Vec<Epoch>);

struct Setting<'a> {
    model: SequenceModel,
    examples: Vec<Example>,
    judge: Judge<'a>,
    n_steps: Cell<usize>,
}

impl<'a> Setting<'a> {
    fn new(stage: &'a Stage) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let model = SequenceModel::new(
            &small(),
            &stage.dataset.items,
            Place { domain: TARGET, scope: Scope::All },
            &mut rng,
        );
        let mut model = model.expect("the items can be modeled");
        let examples = Example::all_of(&stage.split.train, &model);
        model.count_targets(&examples);
        Self { model, examples, judge: stage.valid(), n_steps: Cell::new(0) }
    }

    /// One process: from the checkpoint, if there is one, until done or stopped.
    fn run(&self, epochs: usize, folder: Option<&Path>, stop_after: usize) -> Result<Outcome, TrainError> {
        let stop = AtomicBool::new(false);
        let mut learner = Interrupted {
            model: self.model.clone(),
            examples: &self.examples,
            step: SequenceStep::default(),
            judge: &self.judge,
            n_steps: &self.n_steps,
            stop_after,
            stop: &stop,
        };
        let keeping = Keeping { folder, every_steps: 7, stop: &stop };
        let curve = learn(&mut learner, &plan(self.examples.len(), epochs), keeping, |_| ())?;
        Ok((bytes_of(learner.params()), curve))
    }
}

fn bytes_of(params: &Params) -> Vec<u8> {
    params.arrays().iter().flat_map(|array| array.values.iter().flat_map(|x| x.to_le_bytes())).collect()
}

#[test]
fn stopped_at_any_step_it_gives_the_same_bytes_and_takes_no_step_twice() {
    let stage = Story { n_users: 150, ..Story::default() }.stage();
    let setting = Setting::new(&stage);
    for epochs in [0, 2] {
        setting.n_steps.set(0);
        let whole = setting.run(epochs, None, usize::MAX).unwrap();
        let n_whole = setting.n_steps.get();
        assert!(n_whole > 15, "{n_whole} steps");
        for trial in 0..N_TRIALS / 2 {
            let folder = Folder::new(&format!("steps-{epochs}-{trial}"));
            let mut rng = ChaCha8Rng::seed_from_u64(trial);
            setting.n_steps.set(0);
            let resumed = loop {
                match setting.run(epochs, Some(&folder.0), rng.random_range(1..=n_whole)) {
                    Err(TrainError::Stopped) => (),
                    other => break other.unwrap(),
                }
            };
            assert!(resumed == whole, "trial {trial}, {epochs} passes: {:?} {:?}", resumed.1, whole.1);
            assert_eq!(setting.n_steps.get(), n_whole, "trial {trial}, {epochs} passes");
            assert!(setting.run(epochs, Some(&folder.0), usize::MAX).unwrap() == whole, "done stays done");
            assert_eq!(setting.n_steps.get(), n_whole, "nothing is left to do");
        }
    }
}

#[test]
fn an_expert_from_its_checkpoints_is_the_same_expert() {
    let stage = Story { n_users: 150, ..Story::default() }.stage();
    let config = ExpertConfig::Behavior(SequenceConfig { max_epochs: 4, ..small() });
    let (judge, folder) = (stage.valid(), Folder::new("expert"));
    let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::Target };
    let train = |keeping: Keeping<'_>, stop_at: usize| -> Result<(Expert, Vec<Epoch>), TrainError> {
        let valid = Validation { judge: &judge, objective: Objective::Masked };
        let data = Lessons {
            train: &stage.split.train,
            items: &stage.dataset.items,
            inputs: segue_models::FusionInputs::default(),
        };
        let show = |epoch: &Epoch| keeping.stop.store(epoch.epoch == stop_at, Ordering::Relaxed);
        let training =
            SequenceTraining { keeping, ..SequenceTraining::new(id, TARGET, data, Some(valid), 0) };
        fit_sequence(training, &config, show)
    };
    let stop = AtomicBool::new(false);
    let keeping = Keeping { folder: None, every_steps: 0, stop: &stop };
    let (whole, curve) = train(keeping, usize::MAX).unwrap();
    let keeping = Keeping { folder: Some(&folder.0), ..keeping };
    for stop_at in [1, 2] {
        assert!(matches!(train(keeping, stop_at), Err(TrainError::Stopped)));
        stop.store(false, Ordering::Relaxed);
    }
    let (resumed, again) = train(keeping, usize::MAX).unwrap();
    assert_eq!(again, curve);
    assert!(resumed.save().to_bytes().unwrap() == whole.save().to_bytes().unwrap());
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let stage = Story { n_users: 150, ..Story::default() }.stage();
    let (setting, folder) = (Setting::new(&stage), Folder::new("refused"));
    assert!(matches!(setting.run(0, Some(&folder.0), 5), Err(TrainError::Stopped)));
    let refusal = setting.run(1, Some(&folder.0), usize::MAX).unwrap_err().to_string();
    assert!(refusal.contains("`plan.epochs`") && refusal.contains("hint"), "{refusal}");
    let state = folder.0.join("state.safetensors");
    let whole = std::fs::read(&state).unwrap();
    std::fs::write(&state, &whole[..whole.len() / 2]).unwrap();
    let refusal = setting.run(0, Some(&folder.0), usize::MAX).unwrap_err().to_string();
    assert!(refusal.contains("state.safetensors") && refusal.contains("hint"), "{refusal}");
}
