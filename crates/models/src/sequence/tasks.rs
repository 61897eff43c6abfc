//! Further tasks of the sequence model beside the next item: how it will be rated, whether it is chosen over others, and that two
//! views of one sequence are alike. All share the vectors of users and items; each domain has its own heads.
//!
//! With `h` the user's vector, turned towards the domain, and `v` the item's: what the means of item and user leave of a rating is
//! `a · (h ∘ v) + b · h + c · v + d` in units of its deviation, trained by squared error on the value of what came next; a choice has the logit
//! `γ (h · v) + β`, trained by binary cross-entropy on what came next against items drawn evenly. With learned weights, task k
//! counts `e^{−s_k}` (half of that for the squared error) and costs `s_k / 2` (Kendall, Gal and Cipolla, 2018).

use rand::Rng;
use segue_data::{Event, TrainSet};
use segue_nn::binary_cross_entropy::{Reduction, binary_cross_entropy};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Init, ParamId, Params};
use serde::{Deserialize, Serialize};

use super::biases::RatingBiases;
use super::step::Head;
use super::{Net, SequenceModel};
use crate::losses::squared_error::squared_error;
use crate::range::{self, first, outside};
use crate::tensors::{ModelError, Tensors};

/// What the sequence model is trained for, and how much each part counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskConfig {
    /// Weight of the next item's cross-entropy.
    pub next_item: f32,
    /// Weight of the rating's squared error; 0 = no such task. Domains whose events all have one value are left out.
    pub rating: f32,
    /// Weight of the choice's binary cross-entropy; 0 = no such task.
    pub click: f32,
    /// Weight of the contrast between two views of each sequence, which differ by dropout; 0 = none. It doubles the cost of a step.
    pub contrast: f32,
    /// Weight of the squared distance of a user's vector from the vector of what came next (`L_U` as a squared error); 0 = none. With
    /// it, cross-entropy is left for the target's items.
    pub squared_error: f32,
    /// Items drawn against each one that was chosen, ≥ 1.
    pub click_negatives: usize,
    /// Whether the weights of next item, rating and choice are learned, from these as a start.
    pub learned_weights: bool,
    /// Slope and shift of the choice's logit, found on valid, so that probabilities are what they say.
    pub calibration: [f32; 2],
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            next_item: 1.0,
            rating: 0.0,
            click: 0.0,
            contrast: 0.0,
            squared_error: 0.0,
            click_negatives: 4,
            learned_weights: false,
            calibration: [1.0, 0.0],
        }
    }
}

impl TaskConfig {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            outside("next_item", self.next_item, range::POSITIVE),
            outside("rating", self.rating, range::WEIGHT),
            outside("click", self.click, range::WEIGHT),
            outside("contrast", self.contrast, range::WEIGHT),
            outside("squared_error", self.squared_error, range::WEIGHT),
            outside("click_negatives", self.click_negatives, 1..=*range::NEGATIVES.end()),
        ])
    }

    /// Whether weights and counts are in range.
    pub(super) fn is_valid(&self) -> bool {
        self.problem().is_none()
    }

    fn start_weights(&self) -> [f32; 3] {
        [self.next_item, self.rating, self.click]
    }
}

/// Where the heads stand; `None` where a task is not trained.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TaskHeads {
    /// `[n_domains, 3 width + 1]`: a, b, c, d.
    pub(super) rating: Option<ParamId>,
    /// `[n_domains, 2]`: γ, β.
    pub(super) click: Option<ParamId>,
    /// `[3]`: s of next item, rating, choice.
    log_variances: Option<ParamId>,
}

impl TaskHeads {
    pub(super) fn new(
        config: &TaskConfig,
        n_domains: usize,
        width: usize,
        params: &mut Params,
        rng: &mut impl Rng,
    ) -> Self {
        let mut heads = Self::default();
        if config.rating > 0.0 {
            heads.rating = Some(params.add("tasks.rating", &[n_domains, 3 * width + 1], Init::Zeros, rng));
        }
        if config.click > 0.0 {
            let id = params.add("tasks.click", &[n_domains, 2], Init::Zeros, rng);
            params.get_mut(id).chunks_exact_mut(2).for_each(|head| head[0] = 1.0);
            heads.click = Some(id);
        }
        if config.learned_weights && (config.rating > 0.0 || config.click > 0.0) {
            let id = params.add("tasks.log_variances", &[3], Init::Zeros, rng);
            let start = config.start_weights().map(|weight| if weight > 0.0 { -weight.ln() } else { 0.0 });
            params.get_mut(id).copy_from_slice(&start);
            heads.log_variances = Some(id);
        }
        heads
    }

    /// The arrays, which are trained once for all lanes.
    pub(super) fn arrays(&self) -> impl Iterator<Item = ParamId> + use<> {
        [self.rating, self.click, self.log_variances].into_iter().flatten()
    }
}

/// One domain's positions in a step, and where their gradients go.
pub(super) struct DomainPart<'a> {
    pub(super) domain: usize,
    /// Weight of each position.
    pub(super) scale: f32,
    pub(super) head: &'a mut Head,
    /// Of the domain's items, `[n_items, width]`.
    pub(super) d_items: &'a mut [f32],
    pub(super) gradients: &'a mut Gradients,
}

/// How much the tasks count in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TaskWeights {
    /// Of the next item.
    pub(super) next_item: f32,
    rating: f32,
    click: f32,
}

/// Mean losses of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TaskLosses {
    /// Of the next item, in nats.
    pub(super) next_item: f64,
    rating: f64,
    click: f64,
    /// Of users' vectors, weighted.
    squared_error: f64,
}

impl std::ops::AddAssign for TaskLosses {
    fn add_assign(&mut self, other: Self) {
        self.next_item += other.next_item;
        self.rating += other.rating;
        self.click += other.click;
        self.squared_error += other.squared_error;
    }
}

impl TaskLosses {
    /// What is minimized; adds the gradients of learned weights.
    pub(super) fn total(
        &self,
        net: &Net,
        params: &Params,
        weights: TaskWeights,
        gradients: &mut Gradients,
    ) -> f64 {
        let parts = [
            (f64::from(weights.next_item), self.next_item),
            (f64::from(weights.rating), self.rating),
            (f64::from(weights.click), self.click),
        ];
        let mut total: f64 = parts.iter().map(|(weight, loss)| weight * loss).sum();
        total += self.squared_error;
        if let Some(id) = net.tasks.log_variances {
            // A task that is not trained has weight 0 and no part in this.
            let is_on = parts.map(|(weight, _)| weight > 0.0);
            let s = params.get(id);
            total += s.iter().zip(is_on).filter(|(_, on)| *on).map(|(s, _)| f64::from(*s) / 2.0).sum::<f64>();
            if let Some(d) = gradients.get_mut(id) {
                for ((d, (weight, loss)), on) in d.iter_mut().zip(parts).zip(is_on) {
                    *d += if on { (0.5 - weight * loss) as f32 } else { 0.0 };
                }
            }
        }
        total
    }
}

impl SequenceModel {
    /// Learns what ratings are without taste, before training; only where ratings are a task.
    pub fn learn_rating_biases(&mut self, train: &TrainSet) {
        if self.net.tasks.rating.is_some() {
            self.biases = RatingBiases::learn(train, &self.rows);
        }
    }

    // What biases leave of a user's events, all in scope; 0 where ratings are no task.
    pub(super) fn rating_residuals(&self, events: &[Event]) -> Vec<f32> {
        if self.net.tasks.rating.is_some() {
            self.biases.residuals(events, &self.rows)
        } else {
            vec![0.0; events.len()]
        }
    }

    /// As they are now: learned weights change from step to step.
    pub(super) fn task_weights(&self) -> TaskWeights {
        let tasks = &self.config.tasks;
        let [next_item, rating, click] = match self.net.tasks.log_variances {
            None => tasks.start_weights(),
            Some(id) => {
                let s = self.params.get(id);
                let on = tasks.start_weights().map(|weight| f32::from(weight > 0.0));
                [on[0] * (-s[0]).exp(), on[1] * (-s[1]).exp() / 2.0, on[2] * (-s[2]).exp()]
            }
        };
        TaskWeights { next_item, rating, click }
    }

    /// Losses of the further tasks at a domain's positions; gradients are added to those of the head, of the domain's items and of the
    /// task heads.
    pub(super) fn add_tasks(
        &self,
        part: &mut DomainPart<'_>,
        weights: TaskWeights,
        key: DropoutKey,
    ) -> TaskLosses {
        let mut losses = TaskLosses::default();
        let weight = self.config.tasks.squared_error;
        if weight > 0.0 {
            losses.squared_error = self.add_squared_error(part, weight);
        }
        if let Some(id) = self.net.tasks.rating {
            losses.rating = self.add_rating(id, part, weights.rating);
        }
        if let Some(id) = self.net.tasks.click {
            losses.click = self.add_click(id, part, weights.click, key);
        }
        losses
    }

    // `scale · Σ ‖h − v‖²`, v the vector of what came next.
    fn add_squared_error(&self, part: &mut DomainPart<'_>, weight: f32) -> f64 {
        let (items, width) = (self.items_of(part.domain), self.config.width);
        let head = &mut *part.head;
        let of = |&target: &u32| &items[target as usize * width..][..width];
        let labels: Vec<f32> = head.targets.iter().flat_map(of).copied().collect(); // [n, width]
        squared_error(&head.hidden, &labels, 1, part.scale * weight, &mut head.d_hidden)
    }

    fn add_rating(&self, id: ParamId, part: &mut DomainPart<'_>, weight: f32) -> f64 {
        let DomainPart { domain, scale, ref mut head, ref mut d_items, ref mut gradients } = *part;
        let width = self.config.width;
        if !self.biases.differ(domain) {
            return 0.0;
        }
        let deviation = self.biases.deviation(domain);
        let size = 3 * width + 1;
        let own = &self.params.get(id)[domain * size..][..size];
        let items = self.items_of(domain);
        let mut d_own = vec![0.0; size];
        let mut loss = 0.0;
        for (at, (&target, &value)) in head.targets.iter().zip(&head.values).enumerate() {
            let h = &head.hidden[at * width..][..width];
            let v = &items[target as usize * width..][..width];
            let error = rating_of(own, h, v) - value / deviation;
            loss += f64::from(scale) * f64::from(error).powi(2);
            let d = 2.0 * scale * weight * error;
            let d_h = &mut head.d_hidden[at * width..][..width];
            let d_v = &mut d_items[target as usize * width..][..width];
            for k in 0..width {
                d_own[k] += d * h[k] * v[k];
                d_own[width + k] += d * h[k];
                d_own[2 * width + k] += d * v[k];
                d_h[k] += d * own[k].mul_add(v[k], own[width + k]);
                d_v[k] += d * own[k].mul_add(h[k], own[2 * width + k]);
            }
            d_own[3 * width] += d;
        }
        if let Some(all) = gradients.get_mut(id) {
            segue_nn::add_scaled(&mut all[domain * size..][..size], 1.0, &d_own);
        }
        loss
    }

    fn add_click(&self, id: ParamId, part: &mut DomainPart<'_>, weight: f32, key: DropoutKey) -> f64 {
        let DomainPart { domain, scale, ref mut head, ref mut d_items, ref mut gradients } = *part;
        let width = self.config.width;
        let items = self.items_of(domain);
        let (gamma, beta) = (self.params.get(id)[domain * 2], self.params.get(id)[domain * 2 + 1]);
        let per_case = 1 + self.config.tasks.click_negatives;
        let shown = shown_items(&head.targets, items.len() / width, self.config.tasks.click_negatives, key);
        let product = |at: usize| {
            let h = &head.hidden[at / per_case * width..][..width];
            segue_nn::dot(h, &items[shown[at] as usize * width..][..width])
        };
        let products: Vec<f32> = (0..shown.len()).map(product).collect();
        let logits: Vec<f32> = products.iter().map(|x| gamma.mul_add(*x, beta)).collect();
        let labels: Vec<f32> = (0..shown.len()).map(|at| f32::from(at % per_case == 0)).collect();
        let mut d_logits = vec![0.0; shown.len()];
        let sum = binary_cross_entropy(&logits, &labels, Reduction::Sum, &mut d_logits);
        let each = scale / per_case as f32;
        let mut d_own = [0.0f32; 2];
        for (at, d) in d_logits.iter().enumerate() {
            let d = d * each * weight;
            d_own[0] += d * products[at];
            d_own[1] += d;
            let (case, item) = (at / per_case * width, shown[at] as usize * width);
            segue_nn::add_scaled(&mut head.d_hidden[case..][..width], d * gamma, &items[item..][..width]);
            segue_nn::add_scaled(&mut d_items[item..][..width], d * gamma, &head.hidden[case..][..width]);
        }
        if let Some(all) = gradients.get_mut(id) {
            segue_nn::add_scaled(&mut all[domain * 2..][..2], 1.0, &d_own);
        }
        sum * f64::from(each)
    }

    // Vectors of a domain's items, `[n_items, width]`.
    pub(super) fn items_of(&self, domain: usize) -> &[f32] {
        let (range, width) = (&self.rows.of_domain[domain], self.config.width);
        &self.vectors[range.start * width..range.end * width]
    }

    pub(super) fn save_biases(&self, tensors: &mut Tensors) {
        if self.net.tasks.rating.is_some() {
            self.biases.save(tensors);
        }
    }

    pub(super) fn load_biases(&mut self, tensors: &mut Tensors) -> Result<(), ModelError> {
        if self.net.tasks.rating.is_some() {
            self.biases = RatingBiases::load(&self.rows, tensors)?;
        }
        Ok(())
    }
}

// What is left of the rating after biases, in deviations; `own: [3 width + 1]`.
pub(super) fn rating_of(own: &[f32], h: &[f32], v: &[f32]) -> f32 {
    let width = h.len();
    let mut sum = own[3 * width];
    for k in 0..width {
        sum += (own[k] * v[k] + own[width + k]) * h[k] + own[2 * width + k] * v[k];
    }
    sum
}

/// For every target itself and `n` other items, drawn evenly; with one item only, that.
pub(super) fn shown_items(targets: &[u32], n_items: usize, n: usize, key: DropoutKey) -> Vec<u32> {
    let mut shown = Vec::with_capacity(targets.len() * (n + 1));
    for (at, &target) in targets.iter().enumerate() {
        shown.push(target);
        let key = key.of(at as u64);
        let other = |draw: u64| {
            // One of the others: from the target on, all numbers are one higher.
            let other = (key.of(draw).number() % (n_items as u64 - 1).max(1)) as u32;
            if n_items > 1 && other >= target { other + 1 } else { other }
        };
        shown.extend((0..n as u64).map(other));
    }
    shown
}
