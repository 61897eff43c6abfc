//! News for readers whose taste follows authors and topics: texts, browse histories and a knowledge graph, each modeled alone, fused
//! by attention, and blended.
//!
//! `cargo run --release -p segue-train --example news` makes its data from a template. `… --example news -- FOLDER` reads a MIND
//! folder (docs/news.md).
#![expect(clippy::print_stdout, reason = "a command whose output is read")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::import::{ImportOptions, Source, import};
use segue_data::split::SplitRule;
use segue_data::{
    Dataset, DatasetBuilder, DomainIdx, ItemCatalog, ItemGraph, ItemIdx, RawInteraction, Sequences,
};
use segue_models::graph_walks::PathStep;
use segue_models::sequence::{JointConfig, SequenceConfig};
use segue_models::{ExpertKind, Query};
use segue_recommend::{Catalog, DatasetHistories, Histories, Model, Reason, Request, Scratch, When};
use segue_train::judge::mean;
use segue_train::{
    DomainFit, EarlierFit, FitPlan, Judge, MaskRule, Material, Objective, Session, fit_domain,
    fit_domain_from,
};

const NEWS: DomainIdx = DomainIdx(0);
const EXPERTS: [ExpertKind; 5] =
    [ExpertKind::Window, ExpertKind::Content, ExpertKind::Graph, ExpertKind::Behavior, ExpertKind::Joint];
/// Of a large MIND folder so many users are read, and so many cases judged.
const USERS: usize = 5_000;
const CASES: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1);
    let dataset = match &folder {
        Some(folder) => read_mind(Path::new(folder))?,
        None => made_up(600, 900, 7),
    };
    // In made-up data every click has its time. MIND dates no history, so there each user's last click is the test.
    let rule = if folder.is_some() {
        SplitRule::LeaveOneOut
    } else {
        SplitRule::GlobalTime { train: 0.8, valid: 0.1 }
    };
    let said = tell(&dataset, rule, 12)?;
    print!("{said}");
    Ok(())
}

/// Trains and measures with and without the graph, and explains a list; `max_epochs` limits training by gradient steps.
pub(crate) fn tell(dataset: &Dataset, rule: SplitRule, max_epochs: usize) -> Result<String, Box<dyn Error>> {
    // 1. Data: the split, and everything that is stated about articles in one graph.
    let (items, sequences) = (&dataset.items, &dataset.sequences);
    let split = rule.cut(sequences, items, &dataset.published_split, dataset.has_timestamps)?;
    let graph = ItemGraph::of(dataset).ok_or("nothing is stated about the articles")?;
    let mut said = format!(
        "{} users, {} articles, {} clicks, {} facts; {}\n\n",
        dataset.users.len(),
        items.len(),
        sequences.n_events(),
        graph.triples.len(),
        split.description
    );

    // 2. Experts: what follows what (window), words (content), walks over the graph (graph), a transformer over the history
    //    (behavior), and one whose article vectors are fused from text, graph and clicks by self-attention (joint).
    let small = SequenceConfig { width: 32, max_epochs, ..SequenceConfig::default() };
    let joint = JointConfig::default();
    let joint_sequence = SequenceConfig { width: 32, max_epochs, ..joint.sequence.clone() };
    let plan = FitPlan {
        experts: EXPERTS.to_vec(),
        budget: 1,
        search_cases: CASES,
        blend_cases: CASES,
        behavior: small,
        joint: JointConfig { sequence: joint_sequence, ..joint },
        ..FitPlan::default()
    };

    // 3. Training and choice of the blend on valid; without the graph only what reads it is trained again.
    let valid = Judge::new(&split.valid.0, items, NEWS, MaskRule::Seen, None)?.sample(CASES);
    let material = Material::new(&split.train, items, None);
    let with = fit_domain(&plan, material.with_graph(Some(&graph)), &valid, Session::unwatched())?;
    let holds = |id: segue_models::ExpertId| !matches!(id.kind, ExpertKind::Graph | ExpertKind::Joint);
    let earlier = Some(EarlierFit { fit: &with, holds: &holds, pretrained: None });
    let without = fit_domain_from(&plan, material, &valid, Session::unwatched(), earlier)?;

    // 4. Measurement on test: every article competes but those that the user has read.
    let test =
        Judge::new(split.test.open_for_measurement(), items, NEWS, MaskRule::Seen, None)?.sample(CASES);
    let columns = [measured(&without, &test, items)?, measured(&with, &test, items)?];
    writeln!(said, "{:<16}{:>14}{:>14}", "test NDCG@10", "without graph", "with graph")?;
    for (name, ndcg) in &columns[1] {
        let before = columns[0].iter().find(|(known, _)| known == name);
        let before = before.map_or_else(|| "–".to_owned(), |(_, ndcg)| format!("{ndcg:.4}"));
        writeln!(said, "{name:<16}{before:>14}{ndcg:>14.4}")?;
    }

    // 5. A list with reasons that were found by taking away what carried an article.
    let model = Model::new(Catalog::of(dataset), vec![with.model]);
    let histories = DatasetHistories::new(model.catalog(), dataset)?;
    let user = dataset.users.raw(0).unwrap_or_default();
    said += &list_for(&model, &graph, &histories, user)?;
    Ok(said)
}

// NDCG@10 of every expert and of the blend.
fn measured(
    fit: &DomainFit,
    test: &Judge<'_>,
    items: &ItemCatalog,
) -> Result<Vec<(String, f64)>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for expert in &fit.model.experts {
        let ndcg =
            test.metric_values(Objective::Masked, |query, scores| expert.score(query, items, scores))?;
        rows.push((expert.id.to_string(), mean(&ndcg)));
    }
    let blend = |query: &Query<'_>, scores: &mut [f32]| {
        fit.model.score(query, items, &mut Scratch::default(), scores);
    };
    rows.push(("blend".to_owned(), mean(&test.metric_values(Objective::Masked, blend)?)));
    Ok(rows)
}

fn list_for(
    model: &Model,
    graph: &ItemGraph,
    histories: &dyn Histories,
    user: &str,
) -> Result<String, Box<dyn Error>> {
    let items = model.catalog().items();
    let person = histories.known(user, When::End.before())?;
    let query = person.query(NEWS, When::End.time(model.catalog())?);
    let mut said = format!("\nFor {user}, who last read");
    for event in query.history.iter().rev().take(4) {
        write!(said, "\n  - {}", items.label(event.item))?;
    }
    said += "\n";
    for (at, ranked) in model
        .recommend(&query, &Request { n: 5, explain: true, ..Request::default() })?
        .items
        .iter()
        .enumerate()
    {
        writeln!(said, "{}. {} ({:.2})", at + 1, items.label(ranked.item), ranked.score)?;
        for reason in &ranked.reasons {
            match reason {
                Reason::SharedWords { words, .. } => writeln!(said, "   shares: {}", words.join(", "))?,
                Reason::Event { item, effect } if *effect >= 0.2 * ranked.score => {
                    writeln!(said, "   {effect:.2} less without: {}", items.label(*item))?;
                }
                Reason::Path { from, steps, .. } => {
                    writeln!(said, "   path: {}", in_words(*from, steps, graph, items))?;
                }
                _ => {}
            }
        }
    }
    Ok(said)
}

// `Title – written by → Ann Lee ← written by – Title`.
fn in_words(from: ItemIdx, steps: &[PathStep], graph: &ItemGraph, items: &ItemCatalog) -> String {
    let mut words = items.label(from).to_owned();
    for step in steps {
        let relation = graph.relation_words(step.fact.relation);
        let to = graph.name(step.to(), items).unwrap_or("(no name)");
        let step = if step.inverse {
            format!(" ← {relation} – {to}")
        } else {
            format!(" – {relation} → {to}")
        };
        words.push_str(&step);
    }
    words
}

/// A MIND folder, of it the events of the first users.
pub(crate) fn read_mind(folder: &Path) -> Result<Dataset, Box<dyn Error>> {
    let source = Source { path: folder.to_owned(), domain: Some("news".to_owned()) };
    let imported = import(&ImportOptions::new("mind", vec![source]), &mut |_| {})?;
    let mut dataset = imported.dataset;
    let kept = |(user, row)| if user < USERS { row } else { &[][..] };
    dataset.sequences = Sequences::from_rows(dataset.sequences.rows().enumerate().map(kept));
    Ok(dataset)
}

/// A topic, its section, its words.
type Topic = (&'static str, &'static str, [&'static str; 6]);
const TOPICS: [Topic; 8] = [
    ("elections", "politics", ["ballot", "candidate", "voter", "campaign", "poll", "recount"]),
    ("courts", "politics", ["judge", "appeal", "verdict", "statute", "witness", "jury"]),
    ("football", "sports", ["striker", "goal", "penalty", "keeper", "league", "derby"]),
    ("cycling", "sports", ["climb", "sprint", "peloton", "stage", "breakaway", "jersey"]),
    ("space", "science", ["orbit", "probe", "launch", "crater", "telescope", "comet"]),
    ("oceans", "science", ["reef", "tide", "whale", "trench", "plankton", "current"]),
    ("markets", "business", ["bond", "dividend", "trader", "index", "yield", "merger"]),
    ("farming", "business", ["harvest", "orchard", "tractor", "wheat", "dairy", "soil"]),
];
const FIRST: [&str; 6] = ["Ann", "Ben", "Cleo", "Dag", "Eva", "Finn"];
const LAST: [&str; 4] = ["Quill", "Marsh", "Stone", "Vale"];
const DAY: i64 = 86_400;
const DAYS: usize = 30;

/// Readers who click what is young, of their topics, and most of all of their authors; every number comes from `seed`.
pub(crate) fn made_up(n_users: usize, n_articles: usize, seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut builder = DatasetBuilder::new("news", seed);
    let domain = builder.domain("news").unwrap_or(NEWS);
    for (topic, section, _) in TOPICS {
        builder.triple(topic, "part of", section);
    }
    // An author writes about two topics; an article appears on a day, and its text has words of its topic, not its author's name.
    let mut articles: Vec<(usize, usize)> = Vec::new();
    for at in 0..n_articles {
        let author = rng.random_range(0..FIRST.len() * LAST.len());
        let about = (author + 3 * rng.random_range(0..2)) % TOPICS.len();
        let (topic, _, words) = TOPICS[about];
        let mut word = || *words.choose(&mut rng).unwrap_or(&"");
        let title = format!("The {} and the {}, no. {at}", word(), word());
        let text = format!("What a {} means for every {}, and why today.", word(), word());
        let (id, name) = (format!("A{at}"), format!("{} {}", FIRST[author % 6], LAST[author / 6]));
        builder.describe_item(domain, &id, &[("title", &title), ("description", &text)]);
        builder.link(domain, &id, &id);
        builder.triple(&id, "written by", &name);
        builder.triple(&id, "about", topic);
        articles.push((author, about));
    }
    for user in 0..n_users {
        let (topic, author) =
            (rng.random_range(0..TOPICS.len()), rng.random_range(0..FIRST.len() * LAST.len()));
        for _ in 0..rng.random_range(8..24) {
            // Article `at` appears on day `at * DAYS / n_articles` and is read for a week.
            let time = rng.random_range(0..DAYS as i64 * DAY);
            let newest = (time / DAY + 1) as usize * n_articles / DAYS;
            let young: Vec<usize> = (newest.saturating_sub(7 * n_articles / DAYS)..newest).collect();
            let taste = |&at: &usize| {
                let (by, about) = articles[at];
                1.0 + 6.0 * f64::from(about == topic) + 30.0 * f64::from(by == author)
            };
            let Ok(&at) = young.choose_weighted(&mut rng, taste) else { continue };
            let (user, item) = (format!("U{user}"), format!("A{at}"));
            let timestamp = Some(1_700_000_000 + time);
            let event = RawInteraction {
                user: &user,
                item: &item,
                domain,
                timestamp,
                value: 1.0,
                kind: 0,
                split: None,
            };
            builder.interaction(&event);
        }
    }
    builder.finish().0
}
