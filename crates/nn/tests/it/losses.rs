//! Losses as layers: rows in, one number out. What is not the input is a function of the row's number.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_nn::answers::{Answers, answers_cross_entropy};
use segue_nn::binary_cross_entropy::{Reduction, binary_cross_entropy};
use segue_nn::cross_entropy::{Denominator, FullSoftmax, SoftmaxScratch};
use segue_nn::info_nce::{Directions, InfoNce};
use segue_nn::sampled_softmax::SampledSoftmax;
use segue_nn::{Gradients, Init, ParamId, Params};

use crate::golden::Case;
use crate::subject::{Layer, Reach, Rows, Subject, numbers, relative_distance};

/// Every loss.
pub(crate) fn losses() -> Vec<Subject> {
    let mut all = vec![sampled_softmax()];
    all.extend([full_softmax(false), full_softmax(true)]);
    all.extend([info_nce(Directions::QueryToKey, false), info_nce(Directions::Both, true)]);
    all.push(answers());
    all.extend([binary(Reduction::Mean), binary(Reduction::Sum)]);
    all
}

fn subject(module: &'static str, name: &'static str, n_in: usize, layer: Box<dyn Layer>) -> Subject {
    Subject { module, name, params: Params::new(), n_in, reach: Reach::Batch, layer }
}

fn scaled(values: &mut [f32], dy: &[f32]) {
    values.iter_mut().for_each(|value| *value *= dy[0]);
}

// ---- sampled softmax

/// The table is a parameter; its gradient is scattered from the rows that the loss names.
struct Sampled {
    table: ParamId,
    positives: Vec<u32>, // repeated as far as rows go
    negatives: Vec<u32>,
}

const WIDTH: usize = 6;

impl Sampled {
    fn run(&self, params: &Params, x: &[f32]) -> (f64, Vec<f32>, segue_nn::RowGradients) {
        let n = x.len() / WIDTH;
        let positives: Vec<u32> = self.positives.iter().copied().cycle().take(n).collect();
        let loss = SampledSoftmax {
            width: WIDTH,
            table: params.get(self.table),
            positives: &positives,
            negatives: &self.negatives,
        };
        let mut dx = vec![f32::NAN; x.len()];
        let (loss, rows) = loss.run(x, &mut dx);
        (loss, dx, rows)
    }
}

impl Layer for Sampled {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        vec![self.run(params, x).0 as f32]
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let (_, mut dx, mut rows) = self.run(params, x);
        scaled(&mut dx, dy);
        scaled(&mut rows.values, dy);
        if let Some(table) = gradients.get_mut(self.table) {
            for (row, values) in rows.rows.iter().zip(rows.values.chunks_exact(WIDTH)) {
                let row = &mut table[*row as usize * WIDTH..][..WIDTH];
                row.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        dx
    }
}

fn table(params: &mut Params) -> ParamId {
    params.add("table", &[20, WIDTH], Init::Normal(0.7), &mut ChaCha8Rng::seed_from_u64(3))
}

fn sampled_softmax() -> Subject {
    let mut params = Params::new();
    let layer = Sampled {
        table: table(&mut params),
        positives: vec![3, 11, 3, 0, 19, 7],
        negatives: vec![5, 3, 9, 5, 0, 12, 18, 1, 1, 1, 16],
    };
    Subject { params, ..subject("sampled_softmax", "sampled softmax", WIDTH, Box::new(layer)) }
}

#[test]
fn sampled_softmax_equals_pytorch() {
    let case = Case::read("sampled_softmax");
    let mut params = Params::new();
    let layer = Sampled {
        table: table(&mut params),
        positives: case.integers("/positives"),
        negatives: case.integers("/negatives"),
    };
    case.check(&mut params, &layer);
}

#[test]
fn a_position_whose_negatives_are_all_its_positive_has_no_loss() {
    let mut params = Params::new();
    let mut layer = Sampled { table: table(&mut params), positives: vec![4], negatives: vec![4, 4] };
    for negatives in [vec![4, 4], vec![]] {
        layer.negatives = negatives;
        let (loss, dx, rows) = layer.run(&params, &numbers(3 * WIDTH, 1));
        assert_eq!((loss, dx), (0.0, vec![0.0; 3 * WIDTH]));
        assert!(rows.values.iter().all(|&value| value == 0.0));
    }
}

#[test]
fn many_positions_are_as_many_alone() {
    let Subject { params, layer, .. } = sampled_softmax();
    let (n, period) = (1320, 6); // several blocks in several lanes; positives repeat after `period`
    let x = numbers(n * WIDTH, 1);
    let mut gradients = params.gradients();
    let dx = layer.backward(&params, Rows { x: &x, lengths: &[n] }, &[1.0], &mut gradients);
    let mut alone = params.gradients();
    let mut loss = 0.0;
    let share = period as f32 / n as f32;
    for (x, dx) in x.chunks(period * WIDTH).zip(dx.chunks(period * WIDTH)) {
        loss += layer.forward(&params, x, &[period])[0] * share;
        let dx_alone = layer.backward(&params, Rows { x, lengths: &[period] }, &[share], &mut alone);
        assert!(relative_distance(dx, &dx_alone) < 1e-5);
    }
    assert!((loss - layer.forward(&params, &x, &[n])[0]).abs() < 1e-4);
    assert!(relative_distance(&gradients.arrays()[0], &alone.arrays()[0]) < 1e-5);
}

// ---- softmax over all rows, or over a sample of them

/// The table is a parameter; each row's target is a function of its number.
struct Full {
    table: ParamId,
    bias: Option<Vec<f32>>,
}

impl Full {
    fn run(&self, params: &Params, x: &[f32], d_table: Option<&mut [f32]>) -> (f64, Vec<f32>) {
        let targets: Vec<u32> = (0..x.len() / WIDTH).map(|row| (row * 7 % 20) as u32).collect();
        let mut dx = vec![0.0; x.len()];
        let denominator = Denominator { bias: self.bias.as_deref(), excluded: None };
        let items = params.get(self.table);
        let softmax = FullSoftmax { hidden: x, items, targets: &targets, scale: 1.0, denominator };
        let loss = softmax.run(&mut dx, d_table, &mut SoftmaxScratch::default());
        (loss, dx)
    }
}

impl Layer for Full {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        vec![self.run(params, x, None).0 as f32]
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut d_table = vec![0.0; params.get(self.table).len()];
        let (_, mut dx) = self.run(params, x, Some(&mut d_table));
        scaled(&mut dx, dy);
        scaled(&mut d_table, dy);
        if let Some(sums) = gradients.get_mut(self.table) {
            sums.iter_mut().zip(&d_table).for_each(|(sum, value)| *sum += value);
        }
        dx
    }
}

fn full_softmax(sampled: bool) -> Subject {
    let mut params = Params::new();
    let layer = Full { table: table(&mut params), bias: sampled.then(|| numbers(20, 8)) };
    let name = if sampled { "softmax over a sample" } else { "softmax over all rows" };
    Subject { params, ..subject("cross_entropy", name, WIDTH, Box::new(layer)) }
}

// ---- InfoNCE

struct Pairs {
    width: usize,
    temperature: f32,
    directions: Directions,
    hidden: Option<fn(usize, usize) -> bool>,
    mask: Option<Vec<bool>>,
}

impl Pairs {
    /// Rows are `query | key`.
    fn run(&self, x: &[f32]) -> (f64, Vec<f32>) {
        let n = x.len() / (2 * self.width);
        let rows = || x.chunks_exact(2 * self.width);
        let queries: Vec<f32> = rows().flat_map(|row| &row[..self.width]).copied().collect();
        let keys: Vec<f32> = rows().flat_map(|row| &row[self.width..]).copied().collect();
        let hidden = self.hidden.map(|hidden| (0..n * n).map(|at| hidden(at / n, at % n)).collect());
        let mask = self.mask.clone().or(hidden);
        let loss = InfoNce {
            width: self.width,
            temperature: self.temperature,
            directions: self.directions,
            false_negatives: mask.as_deref(),
        };
        let (mut d_queries, mut d_keys) = (vec![f32::NAN; queries.len()], vec![f32::NAN; keys.len()]);
        let loss = loss.run(&queries, &keys, &mut d_queries, &mut d_keys);
        let pairs = d_queries.chunks_exact(self.width).zip(d_keys.chunks_exact(self.width));
        (loss, pairs.flat_map(|(query, key)| [query, key].concat()).collect())
    }
}

impl Layer for Pairs {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        vec![self.run(x).0 as f32]
    }

    fn backward(&self, _: &Params, Rows { x, .. }: Rows<'_>, dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        let mut dx = self.run(x).1;
        scaled(&mut dx, dy);
        dx
    }
}

fn info_nce(directions: Directions, masked: bool) -> Subject {
    let hidden: Option<fn(usize, usize) -> bool> =
        if masked { Some(|i, j| (3 * i + j) % 4 == 0) } else { None };
    let name = if masked { "InfoNCE both ways with a mask" } else { "InfoNCE" };
    let layer = Pairs { width: 4, temperature: 0.5, directions, hidden, mask: None };
    subject("info_nce", name, 8, Box::new(layer))
}

#[test]
fn info_nce_equals_pytorch() {
    for name in ["info_nce", "info_nce_masked"] {
        let case = Case::read(name);
        let mask = case.integers("/hidden").iter().map(|&hidden| hidden == 1).collect();
        let layer = Pairs {
            width: 5,
            temperature: 0.2,
            directions: Directions::Both,
            hidden: None,
            mask: Some(mask),
        };
        case.check(&mut Params::new(), &layer);
    }
}

// ---- binary cross-entropy

struct Binary {
    targets: Vec<f32>, // repeated as far as values go
    reduction: Reduction,
}

impl Binary {
    fn run(&self, x: &[f32]) -> (f64, Vec<f32>) {
        let targets: Vec<f32> = self.targets.iter().copied().cycle().take(x.len()).collect();
        let mut dx = vec![f32::NAN; x.len()];
        (binary_cross_entropy(x, &targets, self.reduction, &mut dx), dx)
    }
}

impl Layer for Binary {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        vec![self.run(x).0 as f32]
    }

    fn backward(&self, _: &Params, Rows { x, .. }: Rows<'_>, dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        let mut dx = self.run(x).1;
        scaled(&mut dx, dy);
        dx
    }
}

fn binary(reduction: Reduction) -> Subject {
    let name =
        if reduction == Reduction::Mean { "mean binary cross-entropy" } else { "binary cross-entropy" };
    let layer = Binary { targets: vec![0.0, 1.0, 0.3, 1.0, 0.0], reduction };
    subject("binary_cross_entropy", name, 7, Box::new(layer))
}

#[test]
fn binary_cross_entropy_equals_pytorch_also_far_out() {
    let case = Case::read("binary_cross_entropy");
    let layer = Binary { targets: case.floats("/targets"), reduction: Reduction::Mean };
    case.check(&mut Params::new(), &layer);
}

// ---- rows with several answers

/// Each row's answers are a function of its number: none, some, one of them twice.
struct SeveralAnswers;

impl SeveralAnswers {
    fn run(x: &[f32]) -> (f64, Vec<f32>) {
        let lists: [&[u32]; 4] = [&[3], &[0, 5, 2], &[], &[1, 1, 6]];
        let (mut offsets, mut items) = (vec![0], Vec::new());
        for row in 0..x.len() / 7 {
            items.extend(lists[row % 4]);
            offsets.push(items.len());
        }
        let mut logits = x.to_vec();
        let answers = Answers { offsets: &offsets, items: &items };
        (answers_cross_entropy(&mut logits, 7, answers, 1.0), logits)
    }
}

impl Layer for SeveralAnswers {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        vec![Self::run(x).0 as f32]
    }

    fn backward(&self, _: &Params, Rows { x, .. }: Rows<'_>, dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        let mut dx = Self::run(x).1;
        scaled(&mut dx, dy);
        dx
    }
}

fn answers() -> Subject {
    subject("answers", "softmax with several answers", 7, Box::new(SeveralAnswers))
}

#[test]
fn a_row_with_several_answers_is_several_rows_with_one() {
    let x = numbers(3 * 40, 4);
    let rows: Vec<f32> =
        [0, 0, 1, 2, 2, 2].into_iter().flat_map(|row| &x[row * 40..][..40]).copied().collect();
    let items = [7, 39, 0, 5, 5, 6];
    let (mut together, mut alone) = (x.clone(), rows.clone());
    let answers = Answers { offsets: &[0, 2, 3, 6], items: &items };
    let loss = answers_cross_entropy(&mut together, 40, answers, 0.5);
    let one_each = Answers { offsets: &[0, 1, 2, 3, 4, 5, 6], items: &items };
    let loss_alone = answers_cross_entropy(&mut alone, 40, one_each, 0.5);
    assert!((loss - loss_alone).abs() < 1e-5, "{loss} instead of {loss_alone}");
    let mut sums = vec![0.0; 3 * 40];
    for (row, values) in [0, 0, 1, 2, 2, 2].into_iter().zip(alone.chunks_exact(40)) {
        sums[row * 40..][..40].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    assert!(relative_distance(&together, &sums) < 1e-5);
}
