//! The blocks against the definition, computed row by row in f64.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

// The definition in f64, with the logits of one row at a time.
fn plainly(hidden: &[f32], items: &[f32], targets: &[u32], width: usize) -> (f64, Vec<f64>, Vec<f64>) {
    let (mut loss, mut d_hidden, mut d_items) = (0.0, vec![0.0; hidden.len()], vec![0.0; items.len()]);
    for (row, &target) in targets.iter().enumerate() {
        let h = &hidden[row * width..][..width];
        let dot = |item: &[f32]| item.iter().zip(h).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let logits: Vec<f64> = items.chunks_exact(width).map(dot).collect();
        let sum: f64 = logits.iter().map(|x| x.exp()).sum();
        loss += sum.ln() - logits[target as usize];
        for (item, logit) in logits.iter().enumerate() {
            let p = logit.exp() / sum - f64::from(u8::from(item == target as usize));
            for k in 0..width {
                d_hidden[row * width + k] += p * f64::from(items[item * width + k]);
                d_items[item * width + k] += p * f64::from(h[k]);
            }
        }
    }
    (loss, d_hidden, d_items)
}

#[test]
fn blocks_equal_the_definition_at_any_thread_count() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (n, n_items, width) = (ROWS + 37, 2 * TILE + 19, 24);
    let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
    let (hidden, items) = (values(n * width), values(n_items * width));
    let targets: Vec<u32> = (0..n).map(|row| (row * 31 % n_items) as u32).collect();
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let (mut d_hidden, mut d_items) = (vec![9.0; hidden.len()], vec![0.0; items.len()]);
        let softmax = FullSoftmax {
            hidden: &hidden,
            items: &items,
            targets: &targets,
            scale: 0.5,
            denominator: Denominator::default(),
        };
        let loss =
            pool.install(|| softmax.run(&mut d_hidden, Some(&mut d_items), &mut SoftmaxScratch::default()));
        (loss, d_hidden, d_items)
    };
    let (loss, d_hidden, d_items) = run(1);
    assert_eq!((loss, d_hidden.clone(), d_items.clone()), run(3));
    let expected = plainly(&hidden, &items, &targets, width);
    assert!((loss / expected.0 - 1.0).abs() < 1e-6, "{loss} instead of {}", expected.0);
    let close = |received: &[f32], expected: &[f64]| {
        received.iter().zip(expected).all(|(a, b)| (f64::from(*a) - 0.5 * b).abs() < 1e-5)
    };
    assert!(close(&d_hidden, &expected.1) && close(&d_items, &expected.2));
}

#[test]
fn a_sample_counts_each_item_by_its_chance_and_the_target_once() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (n, n_items, width) = (30, 300, 8);
    let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
    let (hidden, items) = (values(n * width), values(n_items * width));
    let bias: Vec<f32> = values(n_items).iter().map(|x| x + 1.0).collect();
    let targets: Vec<u32> = (0..n).map(|row| (row * 7 % n_items) as u32).collect();
    let loss = |hidden: &[f32], items: &[f32]| -> f64 {
        let row_loss = |(row, &target): (usize, &u32)| {
            let h = &hidden[row * width..][..width];
            let logit = |item: usize| {
                h.iter().zip(&items[item * width..]).map(|(a, b)| f64::from(a * b)).sum::<f64>()
            };
            let count = |item: usize| if item == target as usize { 1.0 } else { f64::from(bias[item]).exp() };
            (0..n_items).map(|item| logit(item).exp() * count(item)).sum::<f64>().ln()
                - logit(target as usize)
        };
        targets.iter().enumerate().map(row_loss).sum()
    };
    let (mut d_hidden, mut d_items) = (vec![0.0; hidden.len()], vec![0.0; items.len()]);
    let denominator = Denominator { bias: Some(&bias), excluded: None };
    let softmax = FullSoftmax { hidden: &hidden, items: &items, targets: &targets, scale: 1.0, denominator };
    let received = softmax.run(&mut d_hidden, Some(&mut d_items), &mut SoftmaxScratch::default());
    assert!((received - loss(&hidden, &items)).abs() < 1e-4);
    for at in (0..hidden.len()).step_by(17) {
        let expected = slope(&hidden, at, |hidden| loss(hidden, &items));
        let received = f64::from(d_hidden[at]);
        assert!((received - expected).abs() < 2e-3, "hidden {at}: {received} {expected}");
    }
    for at in (0..items.len()).step_by(61).chain(0..8) {
        let expected = slope(&items, at, |items| loss(&hidden, items));
        let received = f64::from(d_items[at]);
        assert!((received - expected).abs() < 2e-3, "item {at}: {received} {expected}");
    }
}

// The slope of a loss at one of the values that it depends on.
fn slope(values: &[f32], at: usize, loss: impl Fn(&[f32]) -> f64) -> f64 {
    let moved = |by: f32| {
        let mut moved = values.to_vec();
        moved[at] += by;
        loss(&moved)
    };
    (moved(1e-2) - moved(-1e-2)) / 2e-2
}

#[test]
fn an_excluded_item_is_as_if_it_were_not_there() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (n_items, width) = (2 * TILE + 3, 8);
    let mut values = |n: usize| (0..n).map(|_| rng.random_range(-1.0f32..1.0)).collect::<Vec<_>>();
    let (hidden, items) = (values(width), values(n_items * width));
    let target = 7u32;
    let left_out: Vec<u32> = (0..TILE as u32).filter(|&item| item != target).chain([300, 514]).collect();
    let offsets: Vec<usize> =
        (0..=n_items).map(|item| if item > target as usize { left_out.len() } else { 0 }).collect();
    let excluded = Some(Excluded { offsets: &offsets, items: &left_out });
    let (mut d_hidden, mut d_items) = (vec![0.0; width], vec![0.0; items.len()]);
    let denominator = Denominator { bias: None, excluded };
    let softmax = FullSoftmax { hidden: &hidden, items: &items, targets: &[target], scale: 1.0, denominator };
    let loss = softmax.run(&mut d_hidden, Some(&mut d_items), &mut SoftmaxScratch::default());
    let kept: Vec<u32> = (0..n_items as u32).filter(|item| !left_out.contains(item)).collect();
    let rest: Vec<f32> =
        kept.iter().flat_map(|&item| items[item as usize * width..][..width].iter().copied()).collect();
    let place = kept.iter().position(|&item| item == target).unwrap() as u32;
    let expected = plainly(&hidden, &rest, &[place], width);
    assert!((loss - expected.0).abs() < 1e-5, "{loss} {}", expected.0);
    for (at, d) in d_hidden.iter().enumerate() {
        assert!((f64::from(*d) - expected.1[at]).abs() < 1e-5, "hidden {at}");
    }
    let largest = |item: &u32| {
        d_items[*item as usize * width..][..width].iter().fold(0.0, |max: f32, d| max.max(d.abs()))
    };
    assert!(
        left_out.iter().all(|item| largest(item) < 1e-30),
        "their exponentials are no more than underflow"
    );
}
