//! `segue why-not`: the stage that keeps an item out of a user's list.

use anyhow::Result;
use segue_recommend::WhyNot;
use serde::Serialize;

use super::query_args::{ItemArgs, domain_name};
use crate::screen::Screen;
use segue_report::number::{count, ordinal};

#[derive(Serialize)]
struct Document {
    user: Option<String>,
    domain: String,
    /// Time of the request, Unix seconds; `None` where the data has no times.
    at: Option<i64>,
    item: String,
    n: u32,
    #[serde(flatten)]
    answer: WhyNot,
    in_words: String,
}

/// Names the stage.
pub(crate) fn run(args: &ItemArgs, screen: Screen) -> Result<()> {
    let (model, when) = (args.asked.model()?, args.asked.when()?);
    let item = model.catalog().item(&args.item)?;
    let domain = args.wanted.domain_for(&model, item)?;
    let person = args.whose.person(&args.asked, when, &model)?;
    let request = args.wanted.request(&model)?;
    let at = when.time(model.catalog())?;
    let answer = model.why_not(&person.query(domain, at), &request, item)?;
    let title = model.catalog().items().label(item);
    let domain = domain_name(&model, domain).to_owned();
    let document = Document {
        user: args.whose.user.clone(),
        in_words: in_words(&answer, title, &domain, args.wanted.n),
        domain,
        at,
        item: args.item.clone(),
        n: args.wanted.n,
        answer,
    };
    screen.document(&document)?;
    screen.say(&document.in_words)
}

fn in_words(answer: &WhyNot, title: &str, asked: &str, n: u32) -> String {
    match answer {
        WhyNot::OtherDomain { domain } => {
            format!("{title} – dropped by domain: it belongs to `{domain}`, and `{asked}` was asked for")
        }
        WhyNot::Seen => {
            format!("{title} – dropped by the mask: it is in the history (--allow-seen shows it)")
        }
        WhyNot::Excluded => format!("{title} – dropped by the request: --exclude names it"),
        WhyNot::Unscored { rank } => format!(
            "{title} – dropped by scoring: no expert of the blend knows anything about it for this history; it stands {}",
            ordinal(*rank as f64)
        ),
        WhyNot::OutRanked { rank, score, needed } => format!(
            "{title} – dropped by rank: it stands {} with a score of {score:.3}; the top {} need {needed:.3}",
            ordinal(*rank as f64),
            count(n)
        ),
        WhyNot::ReRanked { rank } => format!(
            "{title} – dropped by re-ranking: it stands {} by its score, and --variety gave its place to another",
            ordinal(*rank as f64)
        ),
        WhyNot::InList { rank } => format!("{title} – is in the list: it stands {}", ordinal(*rank as f64)),
    }
}
