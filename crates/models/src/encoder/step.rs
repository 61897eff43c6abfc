//! One training step of an encoder: token ids in, vectors out, and the way back.

use rayon::prelude::*;
use segue_nn::block::Dropping;
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params, add_scaled};

use crate::encoder::{BatchPass, OutputGradients, Purpose, TextEncoder, TokenBatch, Trace};

/// Parts of a batch that are computed side by side: a fixed number, so that sums have one order at any thread count.
const N_LANES: usize = 4;

/// Buffers of the training step, reused from step to step.
#[derive(Debug, Default)]
pub struct EncoderStep {
    /// Probability of zero after both halves of every block, in `[0, 1)`.
    pub dropout: f32,
    lanes: Vec<Lane>,
    vectors: Vec<f32>,    // [B, dim]
    starts: Vec<LaneRow>, // [B], of each text's first token
}

/// A token of the batch: which text, and which of its tokens.
pub type TokenPlace = (usize, usize);

/// The gradient of what the last block left of some tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenGradients<'a> {
    /// Which tokens.
    pub places: &'a [TokenPlace],
    /// `[places, dim]`
    pub states: &'a [f32],
}

#[derive(Clone, Copy, Debug)]
struct LaneRow {
    lane: usize,
    row: usize,
}

#[derive(Debug, Default)]
struct Lane {
    texts: Vec<usize>, // places in the batch
    batch: TokenBatch,
    key: Option<DropoutKey>,
    trace: Trace,
    d_out: Vec<f32>,              // [texts, dim]
    d_states: Vec<f32>,           // [N, dim]; empty: nothing
    gradients: Option<Gradients>, // without the embedding tables
    d_embedded: Vec<f32>,         // [N, dim]; empty where the tables are frozen
}

impl EncoderStep {
    /// With empty buffers.
    pub fn new(dropout: f32) -> Self {
        Self { dropout, ..Self::default() }
    }

    /// Vectors of texts given as token ids ([`Tokens::of`](crate::encoder::Tokens::of)), `[B, dim]`, for training; equal at any
    /// number of threads. `key` decides the dropout of this step.
    ///
    /// # Panics
    /// When a text has no token, or more than the network has positions.
    pub fn forward(&mut self, encoder: &TextEncoder, tokens: &[&[u32]], key: DropoutKey) -> &[f32] {
        self.fill_lanes(tokens, key);
        let rate = self.dropout;
        self.lanes.par_iter_mut().for_each(|lane| {
            let dropping = lane.dropping(rate);
            let pass =
                BatchPass { params: &encoder.params, batch: &lane.batch, head: encoder.head(), dropping };
            encoder.network.forward(pass, Purpose::Training, &mut lane.trace);
        });
        let dim = encoder.dim();
        self.vectors.clear();
        self.vectors.resize(tokens.len() * dim, 0.0);
        for lane in &self.lanes {
            for (&at, vector) in lane.texts.iter().zip(lane.trace.vectors().chunks_exact(dim)) {
                self.vectors[at * dim..][..dim].copy_from_slice(vector);
            }
        }
        &self.vectors
    }

    /// Adds the gradients of all trained arrays, from that of the vectors of the last [`forward`](Self::forward)
    /// (`d_vectors: [B, dim]`).
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn backward(&mut self, encoder: &TextEncoder, d_vectors: &[f32], gradients: &mut Gradients) {
        self.backward_with_states(encoder, d_vectors, TokenGradients::default(), gradients);
    }

    /// What the last block left of these tokens of the last [`forward`](Self::forward), `[places, dim]`.
    ///
    /// # Panics
    /// When there is no such token.
    pub fn states(&self, places: &[TokenPlace]) -> Vec<f32> {
        let state = |&place: &TokenPlace| {
            let LaneRow { lane, row } = self.lane_row(place);
            let states = self.lanes[lane].trace.states();
            let dim = states.len() / self.lanes[lane].batch.tokens.len();
            &states[row * dim..][..dim]
        };
        places.iter().flat_map(state).copied().collect()
    }

    /// As [`backward`](Self::backward), with the gradient of single tokens' states beside that of the vectors.
    ///
    /// # Panics
    /// When a shape does not fit or there is no such token.
    pub fn backward_with_states(
        &mut self,
        encoder: &TextEncoder,
        d_vectors: &[f32],
        d_tokens: TokenGradients<'_>,
        gradients: &mut Gradients,
    ) {
        assert_eq!(d_vectors.len(), self.vectors.len(), "gradient of the vectors");
        self.spread_states(d_tokens, encoder.dim());
        let rate = self.dropout;
        self.lanes.par_iter_mut().for_each(|lane| lane.backward(encoder, rate, d_vectors));
        let parts: Vec<&Gradients> = self.lanes.iter().filter_map(|lane| lane.gradients.as_ref()).collect();
        gradients.arrays_mut().par_iter_mut().enumerate().for_each(|(at, own)| {
            for part in parts.iter().map(|part| &part.arrays()[at]) {
                own.iter_mut().zip(part).for_each(|(own, part)| *own += part);
            }
        });
        for lane in &self.lanes {
            encoder.network.embed_backward(&lane.batch, &lane.d_embedded, gradients);
        }
    }

    fn lane_row(&self, (text, token): TokenPlace) -> LaneRow {
        let LaneRow { lane, row } = self.starts[text];
        LaneRow { lane, row: row + token }
    }

    // The gradient of single tokens, to their rows of the lanes.
    fn spread_states(&mut self, d_tokens: TokenGradients<'_>, dim: usize) {
        let TokenGradients { places, states } = d_tokens;
        assert_eq!(states.len(), places.len() * dim, "gradient of the states");
        self.lanes.iter_mut().for_each(|lane| lane.d_states.clear());
        for (&place, d) in places.iter().zip(states.chunks_exact(dim)) {
            let LaneRow { lane, row } = self.lane_row(place);
            let lane = &mut self.lanes[lane];
            lane.d_states.resize(lane.batch.tokens.len() * dim, 0.0);
            add_scaled(&mut lane.d_states[row * dim..][..dim], 1.0, d);
        }
    }

    // Longest text first, each to the lane that has the fewest tokens: lanes take the same time.
    fn fill_lanes(&mut self, tokens: &[&[u32]], key: DropoutKey) {
        self.lanes.resize_with(N_LANES, Lane::default);
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.texts.clear();
            lane.batch.tokens.clear();
            lane.batch.lengths.clear();
            lane.key = Some(key.of(at as u64));
        }
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(tokens[at].len()));
        self.starts = vec![LaneRow { lane: 0, row: 0 }; tokens.len()];
        for at in order {
            let lanes = self.lanes.iter_mut().enumerate();
            let Some((number, lane)) = lanes.min_by_key(|(_, lane)| lane.batch.tokens.len()) else { return };
            self.starts[at] = LaneRow { lane: number, row: lane.batch.tokens.len() };
            lane.texts.push(at);
            lane.batch.tokens.extend_from_slice(tokens[at]);
            lane.batch.lengths.push(tokens[at].len());
        }
    }
}

impl Lane {
    fn dropping(&self, rate: f32) -> Dropping {
        Dropping { rate, key: self.key.unwrap_or(DropoutKey::new(0)) }
    }

    fn backward(&mut self, encoder: &TextEncoder, rate: f32, d_vectors: &[f32]) {
        let dim = encoder.dim();
        self.d_out.clear();
        for &at in &self.texts {
            self.d_out.extend_from_slice(&d_vectors[at * dim..][..dim]);
        }
        let params = &encoder.params;
        let room = self.gradients.take().filter(|room| fits(room, encoder));
        let mut gradients =
            room.unwrap_or_else(|| params.gradients_but(&encoder.network.tables().collect::<Vec<_>>()));
        gradients.clear();
        let dropping = self.dropping(rate);
        let pass = BatchPass { params, batch: &self.batch, head: encoder.head(), dropping };
        let d = OutputGradients { vectors: &self.d_out, states: &self.d_states };
        self.d_embedded = encoder.network.blocks_backward(pass, &mut self.trace, d, &mut gradients);
        self.gradients = Some(gradients);
    }
}

// Whether room for gradients is that of the encoder's arrays as they are trained now.
fn fits(room: &Gradients, encoder: &TextEncoder) -> bool {
    let params: &Params = &encoder.params;
    let tables: Vec<_> = encoder.network.tables().collect();
    let wanted = |(id, array): (segue_nn::ParamId, &segue_nn::Param)| {
        if array.trainable && !tables.contains(&id) { array.values.len() } else { 0 }
    };
    let lengths = params.ids().zip(params.arrays()).map(wanted);
    lengths.eq(room.arrays().iter().map(Vec::len))
}
