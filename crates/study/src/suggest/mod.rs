//! Whom or what to ask about next, so that the answers tell most about a domain: users without events in it, or items of it.

mod items;
mod users;

use anyhow::Result;
use segue::failure::{failed, usage};
use segue_data::{Domain, DomainIdx, ItemCatalog, TrainSet, Vocabulary};
use segue_models::content::{Content, ContentConfig};
use segue_recommend::DomainModel;
use serde::Serialize;

pub use items::ItemStrategy;
pub use users::UserStrategy;

use items::{ItemPool, SuggestedItem};
use users::SuggestedUser;
pub(crate) use users::UserPool;

/// What is known when somebody asks. Test events may be among it, since asking comes after measuring.
#[derive(Clone, Copy)]
pub struct KnownData<'a> {
    /// Raw ids of users, by row.
    pub users: &'a Vocabulary,
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// The domains, in index order.
    pub domains: &'a [Domain],
    /// All events and profiles that may be looked at.
    pub train: &'a TrainSet,
}

/// What to suggest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuggestionRequest {
    /// Users or items.
    pub about: About,
    /// How they are chosen; `None`: the default of [`SuggestionRequest::about`].
    pub strategy: Option<Strategy>,
    /// Length of the list, ≥ 1; there may be fewer.
    pub n: usize,
    /// Seed of chance and ties.
    pub seed: u64,
}

/// Whom or what to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Users with events, but none in the domain.
    Users,
    /// Items of the domain.
    Items,
}

/// How they are chosen, of [`About`] either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// [`UserStrategy::UncertainDiverse`].
    UncertainDiverse,
    /// [`UserStrategy::Uncertain`].
    Uncertain,
    /// [`UserStrategy::Diverse`].
    Diverse,
    /// [`UserStrategy::Active`], the default for users.
    Active,
    /// [`ItemStrategy::PopularityEntropy`], the default for items whose ratings differ.
    PopularityEntropy,
    /// [`ItemStrategy::Entropy0`], the default for items whose ratings are all equal.
    Entropy0,
    /// [`ItemStrategy::Popularity`].
    Popularity,
    /// [`ItemStrategy::Coverage`].
    Coverage,
    /// By chance: the baseline for both.
    Random,
}

impl Strategy {
    /// All, in the order of help texts.
    pub const ALL: [Self; 9] = [
        Self::UncertainDiverse,
        Self::Uncertain,
        Self::Diverse,
        Self::Active,
        Self::PopularityEntropy,
        Self::Entropy0,
        Self::Popularity,
        Self::Coverage,
        Self::Random,
    ];

    /// The name in commands and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::UncertainDiverse => "uncertain-diverse",
            Self::Uncertain => "uncertain",
            Self::Diverse => "diverse",
            Self::Active => "active",
            Self::PopularityEntropy => "popularity-entropy",
            Self::Entropy0 => "entropy0",
            Self::Popularity => "popularity",
            Self::Coverage => "coverage",
            Self::Random => "random",
        }
    }

    /// What it goes by, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::UncertainDiverse => {
                "users: those the model is least sure about, spread out over what they did elsewhere"
            }
            Self::Uncertain => "users: those the model is least sure about",
            Self::Diverse => "users: each as unlike as can be to those known and those chosen before",
            Self::Active => "users: those who did most elsewhere, who have the most to tell",
            Self::PopularityEntropy => {
                "items: many know them and their ratings disagree; ln(users) × entropy of the ratings"
            }
            Self::Entropy0 => "items: entropy of the ratings, with \"never met\" as a rating of half weight",
            Self::Popularity => "items: those most users have",
            Self::Coverage => "items: each text as unlike as can be to those chosen before",
            Self::Random => "both: by chance, the baseline",
        }
    }

    fn for_users(self) -> Result<UserStrategy> {
        match self {
            Self::UncertainDiverse => Ok(UserStrategy::UncertainDiverse),
            Self::Uncertain => Ok(UserStrategy::Uncertain),
            Self::Diverse => Ok(UserStrategy::Diverse),
            Self::Active => Ok(UserStrategy::Active),
            Self::Random => Ok(UserStrategy::Random),
            Self::PopularityEntropy | Self::Entropy0 | Self::Popularity | Self::Coverage => Err(usage(
                format!("`{}` chooses items, not users", self.name()),
                "add --what items, or choose uncertain-diverse, uncertain, diverse, active or random",
            )),
        }
    }

    fn for_items(self) -> Result<ItemStrategy> {
        match self {
            Self::PopularityEntropy => Ok(ItemStrategy::PopularityEntropy),
            Self::Entropy0 => Ok(ItemStrategy::Entropy0),
            Self::Popularity => Ok(ItemStrategy::Popularity),
            Self::Coverage => Ok(ItemStrategy::Coverage),
            Self::Random => Ok(ItemStrategy::Random),
            Self::UncertainDiverse | Self::Uncertain | Self::Diverse | Self::Active => Err(usage(
                format!("`{}` chooses users, not items", self.name()),
                "leave --what items out, or choose popularity-entropy, entropy0, popularity, coverage or random",
            )),
        }
    }
}

/// Whom or what to ask about, most wanted first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestions {
    /// Name of the domain that more should be known about.
    pub target: String,
    /// Users or items.
    #[serde(rename = "what")]
    pub about: About,
    /// How they were chosen.
    pub strategy: Strategy,
    /// The strategy's name and meaning.
    pub in_words: String,
    /// Seed of chance and ties.
    pub seed: u64,
    /// How many there were to choose from.
    pub n_candidates: usize,
    /// The list.
    pub suggestions: Vec<Suggestion>,
}

/// Somebody or something to ask about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Suggestion {
    /// A user.
    User {
        /// Place in the list, from 1.
        rank: usize,
        /// Raw id.
        id: String,
        /// Entropy of the blend's softmax over its largest value, in [0, 1]: 1 = knows nothing.
        uncertainty: f64,
        /// Cosine distance to the nearest user that is known or stands above, in [0, 1].
        distance: f64,
        /// Events in the other domains.
        n_events: usize,
    },
    /// An item.
    Item {
        /// Place in the list, from 1.
        rank: usize,
        /// Raw id.
        id: String,
        /// Title, or the id where there is none.
        title: String,
        /// What the strategy goes by; larger is wanted more.
        value: f64,
        /// Users who have it.
        n_users: u32,
    },
}

/// Suggests users or items, so that more becomes known about the domain of `model`.
///
/// # Errors
/// When the strategy belongs to the other kind, every user has events in the domain, ratings that shall disagree are all equal, or there
/// are no texts to cover.
pub fn suggest(
    known: &KnownData<'_>,
    model: &DomainModel,
    request: &SuggestionRequest,
) -> Result<Suggestions> {
    match request.about {
        About::Users => suggest_users(known, model, request),
        About::Items => suggest_items(known, model.domain, request),
    }
}

fn suggest_users(
    known: &KnownData<'_>,
    model: &DomainModel,
    request: &SuggestionRequest,
) -> Result<Suggestions> {
    let strategy = request.strategy.unwrap_or(Strategy::Active);
    let by = strategy.for_users()?;
    let pool = UserPool::new(model, known.train, known.items);
    if pool.unknown.is_empty() {
        let problem = format!("every user with events has some in `{}`", known.name_of(model.domain));
        return Err(failed(problem, "ask about items: --what items"));
    }
    let suggestion = |(at, user): (usize, SuggestedUser)| Suggestion::User {
        rank: at + 1,
        id: known.users.raw(user.row).unwrap_or_default().to_owned(),
        uncertainty: user.uncertainty,
        distance: user.distance,
        n_events: known.train.sequences.row(user.row as usize).len(),
    };
    let chosen = pool.suggest(by, request.n, request.seed);
    Ok(Suggestions {
        n_candidates: pool.unknown.len(),
        suggestions: chosen.into_iter().enumerate().map(suggestion).collect(),
        ..known.no_suggestions(model.domain, request, strategy)
    })
}

fn suggest_items(
    known: &KnownData<'_>,
    domain: DomainIdx,
    request: &SuggestionRequest,
) -> Result<Suggestions> {
    let KnownData { train, items, .. } = *known;
    let mut pool = ItemPool { train, items, domain, content: None };
    let default = if pool.has_ratings() { Strategy::PopularityEntropy } else { Strategy::Entropy0 };
    let strategy = request.strategy.unwrap_or(default);
    let by = strategy.for_items()?;
    if by == ItemStrategy::PopularityEntropy && !pool.has_ratings() {
        let problem = format!("all ratings in `{}` are equal: they cannot disagree", known.name_of(domain));
        return Err(failed(problem, "choose --strategy entropy0, which works without ratings"));
    }
    // Without texts there is none, and only coverage, which needs it, says so.
    let fit = || Content::fit(&ContentConfig::default(), items, domain).ok();
    let content = if by == ItemStrategy::Coverage { fit() } else { None };
    pool.content = content.as_ref();
    let suggestion = |(at, found): (usize, SuggestedItem)| Suggestion::Item {
        rank: at + 1,
        id: items.raw(found.item).to_owned(),
        title: items.label(found.item).to_owned(),
        value: found.value,
        n_users: found.n_users,
    };
    let chosen = pool.suggest(by, request.n, request.seed)?;
    Ok(Suggestions {
        n_candidates: items.range(domain).len(),
        suggestions: chosen.into_iter().enumerate().map(suggestion).collect(),
        ..known.no_suggestions(domain, request, strategy)
    })
}

impl KnownData<'_> {
    fn name_of(&self, domain: DomainIdx) -> &str {
        &self.domains[domain.at()].name
    }

    /// The answer to a request before anybody is suggested.
    fn no_suggestions(
        &self,
        domain: DomainIdx,
        request: &SuggestionRequest,
        strategy: Strategy,
    ) -> Suggestions {
        Suggestions {
            target: self.name_of(domain).to_owned(),
            about: request.about,
            strategy,
            in_words: format!("{} – {}", strategy.name(), strategy.meaning()),
            seed: request.seed,
            n_candidates: 0,
            suggestions: Vec::new(),
        }
    }
}
