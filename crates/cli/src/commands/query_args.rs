//! Who is asked about: the arguments that `recommend`, `why` and `why-not` share.

use std::path::PathBuf;

use anyhow::Result;
use segue_data::{DomainIdx, ItemIdx};
use segue_recommend::{Histories, Model, Person, Request, Rerank, When};

use crate::screen::Screen;
use segue::asked_at;
use segue::explained::items_from_raw;
use segue::failure::{closest, usage};
use segue::profile_text::profile_from_text;
use segue::run::dir;
use segue::run::people::People;

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
    /// Weight of variety against score, from 0 to 1: each place goes to an item that is good and unlike those above it [default: 0]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) variety: Option<f32>,
}

fn share(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "give a number from 0 (scores alone) to 1 (variety alone)".to_owned())
}

/// Items per place among which variety chooses.
const VARIETY_DEPTH: usize = 5;
/// Fewer would leave a short list hardly a choice.
const VARIETY_DEPTH_MIN: usize = 50;

/// The run that answers, and when it is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// Run folder, its name under runs/, or an artifact folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// Data set with the users, where it is not where it was when the run was trained
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Time of the request: Unix seconds, a day as 2026-03-01 (of a user only events before it count), or `end`: the end of the data
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

/// One item of one list: what `why` and `why-not` are asked.
#[derive(Debug, clap::Args)]
pub(crate) struct ItemArgs {
    #[command(flatten)]
    pub(crate) asked: Asked,
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// The item; an id that two domains have is written DOMAIN:ID
    #[arg(long, value_name = "ID")]
    pub(crate) item: String,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
}

impl Asked {
    /// Reads the model.
    pub(crate) fn model(&self) -> Result<Model> {
        dir::read_model(&dir::locate(&self.run))
    }

    /// Opens the data set beside the run, and says where it is not as it was.
    pub(crate) fn people(&self) -> Result<People> {
        let people = People::beside(&dir::locate(&self.run), self.data.as_deref())?;
        people.note().iter().for_each(|note| Screen::note(note));
        Ok(people)
    }

    /// The time of the request.
    pub(crate) fn when(&self) -> Result<When> {
        asked_at::when(self.at.as_deref())
    }
}

/// Says what asking now means where the data is old.
pub(crate) fn note_age(when: When, model: &Model) {
    asked_at::note(when, model.catalog()).iter().for_each(|note| Screen::note(note));
}

impl Whose {
    /// Events and attributes of the user before the time of the request, or what was given of somebody new.
    pub(crate) fn person(&self, asked: &Asked, when: When, model: &Model) -> Result<Person> {
        let catalog = model.catalog();
        if let Some(user) = &self.user {
            note_age(when, model);
            return Ok(asked.people()?.histories(catalog)?.known(user, when.before())?);
        }
        let items = self.history.iter().flat_map(|items| items.split(','));
        let raw: Vec<&str> = items.map(str::trim).filter(|id| !id.is_empty()).collect();
        let profile = profile_from_text(catalog.attributes(), &self.profile)?;
        Ok(Person { history: catalog.history(&raw)?, profile })
    }
}

impl Wanted {
    /// What is wanted besides the query.
    pub(crate) fn request(&self, model: &Model) -> Result<Request> {
        let exclude = items_from_raw(model, &self.exclude)?;
        let n = self.n as usize;
        let rerank = match self.variety {
            Some(variety) if variety != 0.0 => {
                Rerank::Mmr { trade_off: 1.0 - variety, depth: VARIETY_DEPTH_MIN.max(VARIETY_DEPTH * n) }
            }
            _ => Rerank::None,
        };
        Ok(Request { n, exclude, allow_seen: self.allow_seen, rerank, explain: false })
    }

    /// The domain asked for, or the only one there is.
    pub(crate) fn domain(&self, model: &Model) -> Result<DomainIdx> {
        target(model, self.domain.as_deref(), "--domain")
    }

    /// The domain asked for, or the one of the item.
    pub(crate) fn domain_for(&self, model: &Model, item: ItemIdx) -> Result<DomainIdx> {
        if self.domain.is_some() { self.domain(model) } else { Ok(model.catalog().items().domain_of(item)) }
    }
}

/// The target called `name`, or the only one there is; `flag` is what names it.
pub(crate) fn target(model: &Model, name: Option<&str>, flag: &str) -> Result<DomainIdx> {
    let targets: Vec<&str> = model.targets().iter().map(|target| domain_name(model, target.domain)).collect();
    match (name, model.targets()) {
        (Some(name), _) => named(model, name, &targets),
        (None, [only]) => Ok(only.domain),
        (None, _) => {
            let remedy = format!("say which with {flag}: {}", targets.join(" or "));
            Err(usage("this run recommends several domains", remedy))
        }
    }
}

fn named(model: &Model, name: &str, targets: &[&str]) -> Result<DomainIdx> {
    model.catalog().domain(name).map_err(|_| {
        let remedy = match closest(name, targets.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("this run recommends {}", targets.join(", ")),
        };
        usage(format!("no domain `{name}`"), remedy)
    })
}

/// The name of a domain.
pub(crate) fn domain_name(model: &Model, domain: DomainIdx) -> &str {
    model.catalog().domain_name(domain)
}
