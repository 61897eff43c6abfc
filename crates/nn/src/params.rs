//! Trainable arrays by name, and their gradients.
//!
//! Layers hold [`ParamId`]s and read the values from one [`Params`]: optimizers, checkpoints, frozen parts and tests see
//! every array of a model in one place and in one order.

use rand::Rng;

/// Which array of a [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(usize);

/// One array of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Unique name, dotted (`blocks.0.qkv.weight`).
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// Row-major, as many as the shape says.
    pub values: Vec<f32>,
    /// Whether it is trained; a frozen array has no gradient.
    pub trainable: bool,
    /// Whether weight decay applies (matrices; not biases and norms).
    pub decays: bool,
}

/// All arrays of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    arrays: Vec<Param>,
}

/// The values of an array before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zero; no weight decay.
    Zeros,
    /// All one; no weight decay.
    Ones,
    /// Normal with this standard deviation.
    Normal(f32),
}

impl Params {
    /// A model without arrays yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an array.
    ///
    /// # Panics
    /// When the name is taken: a mistake in the model, not in its input.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        init: Init,
        rng: &mut impl Rng,
    ) -> ParamId {
        let n = shape.iter().product();
        let values = match init {
            Init::Zeros => vec![0.0; n],
            Init::Ones => vec![1.0; n],
            Init::Normal(deviation) => normal_values(n, deviation, rng),
        };
        let name = name.into();
        assert!(self.id(&name).is_none(), "parameter `{name}` exists already");
        let decays = matches!(init, Init::Normal(_));
        self.arrays.push(Param { name, shape: shape.to_vec(), values, trainable: true, decays });
        ParamId(self.arrays.len() - 1)
    }

    /// Adds an array that is known already, such as one of a pretrained model; it is trainable, and decays if it is a matrix.
    ///
    /// # Panics
    /// When the name is taken or the values do not fill the shape: a mistake in the model, not in its input.
    pub fn add_values(&mut self, name: impl Into<String>, shape: &[usize], values: Vec<f32>) -> ParamId {
        let name = name.into();
        assert!(self.id(&name).is_none(), "parameter `{name}` exists already");
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values of parameter `{name}`");
        self.arrays.push(Param {
            name,
            shape: shape.to_vec(),
            values,
            trainable: true,
            decays: shape.len() > 1,
        });
        ParamId(self.arrays.len() - 1)
    }

    /// What an array holds, row-major.
    pub fn get(&self, id: ParamId) -> &[f32] {
        &self.arrays[id.0].values
    }

    /// The same, to change.
    pub fn get_mut(&mut self, id: ParamId) -> &mut [f32] {
        &mut self.arrays[id.0].values
    }

    /// Finds an array by its name, which is compared with all: not for inner loops.
    pub fn id(&self, name: &str) -> Option<ParamId> {
        self.arrays.iter().position(|array| array.name == name).map(ParamId)
    }

    /// All arrays, in the order they were added.
    pub fn arrays(&self) -> &[Param] {
        &self.arrays
    }

    /// All arrays, to change. The order and the lengths must stay.
    pub fn arrays_mut(&mut self) -> &mut [Param] {
        &mut self.arrays
    }

    /// Ids of all arrays.
    pub fn ids(&self) -> impl Iterator<Item = ParamId> + use<> {
        (0..self.arrays.len()).map(ParamId)
    }

    /// Whether an array is trained.
    pub fn is_trainable(&self, id: ParamId) -> bool {
        self.arrays[id.0].trainable
    }

    /// Drops all arrays but the first `n`; their ids must not be used again.
    pub fn truncate(&mut self, n: usize) {
        self.arrays.truncate(n);
    }

    /// How many values training may change.
    pub fn n_trainable(&self) -> usize {
        self.arrays.iter().filter(|array| array.trainable).map(|array| array.values.len()).sum()
    }

    /// Zero gradients for all trained arrays.
    pub fn gradients(&self) -> Gradients {
        let zeros = |array: &Param| if array.trainable { vec![0.0; array.values.len()] } else { Vec::new() };
        Gradients { arrays: self.arrays.iter().map(zeros).collect() }
    }

    /// As [`gradients`](Self::gradients), with no room for `others`: layers then leave them alone.
    pub fn gradients_but(&self, others: &[ParamId]) -> Gradients {
        let mut gradients = self.gradients();
        others.iter().for_each(|id| gradients.arrays[id.0] = Vec::new());
        gradients
    }
}

/// Gradients of a [`Params`], array by array; layers add to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    arrays: Vec<Vec<f32>>,
}

impl Gradients {
    /// The gradient of an array; `None` when it is frozen.
    pub fn get_mut(&mut self, id: ParamId) -> Option<&mut [f32]> {
        Some(self.arrays[id.0].as_mut_slice()).filter(|array| !array.is_empty())
    }

    /// The gradients of two different arrays at once; `None` where one is frozen or not asked for.
    pub fn pair_mut(&mut self, one: ParamId, other: Option<ParamId>) -> [Option<&mut [f32]>; 2] {
        let mut found = [None, None];
        for (at, array) in self.arrays.iter_mut().enumerate().filter(|(_, array)| !array.is_empty()) {
            if at == one.0 {
                found[0] = Some(array.as_mut_slice());
            } else if other.is_some_and(|other| at == other.0) {
                found[1] = Some(array.as_mut_slice());
            }
        }
        found
    }

    /// The gradient of an array; empty when it is frozen.
    pub fn get(&self, id: ParamId) -> &[f32] {
        &self.arrays[id.0]
    }

    /// Sets all to zero.
    pub fn clear(&mut self) {
        self.arrays.iter_mut().for_each(|array| array.fill(0.0));
    }

    /// Adds another model replica's gradients, array by array.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.arrays.iter_mut().zip(&other.arrays) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }

    /// All arrays in order; frozen ones are empty.
    pub fn arrays(&self) -> &[Vec<f32>] {
        &self.arrays
    }

    /// All arrays, to change.
    pub fn arrays_mut(&mut self) -> &mut [Vec<f32>] {
        &mut self.arrays
    }
}

/// Independent normal values (Box and Muller, 1958).
fn normal_values(n: usize, deviation: f32, rng: &mut impl Rng) -> Vec<f32> {
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        values.push((radius * cos) as f32 * deviation);
        values.push((radius * sin) as f32 * deviation);
    }
    values.truncate(n);
    values
}
