//! `ComplEx`: products of complex numbers. Vectors hold all real parts, then all imaginary parts.

/// `q = h·r`, so that `Re ⟨h, r, t̄⟩` is the real inner product of `q` and `t`.
pub(crate) fn multiply(head: &[f32], relation: &[f32], query: &mut [f32]) {
    let ((hr, hi), (rr, ri)) = (halves(head), halves(relation));
    let (qr, qi) = query.split_at_mut(hr.len());
    for (k, (qr, qi)) in qr.iter_mut().zip(qi).enumerate() {
        *qr = hr[k] * rr[k] - hi[k] * ri[k];
        *qi = hr[k] * ri[k] + hi[k] * rr[k];
    }
}

/// Adds the gradients of [`multiply`]: `dh = dq·r̄`, `dr = dq·h̄`.
pub(crate) fn multiply_backward(
    head: &[f32],
    relation: &[f32],
    d_query: &[f32],
    d_head: &mut [f32],
    d_relation: &mut [f32],
) {
    add_times_conjugate(d_query, relation, d_head);
    add_times_conjugate(d_query, head, d_relation);
}

/// `q = h̄·t`, so that `Re ⟨h, r, t̄⟩` is the real inner product of `q` and `r`.
pub(crate) fn relation_query(head: &[f32], tail: &[f32], query: &mut [f32]) {
    query.fill(0.0);
    add_times_conjugate(tail, head, query);
}

/// Adds the gradients of [`relation_query`]: `dh = t·d̄q`, `dt = dq·h`.
pub(crate) fn relation_query_backward(
    head: &[f32],
    tail: &[f32],
    d_query: &[f32],
    d_head: &mut [f32],
    d_tail: &mut [f32],
) {
    add_times_conjugate(tail, d_query, d_head);
    let ((hr, hi), (dr, di)) = (halves(head), halves(d_query));
    let (tr, ti) = d_tail.split_at_mut(hr.len());
    for (k, (tr, ti)) in tr.iter_mut().zip(ti).enumerate() {
        *tr += dr[k] * hr[k] - di[k] * hi[k];
        *ti += dr[k] * hi[k] + di[k] * hr[k];
    }
}

// sums += a · b̄
fn add_times_conjugate(a: &[f32], b: &[f32], sums: &mut [f32]) {
    let ((ar, ai), (br, bi)) = (halves(a), halves(b));
    let (sr, si) = sums.split_at_mut(ar.len());
    for (k, (sr, si)) in sr.iter_mut().zip(si).enumerate() {
        *sr += ar[k] * br[k] + ai[k] * bi[k];
        *si += ai[k] * br[k] - ar[k] * bi[k];
    }
}

fn halves(vector: &[f32]) -> (&[f32], &[f32]) {
    vector.split_at(vector.len() / 2)
}
