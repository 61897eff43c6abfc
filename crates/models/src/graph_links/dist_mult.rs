//! `DistMult`: products of real numbers.

/// `q = h·r`, so that `⟨h, r, t⟩` is the inner product of `q` and `t`; with the tail in place of the relation, that of `q` and `r`.
pub(crate) fn multiply(head: &[f32], other: &[f32], query: &mut [f32]) {
    query.iter_mut().zip(head.iter().zip(other)).for_each(|(q, (h, r))| *q = h * r);
}

/// Adds the gradients of [`multiply`].
pub(crate) fn multiply_backward(
    head: &[f32],
    other: &[f32],
    d_query: &[f32],
    d_head: &mut [f32],
    d_other: &mut [f32],
) {
    let gradients = d_head.iter_mut().zip(d_other);
    for (((d_h, d_o), d_q), (h, o)) in gradients.zip(d_query).zip(head.iter().zip(other)) {
        *d_h += d_q * o;
        *d_o += d_q * h;
    }
}
