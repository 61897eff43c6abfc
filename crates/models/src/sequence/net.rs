//! The structure of the sequence model: which arrays it has, and where they stand.

use rand::Rng;
use segue_nn::attention::Mask;
use segue_nn::block::{Block, BlockShape, NormOrder};
use segue_nn::layer_norm::LayerNorm;
use segue_nn::linear::Linear;
use segue_nn::{Init, ParamId, Params};

use super::config::SequenceConfig;
use super::input::ItemInput;
use super::tasks::TaskHeads;
use super::tokens::N_GAPS;
use super::words::ItemWords;
use crate::rows::Rows;

/// Where the parts of the model stand in its [`Params`].
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    /// `[n_rows, width]`: input and output vectors are the same.
    pub items: ParamId,
    /// `[n_words, width]`: tags, part of the vectors of the items that have them; `None` without text.
    pub(super) words: Option<ParamId>,
    /// `[max_len + 1, width]`.
    pub(super) positions: ParamId,
    /// `[n_domains, width]`.
    pub(super) domains: ParamId,
    /// `[n_kinds, width]`.
    pub(super) kinds: ParamId,
    /// `[N_GAPS, width]`.
    pub(super) gaps: ParamId,
    /// `[n_domains, width]`, added to the last vector when a domain's items are asked for.
    pub(super) asked: ParamId,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: LayerNorm,
    /// `[width, dim]`: from texts to item vectors; `None` without text input.
    pub(super) adaptor: Option<ParamId>,
    /// Each domain's own low-rank adapter behind the blocks: `h + asked + up (down h)`.
    pub(super) by_domain: Vec<DomainAdapter>,
    /// `[n_values, width]`: attribute values of users; `None` when profiles are not read.
    pub(super) profile: Option<ParamId>,
    /// Heads of what is learned besides the next item.
    pub(super) tasks: TaskHeads,
}

/// `down: [rank, width]` and `up: [width, rank]`; `up` starts at zero.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DomainAdapter {
    pub(super) down: Linear,
    pub(super) up: Linear,
}

impl Net {
    pub(super) fn new(
        config: &SequenceConfig,
        rows: &Rows,
        words: &ItemWords,
        input: &ItemInput,
        rng: &mut impl Rng,
    ) -> (Self, Params) {
        let mut params = Params::new();
        let width = config.width;
        let n_domains = rows.of_domain.len();
        let small = Init::Normal(config.init);
        // With content, items start as that alone.
        let own = if matches!(input, ItemInput::Ids) { small } else { Init::Zeros };
        let items = params.add("items", &[rows.n_rows(), width], own, rng);
        let mut table = |name: &str, n: usize| params.add(name, &[n, width], small, rng);
        let positions = table("positions", config.max_len + 1);
        let words = (words.n_words() > 0).then(|| table("words", words.n_words()));
        let (domains, kinds) = (table("domains", n_domains), table("kinds", N_KINDS));
        let (gaps, asked) = (table("gaps", N_GAPS), table("asked", n_domains));
        let shape = BlockShape {
            width,
            n_heads: config.n_heads,
            n_hidden: config.hidden_factor * width,
            mask: Mask::Causal,
            order: NormOrder::Pre,
            epsilon: 1e-6,
        };
        let deviation = 1.0 / (width as f32).sqrt() / 2.0;
        let blocks = (0..config.n_layers)
            .map(|at| Block::new(&mut params, &format!("blocks.{at}"), shape, deviation, rng))
            .collect();
        let norm = LayerNorm::new(&mut params, "norm", width, 1e-6, rng);
        let text = input.text();
        let adaptor =
            text.map(|text| params.add_values(ADAPTOR, &[width, text.dim()], text.initial_adaptor(width)));
        let rank = text.map_or(0, |text| text.config.domain_rank);
        let n_adapters = if rank > 0 && n_domains > 1 { n_domains } else { 0 };
        let by_domain =
            (0..n_adapters).map(|at| DomainAdapter::new(&mut params, at, rank, width, rng)).collect();
        let tasks = TaskHeads::new(&config.tasks, n_domains, width, &mut params, rng);
        let net = Self {
            items,
            words,
            positions,
            domains,
            kinds,
            gaps,
            asked,
            blocks,
            norm,
            adaptor,
            by_domain,
            profile: None,
            tasks,
        };
        (net, params)
    }
}

impl DomainAdapter {
    fn new(params: &mut Params, domain: usize, rank: usize, width: usize, rng: &mut impl Rng) -> Self {
        let deviation = 1.0 / (width as f32).sqrt();
        let mut linear = |part: &str, n_in, n_out, init| {
            let name = format!("domains.{domain}.{part}.weight");
            let weight = params.add(name, &[n_out, n_in], init, rng);
            Linear { weight, bias: None, n_in, n_out, deltas: Vec::new() }
        };
        let down = linear("down", width, rank, Init::Normal(deviation));
        Self { down, up: linear("up", rank, width, Init::Zeros) }
    }
}

/// The array that brings texts to item vectors.
pub(super) const ADAPTOR: &str = "adaptor.weight";

/// Kinds of events that are told apart.
const N_KINDS: usize = 256;
