//! Eigenvalues and eigenvectors of a symmetric matrix, for whitening: a few hundred rows, once per model.

/// Eigenvalues, largest first, and their unit eigenvectors as **rows** of `[n, n]`, of the symmetric matrix `a: [n, n]`.
///
/// Householder reduction to three diagonals, then implicit QL steps, in f64: O(n³).
///
/// # Source
/// Bowdler, Martin, Reinsch and Wilkinson (1968), procedures `tred2` and `tql2`, in the form of EISPACK.
///
/// # Panics
/// When `a` does not have n² values.
pub fn symmetric_eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    assert_eq!(a.len(), n * n, "a symmetric matrix of order {n}");
    if n == 0 {
        return (Vec::new(), Vec::new());
    }
    let mut tridiagonal = Tridiagonal { d: vec![0.0; n], e: vec![0.0; n] };
    reduce(&mut a, n, &mut tridiagonal);
    // From here on rows are eigenvectors: rotations touch contiguous values.
    let mut vectors = vec![0.0; n * n];
    for (at, value) in a.iter().enumerate() {
        vectors[at % n * n + at / n] = *value;
    }
    iterate(&mut vectors, n, &mut tridiagonal);
    let diagonal = tridiagonal.d;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]).then(i.cmp(&j)));
    let sorted = order.iter().flat_map(|&at| upright(&vectors[at * n..(at + 1) * n])).collect();
    (order.iter().map(|&at| diagonal[at]).collect(), sorted)
}

// A symmetric matrix with three diagonals, in the letters of the source.
struct Tridiagonal {
    // The diagonal, in the end the eigenvalues.
    d: Vec<f64>,
    // What stands beside it, zero in the end.
    e: Vec<f64>,
}

// The sign of an eigenvector is free: its largest value is made positive, so results can be compared.
fn upright(vector: &[f64]) -> Vec<f64> {
    let largest = vector.iter().fold(0.0f64, |best, &x| if x.abs() > best.abs() { x } else { best });
    let sign = if largest < 0.0 { -1.0 } else { 1.0 };
    vector.iter().map(|x| sign * x).collect()
}

// To tridiagonal form; `v` becomes the transformation.
fn reduce(v: &mut [f64], n: usize, t: &mut Tridiagonal) {
    t.d.copy_from_slice(&v[(n - 1) * n..]);
    for i in (1..n).rev() {
        let scale: f64 = t.d[..i].iter().map(|x| x.abs()).sum();
        let mut h = 0.0;
        if scale == 0.0 {
            t.e[i] = t.d[i - 1];
            for j in 0..i {
                t.d[j] = v[(i - 1) * n + j];
                v[i * n + j] = 0.0;
                v[j * n + i] = 0.0;
            }
        } else {
            h = reflect(v, n, i, t, scale);
        }
        t.d[i] = h;
    }
    accumulate(v, n, &mut t.d);
    t.e[0] = 0.0;
}

// One Householder reflection: row `i`, whose values sum to `scale`, gets zeros outside the three diagonals.
fn reflect(v: &mut [f64], n: usize, i: usize, t: &mut Tridiagonal, scale: f64) -> f64 {
    let Tridiagonal { d, e } = t;
    d[..i].iter_mut().for_each(|x| *x /= scale);
    let mut h: f64 = d[..i].iter().map(|x| x * x).sum();
    let f = d[i - 1];
    let g = if f > 0.0 { -h.sqrt() } else { h.sqrt() };
    e[i] = scale * g;
    h -= f * g;
    d[i - 1] = f - g;
    e[..i].fill(0.0);
    for j in 0..i {
        let f = d[j];
        v[j * n + i] = f;
        let mut g = e[j] + v[j * n + j] * f;
        for k in j + 1..i {
            g += v[k * n + j] * d[k];
            e[k] += v[k * n + j] * f;
        }
        e[j] = g;
    }
    e[..i].iter_mut().for_each(|x| *x /= h);
    let f: f64 = e[..i].iter().zip(&d[..i]).map(|(e, d)| e * d).sum();
    let hh = f / (h + h);
    for j in 0..i {
        e[j] -= hh * d[j];
    }
    for j in 0..i {
        let (f, g) = (d[j], e[j]);
        for k in j..i {
            v[k * n + j] -= f * e[k] + g * d[k];
        }
        d[j] = v[(i - 1) * n + j];
        v[i * n + j] = 0.0;
    }
    h
}

fn accumulate(v: &mut [f64], n: usize, d: &mut [f64]) {
    for i in 0..n - 1 {
        v[(n - 1) * n + i] = v[i * n + i];
        v[i * n + i] = 1.0;
        let h = d[i + 1];
        if h != 0.0 {
            for k in 0..=i {
                d[k] = v[k * n + i + 1] / h;
            }
            let mut sums = vec![0.0; i + 1];
            for k in 0..=i {
                let own = v[k * n + i + 1];
                sums.iter_mut().zip(&v[k * n..]).for_each(|(g, x)| *g += own * x);
            }
            for k in 0..=i {
                let own = d[k];
                v[k * n..=k * n + i].iter_mut().zip(&sums).for_each(|(x, g)| *x -= g * own);
            }
        }
        (0..=i).for_each(|k| v[k * n + i + 1] = 0.0);
    }
    for j in 0..n {
        d[j] = v[(n - 1) * n + j];
        v[(n - 1) * n + j] = 0.0;
    }
    v[n * n - 1] = 1.0;
}

// QL steps with implicit shifts until the second diagonal is gone.
fn iterate(v: &mut [f64], n: usize, t: &mut Tridiagonal) {
    t.e.copy_within(1.., 0);
    t.e[n - 1] = 0.0;
    let (mut f, mut largest) = (0.0f64, 0.0f64);
    for l in 0..n {
        largest = largest.max(t.d[l].abs() + t.e[l].abs());
        let m = (l..n).find(|&m| t.e[m].abs() <= f64::EPSILON * largest).unwrap_or(n - 1);
        // Convergence takes two or three steps; the bound only guards against numbers that are not finite.
        for _ in 0..60 {
            if m == l {
                break;
            }
            f += shift(t, l);
            sweep(v, n, t, l, m);
            if t.e[l].abs() <= f64::EPSILON * largest {
                break;
            }
        }
        t.d[l] += f;
        t.e[l] = 0.0;
    }
}

// Takes an estimate of eigenvalue `l` off the diagonal, which speeds up the step, and gives it.
fn shift(t: &mut Tridiagonal, l: usize) -> f64 {
    let Tridiagonal { d, e } = t;
    let g = d[l];
    let p = (d[l + 1] - g) / (2.0 * e[l]);
    let r = if p < 0.0 { -p.hypot(1.0) } else { p.hypot(1.0) };
    d[l] = e[l] / (p + r);
    d[l + 1] = e[l] * (p + r);
    let h = g - d[l];
    d[l + 2..].iter_mut().for_each(|x| *x -= h);
    h
}

// Rotations from row `m` up to row `l`, of the matrix and of the vectors.
fn sweep(v: &mut [f64], n: usize, t: &mut Tridiagonal, l: usize, m: usize) {
    let Tridiagonal { d, e } = t;
    let (next, beside) = (d[l + 1], e[l + 1]);
    let mut p = d[m];
    let (mut c, mut c2, mut c3, mut s, mut s2) = (1.0, 1.0, 1.0, 0.0, 0.0);
    for i in (l..m).rev() {
        (c3, c2, s2) = (c2, c, s);
        let g = c * e[i];
        let h = c * p;
        let r = p.hypot(e[i]);
        e[i + 1] = s * r;
        s = e[i] / r;
        c = p / r;
        p = c * d[i] - s * g;
        d[i + 1] = h + s * (c * g + s * d[i]);
        let (upper, lower) = v.split_at_mut((i + 1) * n);
        for (x, y) in upper[i * n..].iter_mut().zip(&mut lower[..n]) {
            let h = *y;
            *y = s * *x + c * h;
            *x = c * *x - s * h;
        }
    }
    p = -s * s2 * c3 * beside * e[l] / next;
    e[l] = s * p;
    d[l] = c * p;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize) -> Vec<f64> {
        let value = |i: usize, j: usize| ((i.min(j) * 37 + i.max(j) * 101) % 97) as f64 / 97.0 - 0.3;
        (0..n * n).map(|at| value(at / n, at % n)).collect()
    }

    #[test]
    fn vectors_are_orthonormal_and_rebuild_the_matrix() {
        for n in [1, 2, 3, 10, 65] {
            let a = matrix(n);
            let (values, vectors) = symmetric_eigen(a.clone(), n);
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
            for i in 0..n {
                for j in 0..n {
                    let entry: f64 =
                        (0..n).map(|k| values[k] * vectors[k * n + i] * vectors[k * n + j]).sum();
                    assert!((entry - a[i * n + j]).abs() < 1e-11, "n = {n}: {entry} at {i}, {j}");
                    let dot: f64 = (0..n).map(|k| vectors[i * n + k] * vectors[j * n + k]).sum();
                    assert!((dot - f64::from(i == j)).abs() < 1e-11, "n = {n}: rows {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn known_values_repeated_ones_and_zero_come_out() {
        let (values, _) = symmetric_eigen(vec![2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 5.0], 3);
        let expected = [5.0, 3.0, 1.0];
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{values:?}");
        assert_eq!(symmetric_eigen(vec![0.0; 16], 4).0, [0.0; 4]);
        let (values, vectors) = symmetric_eigen(vec![3.0, 0.0, 0.0, 3.0], 2);
        assert_eq!(values, [3.0, 3.0]);
        assert_eq!(vectors.iter().map(|x| x * x).sum::<f64>(), 2.0);
    }
}
