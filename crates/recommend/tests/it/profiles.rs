//! What is known about users on its way to a list: from disk, into scores, and into reasons that can be checked.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Field, UserIdx, UserProfiles};
use segue_models::sequence::{SequenceConfig, SequenceModel};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Place, Query, Scope};
use segue_recommend::recommender::Scratch;
use segue_recommend::{Member, Reason, Recommender, Request, artifact};

use crate::world::{Folder, N_BOOKS, N_USERS, TARGET, candidate, recommender};

/// The blend of the other tests with a behavior model that reads profiles. It is not trained: any numbers do here.
fn with_profiles() -> Recommender {
    let mut recommender = recommender();
    let value = |user: u32, of: u32, name: &str| format!("{name}{}", user % of);
    let field = |name: &str, of: u32| Field {
        name: name.into(),
        values: (0..N_USERS).map(|user| value(user, of, name)).collect(),
    };
    recommender.dataset.user_fields = vec![field("color", 3), field("size", 2)];
    recommender.dataset.profiles =
        UserProfiles::of(&recommender.dataset.user_fields, N_USERS as usize).into();
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
    let mut model = SequenceModel::new(
        &config,
        &recommender.dataset.items,
        Place { domain: TARGET, scope: id.scope },
        &mut rng,
    )
    .expect("settings fit");
    model.read_profiles(recommender.dataset.profiles.n_values(), &mut rng);
    let domain = &mut recommender.domains[0];
    let config = ExpertConfig::Behavior(model.config.clone());
    domain.experts.push(Expert::of_sequence(id, TARGET, config, model).with_spread(0.3));
    domain.blend.members.push(Member { expert: id, warm: 0.5, cold: 0.5 });
    recommender
}

fn score(recommender: &Recommender, query: &Query<'_>, at: usize) -> f32 {
    let mut scores = vec![f32::NAN; N_BOOKS];
    recommender.domains[0].score(query, &recommender.dataset.items, &mut Scratch::default(), &mut scores);
    scores[at]
}

#[test]
fn the_effect_of_a_profile_is_the_score_with_it_minus_the_score_without_it() {
    let recommender = with_profiles();
    let mut n_named = 0;
    for user in 0..N_USERS {
        let whole = recommender.query_of(UserIdx(user), TARGET);
        for query in [whole, Query { history: &[], ..whole }] {
            for ranked in recommender.recommend(&query, &Request::default()).unwrap().items {
                let at = candidate(&recommender, ranked.item);
                let reasons = recommender.explain(&query, ranked.item).unwrap();
                let found = reasons.iter().find_map(|reason| match reason {
                    Reason::Profile { values, effect } => Some((values.clone(), *effect)),
                    _ => None,
                });
                let effect = ranked.score - score(&recommender, &Query { profile: &[], ..query }, at);
                assert_eq!(found.is_some(), effect > 0.0);
                let Some((values, said)) = found else { continue };
                assert_eq!(said, effect);
                let without = |value: u32| {
                    let others: Vec<u32> = query.profile.iter().copied().filter(|&v| v != value).collect();
                    score(&recommender, &Query { profile: &others, ..query }, at)
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
    let (model, dir) = (with_profiles(), folder.path().join("model"));
    artifact::write(&model, 11, &dir).unwrap();
    let back = artifact::read(&dir).unwrap();
    assert_eq!(back.dataset.profiles, model.dataset.profiles);
    for user in ["u0", "u1", "u5"] {
        assert_eq!(back.profile_of(user).unwrap(), model.profile_of(user).unwrap());
        assert_eq!(back.profile_of(user).unwrap().len(), 2);
        let query = |recommender: &Recommender| {
            let user = recommender.user(user).unwrap();
            let query = Query { history: &[], ..recommender.query_of(user, TARGET) };
            recommender.recommend(&query, &Request::default()).unwrap()
        };
        assert_eq!(query(&model), query(&back));
    }
    assert!(back.profile_of("nobody").unwrap_err().to_string().contains("nobody"));
    let mut other = with_profiles();
    other.dataset.user_fields.pop();
    other.dataset.profiles = UserProfiles::of(&other.dataset.user_fields, N_USERS as usize).into();
    artifact::write(&other, 11, &folder.path().join("other")).unwrap();
    let message = artifact::read(&folder.path().join("other")).unwrap_err().to_string();
    assert!(message.contains("attributes of users") && message.contains("hint:"), "{message}");
}
