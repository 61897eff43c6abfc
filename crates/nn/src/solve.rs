//! Small symmetric positive definite systems, each solved on one thread: callers have many of them.

/// Solves `A x = b` by Cholesky in place: `a` (`[k, k]`, row-major, only the lower triangle is read) is overwritten by
/// its factor and `b` (`[k]`) by the solution. Returns whether `A` was positive definite; if not, `b` is unspecified.
///
/// # Panics
/// When the shapes do not fit.
pub fn solve_spd_small(a: &mut [f32], b: &mut [f32]) -> bool {
    let k = b.len();
    assert_eq!(a.len(), k * k, "shape");
    for j in 0..k {
        let (done, rest) = a.split_at_mut(j * k);
        let row = &mut rest[..k];
        for i in 0..j {
            let other = &done[(i * k)..=(i * k + i)];
            row[i] = (row[i] - dot(&row[..i], &other[..i])) / other[i];
        }
        let pivot = row[j] - dot(&row[..j], &row[..j]);
        if !(pivot > 0.0 && pivot.is_finite()) {
            return false;
        }
        row[j] = pivot.sqrt();
    }
    for i in 0..k {
        let row = &a[(i * k)..=(i * k + i)];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
    for i in (0..k).rev() {
        b[i] /= a[i * k + i];
        let solved = b[i];
        for (value, factor) in b[..i].iter_mut().zip(&a[i * k..i * k + i]) {
            *value -= solved * factor;
        }
    }
    true
}

// Eight independent sums, so that the compiler can keep them in one vector register; the order is fixed.
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let tail: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in xs.zip(ys) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_satisfies_the_system() {
        let k = 37;
        let x: Vec<f32> = (0..k * k).map(|i| ((i * 31 % 17) as f32) / 17.0).collect();
        let mut a = vec![0.0; k * k];
        for i in 0..k {
            for j in 0..k {
                a[i * k + j] =
                    (0..k).map(|m| x[i * k + m] * x[j * k + m]).sum::<f32>() + if i == j { 3.0 } else { 0.0 };
            }
        }
        let b: Vec<f32> = (0..k).map(|i| i as f32 - 10.0).collect();
        let mut solution = b.clone();
        assert!(solve_spd_small(&mut a.clone(), &mut solution));
        for i in 0..k {
            let got: f32 = (0..k).map(|j| a[i * k + j] * solution[j]).sum();
            assert!((got - b[i]).abs() < 1e-2, "{got} {}", b[i]);
        }
        assert!(!solve_spd_small(&mut [1.0, 0.0, 2.0, 1.0], &mut [1.0, 1.0]));
    }
}
