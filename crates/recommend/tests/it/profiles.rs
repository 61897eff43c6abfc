//! What is known about users on its way to a list: from disk, into scores, and into reasons that can be checked.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Field, UserProfiles};
use segue_models::sequence::{SequenceConfig, SequenceModel};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Place, Query, Scope};
use segue_recommend::{Member, Person, Reason, Request, Scratch, artifact};

use crate::world::{Folder, N_BOOKS, N_USERS, TARGET, World, candidate, dataset, target};

/// The blend of the other tests with a behavior model that reads profiles. It is not trained: any numbers do here.
fn with_profiles(n_fields: usize) -> World {
    let mut dataset = dataset();
    let value = |user: u32, of: u32, name: &str| format!("{name}{}", user % of);
    let field = |name: &str, of: u32| Field {
        name: name.into(),
        values: (0..N_USERS).map(|user| value(user, of, name)).collect(),
    };
    dataset.user_fields = vec![field("color", 3), field("size", 2)];
    let profiles = |fields: &[Field]| UserProfiles::of(fields, N_USERS as usize);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let config = SequenceConfig {
        width: 8,
        n_heads: 1,
        n_layers: 1,
        init: 0.5,
        profile_tokens: true,
        ..SequenceConfig::default()
    };
    let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::Target };
    let place = Place { domain: TARGET, scope: id.scope };
    let mut model = SequenceModel::new(&config, &dataset.items, place, &mut rng).expect("settings fit");
    model.read_profiles(profiles(&dataset.user_fields).n_values(), &mut rng);
    dataset.user_fields.truncate(n_fields);
    dataset.profiles = profiles(&dataset.user_fields).into();
    let mut target = target(&dataset);
    let config = ExpertConfig::Behavior(model.config.clone());
    target.experts.push(Expert::of_sequence(id, TARGET, config, model).with_spread(0.3));
    target.blend.members.push(Member { expert: id, warm: 0.5, cold: 0.5 });
    World::of(dataset, target)
}

fn score(world: &World, query: &Query<'_>, at: usize) -> f32 {
    let mut scores = vec![f32::NAN; N_BOOKS];
    world.target().score(query, &world.dataset.items, &mut Scratch::default(), &mut scores);
    scores[at]
}

#[test]
fn the_effect_of_a_profile_is_the_score_with_it_minus_the_score_without_it() {
    let world = with_profiles(2);
    let mut n_named = 0;
    for user in 0..N_USERS {
        let person = world.person(user);
        let whole = person.query(TARGET, None);
        for query in [whole, Query { history: &[], ..whole }] {
            for ranked in world.model.recommend(&query, &Request::default()).unwrap().items {
                let at = candidate(&world, ranked.item);
                let reasons = world.model.explain(&query, ranked.item).unwrap();
                let found = reasons.iter().find_map(|reason| match reason {
                    Reason::Profile { values, effect } => Some((values.clone(), *effect)),
                    _ => None,
                });
                let effect = ranked.score - score(&world, &Query { profile: &[], ..query }, at);
                assert_eq!(found.is_some(), effect > 0.0);
                let Some((values, said)) = found else { continue };
                assert_eq!(said, effect);
                let without = |value: u32| {
                    let others: Vec<u32> = query.profile.iter().copied().filter(|&v| v != value).collect();
                    score(&world, &Query { profile: &others, ..query }, at)
                };
                for &value in query.profile {
                    assert_eq!(values.contains(&value), ranked.score > without(value));
                }
                assert!(
                    values.windows(2).all(|pair| without(pair[0]) <= without(pair[1])),
                    "strongest first"
                );
                n_named += 1;
            }
        }
    }
    assert!(n_named > 50, "{n_named}");
}

#[test]
fn a_model_with_profiles_comes_back_with_them_and_other_attributes_are_refused() {
    let folder = Folder::new("profiles");
    let (world, dir) = (with_profiles(2), folder.path().join("model"));
    artifact::write(&world.model, 11, &dir).unwrap();
    let back = World { dataset: world.dataset.clone(), model: artifact::read(&dir).unwrap() };
    assert_eq!(back.model.catalog().attributes(), world.model.catalog().attributes());
    for user in [0, 1, 5] {
        assert_eq!(back.person(user), world.person(user));
        assert_eq!(back.person(user).profile.len(), 2);
        let list = |world: &World| {
            let query_of = Person { history: Vec::new(), ..world.person(user) };
            world.model.recommend(&query_of.query(TARGET, None), &Request::default()).unwrap()
        };
        assert_eq!(list(&world), list(&back));
    }
    // One attribute less than the expert reads.
    artifact::write(&with_profiles(1).model, 11, &folder.path().join("other")).unwrap();
    let message = artifact::read(&folder.path().join("other")).unwrap_err().to_string();
    assert!(message.contains("attributes of users") && message.contains("hint:"), "{message}");
}
