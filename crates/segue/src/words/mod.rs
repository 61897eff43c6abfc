//! Reasons in plain words.

pub mod paths;

use segue_data::{DomainIdx, Event, ItemIdx};
use segue_models::{ExpertId, ExpertKind, Query};
use segue_recommend::{Catalog, Model, RankedItem, Reason};

use paths::Path;
use segue_report::number::{count, ordinal};

/// Events named in one sentence; the others are in `segue why` and in the JSON.
const EVENTS_NAMED: usize = 3;
const WORDS_NAMED: usize = 4;
/// An event is not named when its effect is below this share of the strongest one's.
const EFFECT_SHARE_MIN: f32 = 0.1;

/// What a single expert says is named as a reason when it carries at least this share of the score.
const SHARE_MIN: f32 = 0.05;

/// One phrase per kind of reason: `because you rated X and Y`, `shares “whale”`, `12th most popular of 801`.
pub fn phrases(model: &Model, query: &Query<'_>, ranked: &RankedItem, reasons: &[Reason]) -> Vec<String> {
    let catalog = model.catalog();
    let mut phrases = Vec::new();
    phrases.extend(because(catalog, query, reasons));
    fits_profile(catalog, reasons, &mut phrases);
    let mut words: Vec<&str> = Vec::new();
    for reason in reasons {
        if let Reason::SharedWords { words: shared, .. } = reason {
            words.extend(shared.iter().map(String::as_str));
        }
    }
    phrases.extend(shares(words));
    phrases.extend(alike(catalog, query, reasons));
    let carries = |expert: &ExpertId| {
        let part = ranked.shares.iter().find(|(id, _)| id == expert).map_or(0.0, |(_, part)| *part);
        part > 0.0 && part >= SHARE_MIN * ranked.score
    };
    phrases.extend(path(model, query, reasons, carries));
    phrases.extend(reasons.iter().find_map(|reason| match reason {
        Reason::Modalities { expert, tokens } if carries(expert) => {
            Some(format!("weighs {}", paths::weights(tokens)))
        }
        _ => None,
    }));
    for reason in reasons {
        if let Reason::Popular { expert, rank, of } = reason
            && carries(expert)
        {
            let when = if expert.kind == ExpertKind::Recent { " lately" } else { "" };
            phrases.push(format!("{} most popular{when} of {}", ordinal(*rank), count(*of)));
        }
    }
    phrases
}

/// What experts without weight say of an item by the graph or by its modalities, strongest path first: `graph: directed by X, like Y`.
pub fn of_refused(model: &Model, query: &Query<'_>, reasons: &[Reason]) -> Option<String> {
    let said = reasons.iter().filter_map(|reason| match reason {
        Reason::Path { expert, from, together, steps, .. } => {
            let path = Path { from: *from, together: *together, steps };
            Some((expert, paths::phrase(model, query.domain, path)?))
        }
        Reason::Modalities { expert, tokens } => Some((expert, format!("weighs {}", paths::weights(tokens)))),
        _ => None,
    });
    let mut named: Vec<(&ExpertId, String)> = Vec::new();
    for (expert, text) in said {
        if !named.iter().any(|(other, _)| *other == expert) {
            named.push((expert, text));
        }
    }
    let phrases: Vec<String> = named.iter().map(|(expert, text)| format!("{expert}: {text}")).collect();
    (!phrases.is_empty()).then(|| phrases.join("; "))
}

// The first of a kind only: experts of other scopes would repeat it.
fn alike(catalog: &Catalog, query: &Query<'_>, reasons: &[Reason]) -> Vec<String> {
    let of_kind = |kind: ExpertKind, what: &str| {
        reasons.iter().find_map(|reason| match reason {
            Reason::LikeText { expert, item } if expert.kind == kind => {
                Some(format!("its {what} is like that of {}", label(catalog, query.domain, *item)))
            }
            _ => None,
        })
    };
    let kinds = [(ExpertKind::Encoder, "text"), (ExpertKind::Image, "image"), (ExpertKind::Audio, "sound")];
    kinds.into_iter().filter_map(|(kind, what)| of_kind(kind, what)).collect()
}

// The strongest one: the others are in `segue why` and in the JSON.
fn path(
    model: &Model,
    query: &Query<'_>,
    reasons: &[Reason],
    carries: impl Fn(&ExpertId) -> bool,
) -> Option<String> {
    let mut strongest: Option<(f32, Path<'_>)> = None;
    for reason in reasons {
        let Reason::Path { expert, from, together, steps, effect } = reason else { continue };
        if carries(expert) && strongest.as_ref().is_none_or(|(most, _)| effect > most) {
            strongest = Some((*effect, Path { from: *from, together: *together, steps }));
        }
    }
    paths::phrase(model, query.domain, strongest?.1)
}

fn because(catalog: &Catalog, query: &Query<'_>, reasons: &[Reason]) -> Option<String> {
    let events: Vec<(ItemIdx, f32)> = reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Event { item, effect } => Some((*item, *effect)),
            _ => None,
        })
        .collect();
    let strongest = events.first()?.1;
    let named =
        events.iter().take(EVENTS_NAMED).filter(|(_, effect)| *effect >= EFFECT_SHARE_MIN * strongest);
    let labels: Vec<String> = named.map(|&(item, _)| label(catalog, query.domain, item)).collect();
    Some(format!("because you {} {}", verb(catalog, query.history, events[0].0), list(&labels)))
}

// First where it carries the item more than any event does; not named where it hardly does.
fn fits_profile(catalog: &Catalog, reasons: &[Reason], phrases: &mut Vec<String>) {
    let event =
        |reason: &Reason| if let Reason::Event { effect, .. } = reason { Some(*effect) } else { None };
    let strongest = reasons.iter().filter_map(event).fold(0.0, f32::max);
    for reason in reasons {
        let Reason::Profile { values, effect } = reason else { continue };
        if *effect < EFFECT_SHARE_MIN * strongest {
            continue;
        }
        let named = profile_values(catalog, values);
        let phrase = if named.is_empty() {
            "fits your profile".to_owned()
        } else {
            format!("fits your profile ({})", named.join(", "))
        };
        phrases.insert(if *effect > strongest { 0 } else { phrases.len() }, phrase);
    }
}

/// Attribute values as `NAME=VALUE`.
pub fn profile_values(catalog: &Catalog, values: &[u32]) -> Vec<String> {
    let named = values.iter().filter_map(|&value| catalog.attributes().name(value));
    named.map(|(name, value)| format!("{name}={value}")).collect()
}

/// The title of an item, with its domain where that is another than the one asked for.
pub fn label(catalog: &Catalog, domain: DomainIdx, item: ItemIdx) -> String {
    let own = catalog.items().domain_of(item);
    let title = catalog.items().label(item);
    if own == domain { title.to_owned() } else { format!("{title} ({})", catalog.domain_name(own)) }
}

// What the user did to an item, from the kind of its newest event.
fn verb(catalog: &Catalog, history: &[Event], item: ItemIdx) -> &'static str {
    let kind = history.iter().rev().find(|event| event.item == item).map_or(0, |event| event.kind);
    let has_ratings = history.iter().any(|event| event.value != 1.0);
    match catalog.event_kinds().get(usize::from(kind)).map(String::as_str) {
        Some("rating" | "ratings" | "rate") => "rated",
        Some("view" | "views" | "pageview") => "viewed",
        Some("click" | "clicks" | "earlier click") => "clicked",
        Some("buy" | "purchase" | "order") => "bought",
        Some("review" | "reviews") => "reviewed",
        Some("play" | "listen") => "played",
        Some("watch") => "watched",
        Some("read") => "read",
        _ if has_ratings => "rated",
        _ => "had",
    }
}

fn shares(mut words: Vec<&str>) -> Option<String> {
    // A bigram says what its two words say.
    let bigrams: Vec<&str> = words.iter().copied().filter(|word| word.contains(' ')).collect();
    words.retain(|word| {
        word.contains(' ') || !bigrams.iter().any(|pair| pair.split(' ').any(|part| part == *word))
    });
    let mut distinct: Vec<String> = Vec::new();
    for word in words {
        let quoted = format!("“{word}”");
        if !distinct.contains(&quoted) {
            distinct.push(quoted);
        }
    }
    distinct.truncate(WORDS_NAMED);
    (!distinct.is_empty()).then(|| format!("shares {}", distinct.join(", ")))
}

fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
