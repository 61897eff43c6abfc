//! The lazy optimizer against `SparseAdam` of `PyTorch`, and against a dense one where every row has a gradient.

use segue_nn::{LazyAdamW, RowGradients, RowTable};

use crate::golden::Case;
use crate::subject::numbers;

#[test]
fn six_steps_equal_sparse_adam() {
    let case = Case::read("sparse_adam");
    let mut table = RowTable::new(4, case.floats("/start"));
    for step in 0..6 {
        let rows = case.integers(&format!("/steps/{step}/rows"));
        let values = case.floats(&format!("/steps/{step}/values"));
        table.step(&RowGradients { rows, values }, 0.05, &LazyAdamW::default());
    }
    case.same("the table", table.values(), &case.floats("/end"));
}

/// Which rows step `step` touches: 5 of 40, with repetitions.
fn gradients(step: u64) -> RowGradients {
    let rows = (0..5).map(|at| ((step * 7 + at * at * 11) % 40) as u32).collect();
    RowGradients { rows, values: numbers(15, step) }
}

const CONFIG: LazyAdamW = LazyAdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.4 };

#[test]
fn a_row_that_waited_has_decayed_as_in_a_dense_table() {
    let start = numbers(40 * 3, 1);
    let mut table = RowTable::new(3, start.clone());
    let mut dense: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
    let mut moments = vec![[0.0f64; 2]; dense.len()];
    for step in 1..=9 {
        let (rate, gradients) = (0.02 / step as f64, gradients(step));
        table.step(&gradients, rate, &CONFIG);
        let distinct = gradients.distinct();
        dense.iter_mut().for_each(|x| *x *= 1.0 - rate * CONFIG.weight_decay);
        for (row, values) in distinct.rows.iter().zip(distinct.values.chunks_exact(3)) {
            for (at, &g) in values.iter().enumerate() {
                let (at, g) = (*row as usize * 3 + at, f64::from(g));
                let [mean, square] = &mut moments[at];
                *mean = 0.9 * *mean + 0.1 * g;
                *square = 0.99 * *square + 0.01 * g * g;
                let corrections = [0.9f64, 0.99].map(|beta| 1.0 - beta.powf(step as f64));
                dense[at] -= rate * corrections[1].sqrt() / corrections[0] * *mean / (square.sqrt() + 1e-8);
            }
        }
        if step == 5 {
            table.settle();
        }
    }
    assert!(table.n_touched() < 40, "some rows are never touched");
    table.settle();
    for (received, expected) in table.values().iter().zip(&dense) {
        assert!((f64::from(*received) - expected).abs() < 1e-6, "{received} instead of {expected}");
    }
    let settled = table.clone();
    table.settle();
    assert!(table == settled, "settling twice is settling once");
}

#[test]
fn moments_are_kept_for_touched_rows_only_and_untouched_rows_keep_their_bytes() {
    let start = numbers(1000 * 3, 1);
    let mut table = RowTable::new(3, start.clone());
    table.step(&RowGradients::default(), 0.1, &LazyAdamW::default());
    assert!(table.n_touched() == 0 && table.values() == start && table.n_steps() == 1);
    for rows in [[999, 5], [5, 0]] {
        table.step(&RowGradients { rows: rows.to_vec(), values: numbers(6, 2) }, 0.1, &LazyAdamW::default());
    }
    assert_eq!(table.n_touched(), 3);
    let changed = |row: &usize| table.values()[row * 3..][..3] != start[row * 3..][..3];
    assert_eq!((0..1000).filter(changed).collect::<Vec<_>>(), [0, 5, 999]);
}

#[test]
fn steps_have_the_same_bytes_at_one_two_and_four_threads() {
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let mut table = RowTable::new(3, numbers(5000 * 3, 1));
            for step in 0..4u64 {
                let rows = (0..4000).map(|at| (at * (7 + step) * 13 % 5000) as u32).collect();
                table.step(&RowGradients { rows, values: numbers(12_000, step) }, 0.1, &CONFIG);
            }
            table
        })
    };
    let one = run(1);
    assert!(one.n_touched() > 3000 && one == run(2) && one == run(4));
}

#[test]
fn repeated_rows_count_with_their_sum() {
    let rows = vec![3, 8, 3, 5, 8, 3, 0];
    let gradients = RowGradients { rows, values: numbers(21, 4) };
    let run = |gradients: &RowGradients| {
        let mut table = RowTable::new(3, numbers(40 * 3, 1));
        table.step(gradients, 0.1, &CONFIG);
        table
    };
    assert!(run(&gradients) == run(&gradients.distinct()));
}
