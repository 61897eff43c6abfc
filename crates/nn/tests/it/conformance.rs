//! Every layer: the same at any thread count, whatever ran before, whatever else is in the batch; trained where it is trained.

use crate::subject::{Pass, Reach, Rows, Subject, projection, relative_distance};
use crate::subjects::subjects;

const LENGTHS: [usize; 4] = [3, 1, 4, 2];

fn rows(values: &[f32], n_rows: usize, range: std::ops::Range<usize>) -> &[f32] {
    let width = values.len() / n_rows;
    &values[range.start * width..range.end * width]
}

fn same(received: &[f32], expected: &[f32], name: &str) {
    let apart = relative_distance(received, expected);
    assert!(apart < 1e-5, "{name}: {apart:.2e} away");
}

#[test]
fn the_same_bytes_at_one_two_and_four_threads() {
    // Enough rows for several blocks of work in every layer that is cut into blocks.
    let lengths = [11; 120];
    for at in 0..subjects().len() {
        let pass = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| {
                let subject = subjects().swap_remove(at);
                subject.pass(&subject.input(&lengths, 1), &lengths)
            })
        };
        let one = pass(1);
        assert!(one == pass(2) && one == pass(4), "{}", subjects()[at].name);
    }
}

#[test]
fn frozen_arrays_get_no_gradient_and_change_no_other() {
    for mut subject in subjects() {
        let x = subject.input(&LENGTHS, 1);
        let all = subject.pass(&x, &LENGTHS);
        for frozen in 0..subject.params.arrays().len() {
            subject.params.arrays_mut()[frozen].trainable = false;
            let pass = subject.pass(&x, &LENGTHS);
            assert!(pass.y == all.y && pass.dx == all.dx, "{}", subject.name);
            for (at, gradient) in pass.gradients.arrays().iter().enumerate() {
                let expected = if at == frozen { &[][..] } else { &all.gradients.arrays()[at] };
                assert!(gradient == expected, "{}: `{}`", subject.name, subject.params.arrays()[at].name);
            }
            subject.params.arrays_mut()[frozen].trainable = true;
        }
    }
}

#[test]
fn every_trained_array_and_every_input_gets_a_gradient() {
    for subject in subjects() {
        let x = subject.input(&LENGTHS, 1);
        let pass = subject.pass(&x, &LENGTHS);
        assert!(pass.dx.iter().any(|&dx| dx != 0.0), "{}: input", subject.name);
        for (array, gradient) in subject.params.arrays().iter().zip(pass.gradients.arrays()) {
            assert_eq!(gradient.len(), array.values.len(), "{}: `{}`", subject.name, array.name);
            assert!(gradient.iter().any(|&g| g != 0.0), "{}: `{}`", subject.name, array.name);
        }
    }
}

#[test]
fn gradients_of_parameters_are_added() {
    for subject in subjects() {
        let x = subject.input(&LENGTHS, 1);
        let Pass { y, gradients: once, .. } = subject.pass(&x, &LENGTHS);
        let mut twice = once.clone();
        let dy = projection(y.len());
        subject.layer.backward(&subject.params, Rows { x: &x, lengths: &LENGTHS }, &dy, &mut twice);
        for (once, twice) in once.arrays().iter().zip(twice.arrays()) {
            let doubled: Vec<f32> = once.iter().map(|g| 2.0 * g).collect();
            same(twice, &doubled, subject.name);
        }
    }
}

#[test]
fn nothing_in_gives_nothing_out() {
    for subject in subjects() {
        let pass = subject.pass(&[], &[]);
        assert!(pass.y.iter().all(|&y| y == 0.0), "{}: {:?}", subject.name, pass.y);
        let mut gradients = pass.gradients.arrays().iter().flatten();
        assert!(gradients.all(|&g| g == 0.0), "{}", subject.name);
    }
}

#[test]
fn what_ran_before_leaves_no_trace() {
    for (fresh, used) in subjects().into_iter().zip(subjects()) {
        let x = fresh.input(&LENGTHS, 1);
        for lengths in [&[9, 9, 9][..], &[], &[2]] {
            used.pass(&used.input(lengths, 2), lengths);
        }
        assert!(fresh.pass(&x, &LENGTHS) == used.pass(&x, &LENGTHS), "{}", fresh.name);
    }
}

#[test]
fn packed_sequences_are_each_alone() {
    for subject in subjects().iter().filter(|subject| subject.reach != Reach::Batch) {
        let n: usize = LENGTHS.iter().sum();
        let x = subject.input(&LENGTHS, 1);
        let packed = subject.pass(&x, &LENGTHS);
        let dy = projection(packed.y.len());
        let mut total = subject.params.gradients();
        let mut first = 0;
        for t in LENGTHS {
            let range = first..first + t;
            let x = rows(&x, n, range.clone());
            same(&subject.forward(x, &[t]), rows(&packed.y, n, range.clone()), subject.name);
            let dy = rows(&dy, n, range.clone());
            let dx = subject.layer.backward(&subject.params, Rows { x, lengths: &[t] }, dy, &mut total);
            same(&dx, rows(&packed.dx, n, range), subject.name);
            first += t;
        }
        for (alone, packed) in total.arrays().iter().zip(packed.gradients.arrays()) {
            same(alone, packed, subject.name);
        }
    }
}

/// Which output rows change when input row `moved` of one sequence of `t` does.
fn changed_by(subject: &Subject, t: usize, moved: usize) -> Vec<usize> {
    let mut x = subject.input(&[t], 1);
    let before = subject.forward(&x, &[t]);
    let range = moved * subject.n_in..(moved + 1) * subject.n_in;
    x[range].iter_mut().enumerate().for_each(|(at, x)| *x = 0.9 - *x * (at as f32 + 0.5));
    let after = subject.forward(&x, &[t]);
    (0..t).filter(|&at| rows(&before, t, at..at + 1) != rows(&after, t, at..at + 1)).collect()
}

#[test]
fn an_output_row_depends_on_what_it_may_see_and_on_all_of_it() {
    let t = 6;
    for subject in subjects().iter().filter(|subject| subject.reach != Reach::Batch) {
        for moved in 0..t {
            let expected: Vec<usize> = match subject.reach {
                Reach::Row => vec![moved],
                Reach::Past => (moved..t).collect(),
                Reach::Sequence | Reach::Batch => (0..t).collect(),
            };
            assert_eq!(changed_by(subject, t, moved), expected, "{}: row {moved}", subject.name);
        }
    }
}
