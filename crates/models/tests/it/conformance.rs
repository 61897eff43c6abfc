//! Every expert of every scope: deterministic, whole, storable, indifferent to numbering, honest about what it does not know.

use segue_data::Event;
use segue_models::{Expert, ExpertKind, Query, Scope, Tensors};

use crate::world::{N_BOOKS, N_FILMS, Subject, TARGET, World, subjects};

fn close(a: &[f32], b: &[f32], name: &str) {
    let scale = a.iter().chain(b).fold(1e-3f32, |max, x| max.max(x.abs()));
    for (at, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= 2e-4 * scale, "{name}: candidate {at} scores {x} and {y}");
    }
}

fn fitted(world: &World, subject: &Subject) -> Expert {
    world.fit(subject).unwrap_or_else(|error| panic!("{}: {error}", subject.name))
}

// A gradient-trained expert starts from numbers drawn row by row: its scores depend on numbering and order within the noise of a
// seed, and an untouched item keeps the numbers it was given.
fn closed_form() -> Vec<Subject> {
    subjects().into_iter().filter(|subject| !subject.id.kind.learns_by_steps()).collect()
}

#[test]
fn no_kind_and_no_scope_escapes_the_suite() {
    // Exhaustive on purpose: a new variant does not compile here until it is placed, and then must be in the list.
    let after = |kind: ExpertKind| match kind {
        ExpertKind::Popularity => Some(ExpertKind::Recent),
        ExpertKind::Recent => Some(ExpertKind::Window),
        ExpertKind::Window => Some(ExpertKind::Linear),
        ExpertKind::Linear => Some(ExpertKind::Content),
        ExpertKind::Content => Some(ExpertKind::Encoder),
        ExpertKind::Encoder => Some(ExpertKind::Image),
        ExpertKind::Image => Some(ExpertKind::Audio),
        ExpertKind::Audio => Some(ExpertKind::Graph),
        ExpertKind::Graph => Some(ExpertKind::Behavior),
        ExpertKind::Behavior => Some(ExpertKind::Transfer),
        ExpertKind::Transfer => Some(ExpertKind::Joint),
        ExpertKind::Joint => None,
    };
    let after_scope = |scope: Scope| match scope {
        Scope::Target => Some(Scope::Sources),
        Scope::Sources => Some(Scope::All),
        Scope::All => None,
    };
    let kinds: Vec<ExpertKind> = std::iter::successors(Some(ExpertKind::Popularity), |&k| after(k)).collect();
    assert_eq!(kinds, ExpertKind::ALL);
    let subjects = subjects();
    for kind in kinds {
        for scope in std::iter::successors(Some(Scope::Target), |&s| after_scope(s)) {
            let n_forms = subjects.iter().filter(|s| s.id.kind == kind && s.id.scope == scope).count();
            if kind.scope_with_sources() == Some(Scope::All) && scope == Scope::Sources {
                assert_eq!(n_forms, 0, "{kind:?} reads other domains in mixed sequences only");
                continue;
            }
            assert!(n_forms >= 2, "{kind:?} with {scope:?} is tested in {n_forms} forms");
        }
    }
}

#[test]
fn the_same_data_gives_the_same_bytes_at_any_number_of_threads() {
    let world = World::new();
    for subject in subjects() {
        let bytes = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| fitted(&world, &subject).save().to_bytes()).unwrap()
        };
        let one = bytes(1);
        assert!(one == bytes(1), "{}: twice", subject.name);
        assert!(one == bytes(2) && one == bytes(4), "{}: threads", subject.name);
    }
}

#[test]
fn a_saved_expert_comes_back_equal_and_scores_the_same() {
    let world = World::new();
    for subject in subjects() {
        let expert = fitted(&world, &subject);
        let mut tensors = Tensors::from_bytes(&expert.save().to_bytes().unwrap()).unwrap();
        let back = Expert::load(subject.id, subject.config.clone(), &world.items, TARGET, &mut tensors);
        let back = back.unwrap_or_else(|error| panic!("{}: {error}", subject.name));
        assert!(expert == back, "{}", subject.name);
        assert_eq!(back.config(), &subject.config);
        assert_eq!(expert.note(), back.note(), "{}", subject.name);
        for history in world.histories() {
            assert_eq!(world.scores(&expert, &history), world.scores(&back, &history), "{}", subject.name);
        }
    }
}

#[test]
fn every_candidate_gets_a_finite_score_whatever_the_history() {
    let world = World::new();
    for subject in subjects() {
        let expert = fitted(&world, &subject);
        for history in world.histories() {
            let scores = world.scores(&expert, &history);
            assert_eq!(scores.len(), N_BOOKS);
            assert!(scores.iter().all(|score| score.is_finite()), "{}: {scores:?}", subject.name);
        }
    }
}

#[test]
fn an_unknown_user_is_allowed_and_only_counts_speak() {
    let world = World::new();
    for subject in subjects() {
        let scores = world.scores(&fitted(&world, &subject), &[]);
        let speaks = scores.iter().any(|&score| score != 0.0);
        assert_eq!(speaks, !subject.id.kind.uses_history(), "{}", subject.name);
    }
}

#[test]
fn the_order_of_users_does_not_matter() {
    let (world, shuffled) = (World::new(), World::with_rows_shuffled(5));
    assert_ne!(world.train, shuffled.train);
    for subject in closed_form() {
        let (one, other) = (fitted(&world, &subject), fitted(&shuffled, &subject));
        for history in world.histories() {
            close(&world.scores(&one, &history), &shuffled.scores(&other, &history), &subject.name);
        }
    }
}

#[test]
fn renumbering_the_items_renumbers_the_scores_and_changes_none() {
    let world = World::new();
    for seed in [1, 2] {
        let other = World::renumbered(seed);
        assert_ne!(world.index, other.index);
        for subject in closed_form() {
            let (here, there) = (fitted(&world, &subject), fitted(&other, &subject));
            for (history, same) in world.histories().iter().zip(other.histories()) {
                let scores = other.scores(&there, &same);
                let back: Vec<f32> = other.index[N_FILMS..].iter().map(|at| scores[at - N_FILMS]).collect();
                close(&world.scores(&here, history), &back, &subject.name);
            }
        }
    }
}

#[test]
fn events_outside_the_scope_say_nothing() {
    let world = World::new();
    for subject in subjects().iter().filter(|subject| subject.id.kind.uses_history()) {
        let expert = fitted(&world, subject);
        let outside = |event: &Event| !subject.id.scope.keeps(event.item, TARGET, &world.items);
        for history in world.histories() {
            let out_of_scope: Vec<Event> = history.iter().copied().filter(|event| outside(event)).collect();
            assert_eq!(world.scores(&expert, &out_of_scope), [0.0; N_BOOKS], "{}", subject.name);
            let inside: Vec<Event> = history.iter().copied().filter(|event| !outside(event)).collect();
            let (all, kept) = (world.scores(&expert, &history), world.scores(&expert, &inside));
            assert_eq!(all, kept, "{}: events out of scope change nothing", subject.name);
            let speaks = kept.iter().any(|&score| score != 0.0);
            assert_eq!(speaks, !inside.is_empty(), "{}", subject.name);
        }
    }
}

#[test]
fn a_book_that_nobody_has_touched_is_reached_through_what_is_known_of_it_alone() {
    let world = World::new();
    let history = world.train.sequences.rows().flatten().copied().collect::<Vec<_>>();
    for subject in closed_form().iter().filter(|subject| subject.id.kind.uses_history()) {
        let scores = world.scores(&fitted(&world, subject), &history);
        let encoder = matches!(subject.id.kind, ExpertKind::Encoder | ExpertKind::Image | ExpertKind::Audio);
        let reads_items = matches!(subject.id.kind, ExpertKind::Content | ExpertKind::Graph)
            || subject.name.contains("text prior")
            || encoder;
        for book in world.new_books() {
            // Text vectors also say what is unlike the history.
            let speaks = scores[book] > 0.0 || (encoder && scores[book] != 0.0);
            assert_eq!(speaks, reads_items, "{}: book {book} {}", subject.name, scores[book]);
            assert!(reads_items || scores[book] == 0.0, "{}", subject.name);
        }
    }
}

#[test]
fn recent_popularity_knows_nothing_of_what_comes_after_the_request() {
    let world = World::new();
    let first_touch = |book: usize| {
        let events = world.train.sequences.events().iter().filter(|e| e.item.at() == N_FILMS + book);
        events.map(|event| event.timestamp).min().unwrap_or(i64::MAX)
    };
    let touches: Vec<i64> = (0..N_BOOKS).map(first_touch).collect();
    let mut n_hidden = 0;
    for subject in subjects().iter().filter(|subject| subject.id.kind == ExpertKind::Recent) {
        let expert = fitted(&world, subject);
        for &timestamp in touches.iter().filter(|&&time| time != i64::MAX) {
            let mut scores = vec![f32::NAN; N_BOOKS];
            expert.score(
                &Query { domain: TARGET, history: &[], profile: &[], timestamp: Some(timestamp) },
                &world.items,
                &mut scores,
            );
            for (book, &touch) in touches.iter().enumerate().filter(|&(_, &touch)| touch >= timestamp) {
                assert_eq!(scores[book], 0.0, "{}: book {book}, first touched at {touch}", subject.name);
                n_hidden += 1;
            }
        }
    }
    assert!(n_hidden > 500, "{n_hidden}");
}
