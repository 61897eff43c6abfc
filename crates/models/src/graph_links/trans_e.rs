//! `TransE`: translations.

/// `q = h + r`, which is compared with tails.
pub(crate) fn add(head: &[f32], relation: &[f32], query: &mut [f32]) {
    query.iter_mut().zip(head.iter().zip(relation)).for_each(|(q, (h, r))| *q = h + r);
}

/// Adds the gradients of [`add`].
pub(crate) fn add_backward(d_query: &[f32], d_head: &mut [f32], d_relation: &mut [f32]) {
    for ((d_h, d_r), d_q) in d_head.iter_mut().zip(d_relation).zip(d_query) {
        *d_h += d_q;
        *d_r += d_q;
    }
}

/// `q = t − h`, which is compared with relations.
pub(crate) fn difference(head: &[f32], tail: &[f32], query: &mut [f32]) {
    query.iter_mut().zip(head.iter().zip(tail)).for_each(|(q, (h, t))| *q = t - h);
}

/// Adds the gradients of [`difference`].
pub(crate) fn difference_backward(d_query: &[f32], d_head: &mut [f32], d_tail: &mut [f32]) {
    for ((d_h, d_t), d_q) in d_head.iter_mut().zip(d_tail).zip(d_query) {
        *d_h -= d_q;
        *d_t += d_q;
    }
}
