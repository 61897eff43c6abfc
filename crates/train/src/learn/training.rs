//! A training between two steps, and its checkpoint: from it a training resumes as if it had not stopped.
//!
//! A folder holds `state.safetensors` (parameters, moments, what else the learner remembers, numbers) and
//! `best-EPOCH.safetensors` (the parameters of the best pass so far). The order of examples and what is dropped are functions
//! of seed, pass and step, so neither is kept.

use std::fs;
use std::path::Path;

use segue_nn::Params;
use segue_nn::adagrad::Adagrad;
use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::checkpoint::{Array, Checkpoint, CheckpointError, Scalar, Scalars, Values, save};
use segue_nn::optimizer::Optimizer;
use segue_nn::training_state::{Besides, BesidesMut, load_training, save_training};

use super::{Epoch, LearnPlan, Method, State};

const STATE_FILE: &str = "state.safetensors";

/// The state of a training.
pub(super) struct Training {
    /// Moments of the parameters.
    pub(super) optimizer: Optimizer,
    /// Passes done.
    pub(super) curve: Vec<Epoch>,
    /// Steps done in the running pass.
    pub(super) n_steps: usize,
    /// Their losses, each times its examples.
    pub(super) total: f64,
    /// The best pass.
    pub(super) best: Option<Best>,
}

/// A pass that was better on valid than those before.
pub(super) struct Best {
    /// Its metric.
    pub(super) metric: f64,
    /// Its number, from 1.
    pub(super) epoch: usize,
    /// What it left.
    pub(super) params: Params,
}

impl Training {
    /// Before the first step.
    pub(super) fn new(plan: &LearnPlan, params: &Params) -> Self {
        let config = AdamWConfig { weight_decay: plan.weight_decay, ..AdamWConfig::default() };
        let optimizer = match plan.method {
            Method::AdamW => AdamW::new(config, params).into(),
            Method::Adagrad => Adagrad::new(params).into(),
        };
        Self { optimizer, curve: Vec::new(), n_steps: 0, total: 0.0, best: None }
    }

    /// Whether all passes are done or valid has not improved for too long.
    pub(super) fn is_done(&self, plan: &LearnPlan) -> bool {
        let n_done = self.curve.len();
        let waited = |best: &Best| n_done > best.epoch && n_done - best.epoch >= plan.patience;
        n_done >= plan.n_epochs() || self.best.as_ref().is_some_and(waited)
    }

    /// Ends the running pass.
    pub(super) fn end_pass(&mut self, plan: &LearnPlan, metric: Option<f64>, params: &Params) -> Epoch {
        let epoch = self.curve.len() + 1;
        let loss = self.total / plan.n_examples.max(1) as f64;
        if let Some(metric) = metric
            && self.best.as_ref().is_none_or(|best| metric > best.metric)
        {
            self.best = Some(Best { metric, epoch, params: params.clone() });
        }
        (self.n_steps, self.total) = (0, 0.0);
        self.curve.push(Epoch { epoch, loss, metric });
        Epoch { epoch, loss, metric }
    }

    /// Writes the checkpoint.
    pub(super) fn save(
        &self,
        plan: &LearnPlan,
        state: &State<'_>,
        folder: &Path,
    ) -> Result<(), CheckpointError> {
        fs::create_dir_all(folder).map_err(|source| io("create the folder", folder, source))?;
        if let Some(best) = &self.best {
            let path = folder.join(best_file(best.epoch));
            if !path.is_file() {
                save(&path, &arrays(&best.params), &Scalars::new())?;
            }
        }
        let memory = state.memory.iter().map(|(name, values)| (name.clone(), &**values)).collect();
        let (path, besides) = (folder.join(STATE_FILE), Besides { memory, ..Besides::default() });
        save_training(&path, state.params, &self.optimizer, &besides, &self.numbers(plan))?;
        let best = self.best.as_ref().map(|best| best_file(best.epoch));
        remove_others(folder, best.as_deref())
    }

    /// Goes back to a checkpoint of the same plan; without one nothing changes.
    pub(super) fn load(
        &mut self,
        plan: &LearnPlan,
        State { params, memory }: State<'_>,
        folder: &Path,
    ) -> Result<(), CheckpointError> {
        let path = folder.join(STATE_FILE);
        if !path.is_file() {
            return Ok(());
        }
        let start = params.clone();
        let mut besides = BesidesMut { memory, ..BesidesMut::default() };
        let numbers = load_training(&path, params, &mut self.optimizer, &mut besides)?;
        let best = self.take(&numbers, plan).map_err(|difference| {
            params.clone_from(&start);
            CheckpointError::Different { path, difference }
        })?;
        if let Some((epoch, metric)) = best {
            let mut best = Best { metric, epoch, params: start };
            read(&folder.join(best_file(epoch)), &mut best.params)?;
            self.best = Some(best);
        }
        Ok(())
    }

    // Position and curve from a checkpoint's numbers; the best pass and its metric. Or what does not fit.
    fn take(&mut self, numbers: &Scalars, plan: &LearnPlan) -> Result<Option<(usize, f64)>, String> {
        for (name, wanted) in plan_numbers(plan) {
            let stored = numbers.get(&name);
            if stored != Some(&wanted) {
                return Err(format!("`{name}` is {stored:?} in the file, {wanted:?} here"));
            }
        }
        let count = |name: &str| count_of(numbers, name).ok_or_else(|| format!("no count `{name}`"));
        let real = |name: &str| real_of(numbers, name).ok_or_else(|| format!("no number `{name}`"));
        (self.n_steps, self.total) = (count("n_steps")?, real("total")?);
        for epoch in 1..=count("n_passes")? {
            let loss = real(&format!("pass.{epoch}.loss"))?;
            let metric = real_of(numbers, &format!("pass.{epoch}.metric"));
            self.curve.push(Epoch { epoch, loss, metric });
        }
        let epoch = count("best_epoch")?;
        let metric = self.curve.get(epoch.wrapping_sub(1)).and_then(|pass| pass.metric);
        Ok(metric.map(|metric| (epoch, metric)))
    }

    fn numbers(&self, plan: &LearnPlan) -> Scalars {
        let mut numbers = plan_numbers(plan);
        let mut put = |name: String, x| numbers.insert(name, x);
        put("n_steps".into(), Scalar::U64(self.n_steps as u64));
        put("total".into(), Scalar::F64(self.total));
        put("n_passes".into(), Scalar::U64(self.curve.len() as u64));
        put("best_epoch".into(), Scalar::U64(self.best.as_ref().map_or(0, |best| best.epoch as u64)));
        for pass in &self.curve {
            put(format!("pass.{}.loss", pass.epoch), Scalar::F64(pass.loss));
            if let Some(metric) = pass.metric {
                put(format!("pass.{}.metric", pass.epoch), Scalar::F64(metric));
            }
        }
        numbers
    }
}

// What decides the steps: a training must not resume from a checkpoint of another plan.
fn plan_numbers(plan: &LearnPlan) -> Scalars {
    let counts = [
        ("n_examples", plan.n_examples as u64),
        ("batch_size", plan.batch_size as u64),
        ("warmup_steps", plan.warmup_steps),
        ("epochs", plan.epochs as u64),
        ("max_epochs", plan.max_epochs as u64),
        ("patience", plan.patience as u64),
        ("seed", plan.seed),
    ];
    let reals = [
        ("learning_rate", plan.learning_rate),
        ("weight_decay", plan.weight_decay),
        ("clip_norm", plan.clip_norm),
    ];
    let counts = counts.map(|(name, x)| (format!("plan.{name}"), Scalar::U64(x)));
    counts.into_iter().chain(reals.map(|(name, x)| (format!("plan.{name}"), Scalar::F64(x.into())))).collect()
}

fn count_of(numbers: &Scalars, name: &str) -> Option<usize> {
    match numbers.get(name) {
        Some(Scalar::U64(x)) => usize::try_from(*x).ok(),
        _ => None,
    }
}

fn real_of(numbers: &Scalars, name: &str) -> Option<f64> {
    match numbers.get(name) {
        Some(Scalar::F64(x)) => Some(*x),
        _ => None,
    }
}

fn best_file(epoch: usize) -> String {
    format!("best-{epoch}.safetensors")
}

fn arrays(params: &Params) -> Vec<Array<'_>> {
    let mut arrays = Vec::new();
    for param in params.arrays() {
        let values = Values::F32(vec![&param.values]);
        arrays.push(Array { name: param.name.clone(), shape: param.shape.clone(), values });
    }
    arrays
}

fn read(path: &Path, params: &mut Params) -> Result<(), CheckpointError> {
    let mut file = Checkpoint::open(path)?;
    for param in params.arrays_mut() {
        file.read_f32(&param.name, [param.values.as_mut_slice()])?;
    }
    Ok(())
}

// Best passes of before; the state no longer names them.
fn remove_others(folder: &Path, kept: Option<&str>) -> Result<(), CheckpointError> {
    let entries = fs::read_dir(folder).map_err(|source| io("read", folder, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| io("read", folder, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("best-") && Some(&*name) != kept {
            fs::remove_file(entry.path()).map_err(|source| io("remove", &entry.path(), source))?;
        }
    }
    Ok(())
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> CheckpointError {
    CheckpointError::Io { doing, path: path.to_owned(), source }
}
