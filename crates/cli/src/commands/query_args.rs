//! Who is asked about: the arguments that `recommend`, `why` and `why-not` share.

use std::path::PathBuf;

use anyhow::Result;
use segue_data::{DomainIdx, Event, ItemIdx};
use segue_models::Query;
use segue_recommend::{Recommender, Request};

use segue::explained::items_from_raw;
use segue::failure::{closest, usage};
use segue::profile_text::profile_from_text;
use segue::run::dir;

/// Whose list.
#[derive(Debug, clap::Args)]
#[group(id = "whose", required = true, multiple = true)]
pub(crate) struct Whose {
    /// A user of the data, with all events and attributes
    #[arg(long, value_name = "ID", conflicts_with_all = ["history", "profile"])]
    pub(crate) user: Option<String>,
    /// Items of somebody new, oldest first: "ID,ID,…"; an id that two domains have is written DOMAIN:ID
    #[arg(long, value_name = "ITEMS")]
    pub(crate) history: Option<String>,
    /// What is known about somebody new, such as gender=F; may be given several times, beside --history or alone
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) profile: Vec<String>,
}

/// What is known about somebody: events, oldest first, and ids of attribute values.
#[derive(Debug)]
pub(crate) struct Known {
    history: Vec<Event>,
    profile: Vec<u32>,
}

impl Known {
    /// The query for it, without a time.
    pub(crate) fn query(&self, domain: DomainIdx) -> Query<'_> {
        Query { domain, history: &self.history, profile: &self.profile, timestamp: None }
    }
}

/// Which items may be in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Domain of the items [default: the only target]
    #[arg(long, short, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// Length of the list
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: u32,
    /// Items that must not appear: "ID,ID,…"
    #[arg(long, value_delimiter = ',', value_name = "ITEMS")]
    pub(crate) exclude: Vec<String>,
    /// Let items of the history appear again
    #[arg(long)]
    pub(crate) allow_seen: bool,
}

/// The run that answers.
#[derive(Debug, clap::Args)]
pub(crate) struct Model {
    /// Run folder, its name under runs/, or an artifact folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

/// One item of one list: what `why` and `why-not` are asked.
#[derive(Debug, clap::Args)]
pub(crate) struct ItemArgs {
    #[command(flatten)]
    pub(crate) model: Model,
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// The item; an id that two domains have is written DOMAIN:ID
    #[arg(long, value_name = "ID")]
    pub(crate) item: String,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

impl Model {
    /// Reads it.
    pub(crate) fn read(&self) -> Result<Recommender> {
        dir::read_model(&dir::locate(&self.run))
    }
}

impl Whose {
    /// Events and attributes of the user, or what was given of somebody new.
    pub(crate) fn known(&self, recommender: &Recommender) -> Result<Known> {
        if let Some(user) = &self.user {
            let history = recommender.history_of(user)?.to_vec();
            return Ok(Known { history, profile: recommender.profile_of(user)?.to_vec() });
        }
        let items = self.history.iter().flat_map(|items| items.split(','));
        let raw: Vec<&str> = items.map(str::trim).filter(|id| !id.is_empty()).collect();
        let profile = profile_from_text(&recommender.dataset.profiles, &self.profile)?;
        Ok(Known { history: recommender.history_from_raw(&raw)?, profile })
    }
}

impl Wanted {
    /// What is wanted besides the query.
    pub(crate) fn request(&self, recommender: &Recommender) -> Result<Request> {
        let exclude = items_from_raw(recommender, &self.exclude)?;
        Ok(Request { n: self.n as usize, exclude, allow_seen: self.allow_seen })
    }

    /// The domain asked for, or the only one there is.
    pub(crate) fn domain(&self, recommender: &Recommender) -> Result<DomainIdx> {
        target(recommender, self.domain.as_deref(), "--domain")
    }

    /// The domain asked for, or the one of the item.
    pub(crate) fn domain_for(&self, recommender: &Recommender, item: ItemIdx) -> Result<DomainIdx> {
        if self.domain.is_some() {
            self.domain(recommender)
        } else {
            Ok(recommender.dataset.items.domain_of(item))
        }
    }
}

/// The target called `name`, or the only one there is; `flag` is what names it.
pub(crate) fn target(recommender: &Recommender, name: Option<&str>, flag: &str) -> Result<DomainIdx> {
    let targets: Vec<&str> =
        recommender.domains.iter().map(|model| domain_name(recommender, model.domain)).collect();
    match (name, recommender.domains.as_slice()) {
        (Some(name), _) => named(recommender, name, &targets),
        (None, [only]) => Ok(only.domain),
        (None, _) => {
            let remedy = format!("say which with {flag}: {}", targets.join(" or "));
            Err(usage("this run recommends several domains", remedy))
        }
    }
}

fn named(recommender: &Recommender, name: &str, targets: &[&str]) -> Result<DomainIdx> {
    recommender.dataset.domain(name).ok_or_else(|| {
        let remedy = match closest(name, targets.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("this run recommends {}", targets.join(", ")),
        };
        usage(format!("no domain `{name}`"), remedy)
    })
}

/// The name of a domain.
pub(crate) fn domain_name(recommender: &Recommender, domain: DomainIdx) -> &str {
    &recommender.dataset.domains[domain.at()].name
}
