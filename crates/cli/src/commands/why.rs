//! `segue why`: what carries an item for a user, event by event.

use anyhow::Result;
use segue_recommend::{Request, WhyNot};
use serde::Serialize;

use super::query_args::{ItemArgs, domain_name};
use crate::grid::Grid;
use crate::screen::Screen;
use segue::explained::{ExplainedItem, ReasonRecord, explain_item};
use segue::failure::failed;
use segue::words::paths::token_words;
use segue_report::number::{count, ordinal};

#[derive(Serialize)]
struct Document {
    user: Option<String>,
    domain: String,
    /// Time of the request, Unix seconds; `None` where the data has no times.
    at: Option<i64>,
    item: ExplainedItem,
    /// Its place among the items that may be shown, or the stage that keeps it out.
    standing: WhyNot,
    n_candidates: usize,
}

/// Events whose effect rounds to zero are counted, not shown.
const EFFECT_SHOWN_MIN: f32 = 0.0005;

/// Explains.
pub(crate) fn run(args: &ItemArgs, screen: Screen) -> Result<()> {
    let (model, when) = (args.asked.model()?, args.asked.when()?);
    let item = model.catalog().item(&args.item)?;
    let domain = args.wanted.domain_for(&model, item)?;
    let person = args.whose.person(&args.asked, when, &model)?;
    let query = person.query(domain, when.time(model.catalog())?);
    let n_candidates = model.target(domain)?.n_candidates();
    // All candidates, known ones too: the item is among them wherever it stands.
    let everything = Request { n: n_candidates, allow_seen: true, ..Request::default() };
    let mut all = model.recommend(&query, &everything)?;
    let place = all.items.iter().position(|ranked| ranked.item == item).ok_or_else(|| {
        let problem = format!("item `{}` is not in domain `{}`", args.item, domain_name(&model, domain));
        failed(problem, "leave --domain out to ask about the item's own domain")
    })?;
    let request = Request { n: n_candidates, ..args.wanted.request(&model)? };
    all.items[place].reasons = model.explain(&query, item)?;
    let standing = model.why_not(&query, &request, item)?;
    // The place in the list that `recommend` gives; of an item that is hidden, its place among all.
    let rank = if let WhyNot::InList { rank } = standing { rank } else { place + 1 };
    let document = Document {
        user: args.whose.user.clone(),
        domain: domain_name(&model, domain).to_owned(),
        at: query.timestamp,
        item: explain_item(&model, &query, rank, &all.items[place])?,
        standing,
        n_candidates,
    };
    screen.document(&document)?;
    show(&document, screen)
}

fn show(document: &Document, screen: Screen) -> Result<()> {
    let item = &document.item;
    let standing = match &document.standing {
        WhyNot::InList { rank } => {
            format!(
                "{} of the {} items that could be shown",
                ordinal(*rank as f64),
                count(document.n_candidates)
            )
        }
        WhyNot::Seen => "never shown: it is in the history (--allow-seen shows it)".to_owned(),
        _ => "not shown; `segue why-not` names the stage".to_owned(),
    };
    screen.heading(&format!("{} ({})", item.title, document.domain))?;
    screen.say(format!("{standing}\nscore {:.3} = {}\n{}", item.score, sum(item), item.why))?;
    let mut grid = Grid::new(&["event", "domain", ">score without it falls by"]);
    let mut n_small = 0;
    for reason in &item.reasons {
        match reason {
            ReasonRecord::Event { title, domain, effect, .. } if *effect >= EFFECT_SHOWN_MIN => {
                grid.row(&[title.clone(), domain.clone(), format!("{effect:.3}")]);
            }
            ReasonRecord::Event { .. } => n_small += 1,
            ReasonRecord::Profile { values, effect } => {
                grid.row(&[
                    format!("profile: {}", values.join(", ")),
                    "-".to_owned(),
                    format!("{effect:.3}"),
                ]);
            }
            _ => {}
        }
    }
    screen.say(format!("\n{}", grid.text()))?;
    if n_small > 0 {
        screen.say(format!("and {n_small} events that matter less"))?;
    }
    show_paths(item, screen)?;
    show_modalities(item, screen)
}

fn show_paths(item: &ExplainedItem, screen: Screen) -> Result<()> {
    let mut grid = Grid::new(&["path over the graph", "expert", ">its score without it falls by"]);
    let mut n_paths = 0;
    for reason in &item.reasons {
        if let ReasonRecord::Path { expert, text, effect, .. } = reason {
            grid.row(&[text.clone(), expert.clone(), format!("{:.1} %", effect * 100.0)]);
            n_paths += 1;
        }
    }
    if n_paths > 0 { screen.say(format!("\n{}", grid.text())) } else { Ok(()) }
}

fn show_modalities(item: &ExplainedItem, screen: Screen) -> Result<()> {
    for reason in &item.reasons {
        let ReasonRecord::Modalities { expert, tokens } = reason else { continue };
        let title = format!("what {expert} knows of the item");
        let mut grid = Grid::new(&[title.as_str(), ">weight", ">its score without it falls by"]);
        for token in tokens {
            grid.row(&[
                token_words(token.token).to_owned(),
                format!("{:.0} %", token.weight * 100.0),
                format!("{:+.3}", token.effect),
            ]);
        }
        screen.say(format!("\n{}", grid.text()))?;
    }
    Ok(())
}

// The parts that add up to the score.
fn sum(item: &ExplainedItem) -> String {
    let parts: f32 = item.shares.iter().map(|share| share.part).sum();
    let mut terms: Vec<String> =
        item.shares.iter().map(|share| format!("{} {:+.3}", share.expert, share.part)).collect();
    if (item.score - parts).abs() > 1e-4 {
        terms.push(format!("offset for new items {:+.3}", item.score - parts));
    }
    terms.join("  ")
}
