//! Made-up data whose answer is known: users have a taste for a few genres, items have a genre, and a switch says
//! whether the source domain and the texts know anything about it.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::split::SplitRule;
use segue_data::{Dataset, DatasetBuilder, DomainIdx, RawInteraction, Split};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext};
use segue_recommend::Scratch;
use segue_recommend::{Blend, DomainModel, Member};
use segue_train::domain_fit::cold_flags;
use segue_train::{DomainFit, FitPlan, Judge, MaskRule, Material, Session, fit_domain};

/// The source is imported first, so that a candidate's place is never its item index.
pub(crate) const SOURCE: DomainIdx = DomainIdx(0);
pub(crate) const TARGET: DomainIdx = DomainIdx(1);
pub(crate) const N_ITEMS: usize = 96;
const N_GENRES: usize = 12;
const N_SOURCE_EVENTS: usize = 7;

/// What the source domain's events say about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The same taste as in the target.
    SharedTaste,
    /// Somebody else's: the same events, handed to other users.
    Shuffled,
}

/// What the titles say about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// Its genre.
    Genre,
    /// Nothing.
    Noise,
}

/// Which data to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Story {
    pub(crate) n_users: usize,
    pub(crate) source: Source,
    pub(crate) text: Text,
    /// Whether some target items appear only late, so that training does not know them.
    pub(crate) newcomers: bool,
    pub(crate) seed: u64,
    /// Seed of the item renumbering.
    pub(crate) numbering: u64,
}

impl Default for Story {
    fn default() -> Self {
        let (source, text) = (Source::SharedTaste, Text::Genre);
        Self { n_users: 1_600, source, text, newcomers: false, seed: 1, numbering: 0 }
    }
}

/// A data set and its split.
pub(crate) struct Stage {
    pub(crate) dataset: Dataset,
    pub(crate) split: Split,
}

impl Story {
    pub(crate) fn stage(self) -> Stage {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut builder = DatasetBuilder::new("story", self.numbering);
        let domains = ["films", "books"].map(|name| builder.domain(name).expect("two domains"));
        for domain in domains {
            for item in 0..N_ITEMS {
                let title = self.title(item, &mut rng);
                builder.describe_item(domain, &item.to_string(), &[("title", &title)]);
            }
        }
        let tastes: Vec<usize> = (0..self.n_users).map(|_| rng.random_range(0..N_GENRES)).collect();
        let mut films: Vec<Vec<usize>> =
            tastes.iter().map(|&taste| chosen(taste, N_SOURCE_EVENTS, &mut rng)).collect();
        if self.source == Source::Shuffled {
            films.shuffle(&mut rng);
        }
        for (user, (&taste, films)) in tastes.iter().zip(&films).enumerate() {
            let n_books = rng.random_range(3..6);
            let mut books = chosen(taste, n_books, &mut rng);
            if self.newcomers {
                // The last two events are valid and test; newcomers are the last item of every genre.
                for book in books.iter_mut().rev().take(2).filter(|_| rng.random_bool(0.25)) {
                    *book = N_ITEMS - N_GENRES + *book % N_GENRES;
                }
                let first = books.len() - 2;
                books[..first].iter_mut().filter(|b| **b >= N_ITEMS - N_GENRES).for_each(|b| *b -= N_GENRES);
            }
            add_events(&mut builder, user, films, &books, &mut rng);
        }
        let dataset = builder.finish().0;
        let rule = SplitRule::LeaveOneOutPerDomain;
        let split = rule.cut(&dataset.sequences, &dataset.items, &[], true).expect("long enough");
        Stage { dataset, split }
    }

    fn title(self, item: usize, rng: &mut ChaCha8Rng) -> String {
        let word = |kind: &str, n: usize| format!("{kind}{n}");
        let mut words: Vec<String> = (0..3).map(|_| word("noise", rng.random_range(0..60))).collect();
        if self.text == Text::Genre {
            words.push(word("genre", item % N_GENRES));
        }
        words.join(" ")
    }
}

// Distinct items, mostly of the user's genre; low numbers are popular.
fn chosen(taste: usize, n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(n);
    while chosen.len() < n {
        let item = rng.random_range(0..N_ITEMS);
        let fit = if item % N_GENRES == taste { 1.0 } else { 0.08 };
        if rng.random_bool(fit * 2.0 / (2.0 + (item / N_GENRES) as f64)) && !chosen.contains(&item) {
            chosen.push(item);
        }
    }
    chosen
}

// Interleaves both lists at random, keeping the order within each.
fn add_events(
    builder: &mut DatasetBuilder,
    user: usize,
    films: &[usize],
    books: &[usize],
    rng: &mut ChaCha8Rng,
) {
    let mut domains = [vec![SOURCE; films.len()], vec![TARGET; books.len()]].concat();
    domains.shuffle(rng);
    let (mut films, mut books) = (films.iter(), books.iter());
    let user = user.to_string();
    let mut time = 1_600_000_000 + rng.random_range(0..10_000_000);
    for domain in domains {
        let next = if domain == SOURCE { films.next() } else { books.next() };
        let Some(item) = next.map(ToString::to_string) else { continue };
        time += rng.random_range(60..100_000);
        let timestamp = Some(time);
        builder.interaction(&RawInteraction {
            user: &user,
            item: &item,
            domain,
            timestamp,
            value: 1.0,
            kind: 0,
            split: None,
        });
    }
}

/// A plan small enough to run many times: the experts that are fitted in closed form without a text encoder.
pub(crate) fn plan() -> FitPlan {
    FitPlan { experts: closed_form(), budget: 4, search_cases: 800, ..FitPlan::default() }
}

fn closed_form() -> Vec<ExpertKind> {
    // Nothing was encoded and nothing is stated about the items of a story.
    let needs_more = [ExpertKind::Encoder, ExpertKind::Image, ExpertKind::Audio, ExpertKind::Graph];
    let fits = |kind: &ExpertKind| !kind.learns_by_steps() && !needs_more.contains(kind);
    ExpertKind::ALL.into_iter().filter(fits).collect()
}

impl Stage {
    /// Train events and items; nothing was encoded.
    pub(crate) fn material(&self) -> Material<'_> {
        Material::new(&self.split.train, &self.dataset.items, None)
    }

    pub(crate) fn valid(&self) -> Judge<'_> {
        self.judge(&self.split.valid.0)
    }

    pub(crate) fn test(&self) -> Judge<'_> {
        self.judge(self.split.test.open_for_measurement())
    }

    fn judge(&self, cases: &segue_data::CaseSet) -> Judge<'_> {
        Judge::new(cases, &self.dataset.items, TARGET, MaskRule::Seen, None).expect("there are cases")
    }

    pub(crate) fn fit(&self, plan: &FitPlan) -> DomainFit {
        let fitted = fit_domain(plan, self.material(), &self.valid(), Session::watched_by(&|_| ()));
        fitted.expect("the data can be learned")
    }

    /// Every kind in closed form over the target and, where history counts, over the sources, with default settings and equal weights.
    pub(crate) fn unsearched(&self) -> DomainModel {
        let mut experts = Vec::new();
        let context = FitContext::new(&self.dataset.items, TARGET);
        for scope in [segue_models::Scope::Target, segue_models::Scope::Sources, segue_models::Scope::All] {
            let target_only = scope == segue_models::Scope::Target;
            for kind in closed_form().into_iter().filter(|kind| target_only || kind.uses_history()) {
                let config = ExpertConfig::default_of(kind);
                let expert = Expert::fit(ExpertId { kind, scope }, &config, &self.split.train, context);
                experts.push(expert.expect("the data can be learned"));
            }
        }
        let member = |expert: &Expert| Member { expert: expert.id, warm: 1.0, cold: 0.5 };
        let blend = Blend { members: experts.iter().map(member).collect(), cold_offset: 0.25 };
        let cold = cold_flags(&self.split.train, &self.dataset.items, TARGET);
        DomainModel { domain: TARGET, experts, blend, cold }
    }

    /// The judge's metric, NDCG@10 unless another was asked for, of every case under a model.
    pub(crate) fn ndcg(&self, judge: &Judge<'_>, model: &DomainModel) -> Vec<f64> {
        let score = |query: &segue_models::Query<'_>, scores: &mut [f32]| {
            model.score(query, &self.dataset.items, &mut Scratch::default(), scores);
        };
        judge.metric_values(segue_train::Objective::Masked, score).expect("scores are finite")
    }
}

/// The same model with one expert alone.
pub(crate) fn alone(model: &DomainModel, at: usize) -> DomainModel {
    DomainModel { blend: Blend::only(&model.expert_ids(), at), ..model.clone() }
}
