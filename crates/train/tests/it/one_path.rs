//! The code that ranks offline is the code that is served: a rank measured is a place in a list.

use segue_data::TrainSet;
use segue_eval::rank::TargetRank;
use segue_models::content::ContentConfig;
use segue_models::linear::LinearConfig;
use segue_models::sequence::SequenceConfig;
use segue_models::window::WindowConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FusionInputs, Query, Scope};
use segue_recommend::{
    Catalog, DatasetHistories, DomainModel, Histories, Member, Model, RankedList, Request, Scratch, When,
    artifact,
};
use segue_train::Judge;
use segue_train::sequence_fit::{Lessons, SequenceTraining, fit_sequence};

use crate::folder::Folder;
use crate::story::{N_ITEMS, Stage, Story, TARGET};

fn ranks(judge: &Judge<'_>, model: &DomainModel) -> segue_eval::full_ranking::Rankings {
    let score = |query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, judge.items(), &mut Scratch::default(), scores);
    };
    judge.rank(score).expect("scores are finite")
}

// The place of a case's target in the whole list, as candidates from 0.
fn places(list: &RankedList, start: usize) -> Vec<u32> {
    list.items.iter().map(|ranked| (ranked.item.at() - start) as u32).collect()
}

#[test]
fn the_rank_that_the_judge_finds_is_the_place_in_a_long_list() {
    let stage = Story { n_users: 200, newcomers: true, ..Story::default() }.stage();
    let judge = stage.test().with_lists(N_ITEMS);
    let rankings = ranks(&judge, &stage.unsearched());
    let model = Model::new(Catalog::of(&stage.dataset), vec![stage.unsearched()]);
    let start = stage.dataset.items.range(TARGET).start;
    let request = Request { n: N_ITEMS, ..Request::default() };
    for case in 0..judge.n_cases() {
        let list = model.recommend(&judge.query(case), &request).unwrap();
        let places = places(&list, start);
        assert_eq!(places, rankings.lists[case].items, "case {case}");
        let rank = rankings.masked[case];
        let target = judge.targets()[case];
        if !places.contains(&target) {
            assert!(rank.is_unreachable() && judge.masked()[case].contains(&target), "case {case}");
        }
        assert_eq!(places.len(), rank.n_candidates as usize, "case {case}");
    }
}

// Every closed-form expert with histories that fade by days, and a sequence model that reads gaps in time.
fn timed(stage: &Stage) -> DomainModel {
    let mut model = stage.unsearched();
    for expert in &mut model.experts {
        let faded = match expert.config().clone() {
            ExpertConfig::Window(config) => {
                ExpertConfig::Window(WindowConfig { half_life_days: 1.5, ..config })
            }
            ExpertConfig::Linear(config) => {
                ExpertConfig::Linear(LinearConfig { half_life_days: 2.0, ..config })
            }
            ExpertConfig::Content(config) => {
                ExpertConfig::Content(ContentConfig { half_life_days: 0.5, ..config })
            }
            other => other,
        };
        *expert = expert.clone().with_scoring_of(faded).with_spread(0.3);
    }
    model.experts.push(sequence_expert(stage, &stage.split.train));
    let id = model.experts[model.experts.len() - 1].id;
    model.blend.members.push(Member { expert: id, warm: 2.0, cold: 0.5 });
    model
}

fn sequence_expert(stage: &Stage, train: &TrainSet) -> Expert {
    let config = SequenceConfig {
        width: 16,
        n_heads: 2,
        n_layers: 1,
        max_len: 20,
        max_epochs: 2,
        epochs: 2,
        ..SequenceConfig::default()
    };
    let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::All };
    let lessons = Lessons { train, items: &stage.dataset.items, inputs: FusionInputs::default() };
    let config = ExpertConfig::Behavior(config);
    let training = SequenceTraining::new(id, TARGET, lessons, None, 0);
    fit_sequence(training, &config, |_| ()).expect("the data can be learned").0
}

// A target that can be listed stands behind all that score higher and, among equal scores, in the order of the catalog.
fn is_served_as_measured(list: &RankedList, place: Option<usize>, measured: TargetRank) {
    assert_eq!(list.items.len(), measured.n_candidates as usize);
    let Some(place) = place else {
        assert!(measured.is_unreachable());
        return;
    };
    let score = list.items[place].score;
    let tied: Vec<usize> = (0..list.items.len()).filter(|&at| list.items[at].score == score).collect();
    assert_eq!(tied[0], measured.n_greater as usize);
    assert_eq!(tied.len(), measured.n_equal as usize + 1);
    assert!(tied.windows(2).all(|pair| list.items[pair[0]].item < list.items[pair[1]].item));
    assert!(tied.contains(&place));
}

#[test]
fn a_thousand_timed_cases_are_served_as_they_were_measured() {
    let stage = Story { n_users: 1_100, newcomers: true, ..Story::default() }.stage();
    let judge = stage.test();
    let evaluated = timed(&stage);
    let rankings = ranks(&judge, &evaluated);
    let folder = Folder::new("served");
    let dir = folder.0.join("artifact");
    artifact::write(&Model::new(Catalog::of(&stage.dataset), vec![evaluated]), 0, &dir).unwrap();
    let model = artifact::read(&dir).unwrap();
    let histories = DatasetHistories::new(model.catalog(), &stage.dataset).unwrap();
    let start = stage.dataset.items.range(TARGET).start;
    let request = Request { n: N_ITEMS, ..Request::default() };
    assert!(judge.n_cases() >= 1_000);
    let mut n_other_without_time = 0;
    for case in 0..judge.n_cases() {
        let asked = judge.query(case);
        let when = When::At(asked.timestamp.expect("the story has times"));
        let raw = stage.dataset.users.raw(judge.users()[case]).expect("a known user");
        let person = histories.known(raw, when.before()).unwrap();
        assert_eq!(person.history, asked.history, "case {case}");
        let query = person.query(TARGET, when.time(model.catalog()).unwrap());
        let list = model.recommend(&query, &request).unwrap();
        let place = places(&list, start).iter().position(|&item| item == judge.targets()[case]);
        is_served_as_measured(&list, place, rankings.masked[case]);
        let untimed = model.recommend(&Query { timestamp: None, ..query }, &request).unwrap();
        n_other_without_time += usize::from(untimed != list);
    }
    assert!(n_other_without_time > 900, "time counts: {n_other_without_time}");
}
