//! The behavior expert with and without what is known about users, on one data set folder: `profiles DATA [SEED [NAME=VALUE ...]]`.
//! The
//! control reads the attributes of other users: what it gains comes from having a start to predict from, not from attributes.
//! Prints NDCG@10 on test, all together and by how much the user has done, with intervals that resample users.
#![expect(clippy::print_stdout, reason = "a command whose output is read")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use segue_data::split::SplitRule;
use segue_data::{Dataset, DomainIdx, Field, UserProfiles, store};
use segue_eval::bootstrap::Bootstrap;
use segue_models::sequence::SequenceConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, Scope};
use segue_train::sequence_fit::{Lessons, SequenceTraining, Validation, fit_sequence};
use segue_train::{Judge, MaskRule, Objective};

/// Groups of test cases by the number of events before them.
const GROUPS: [(&str, usize, usize); 5] = [
    ("all", 0, usize::MAX),
    ("none", 0, 0),
    ("1 to 3", 1, 3),
    ("0 to 3", 0, 3),
    ("4 and more", 4, usize::MAX),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let data = arguments.first().ok_or("which data set folder?")?;
    let seed: u64 = arguments.get(1).map_or(Ok(0), |seed| seed.parse())?;
    let mut config = serde_json::to_value(SequenceConfig::default())?;
    for given in arguments.iter().skip(2) {
        let (name, value) = given.split_once('=').ok_or("settings are NAME=VALUE")?;
        config[name] = serde_json::from_str(value)?;
    }
    let config: SequenceConfig = serde_json::from_value(config)?;
    let (dataset, _) = store::read(Path::new(data))?;
    let rule = SplitRule::GlobalTime { train: 0.8, valid: 0.1 };
    let split = rule.cut(&dataset.sequences, &dataset.items, &[], dataset.has_timestamps)?;
    let of_others = Arc::new(of_others(&dataset));
    let controlled = split.clone().with_profiles(&of_others);
    let split = split.with_profiles(&dataset.profiles);
    let (items, domain) = (&dataset.items, DomainIdx(0));
    let test = Judge::new(split.test.open_for_measurement(), items, domain, MaskRule::Seen, None)?;
    let objective = Objective::Masked;
    let ndcg = |expert: &Expert, test: &Judge<'_>| {
        test.metric_values(objective, |query, scores| expert.score(query, items, scores))
    };
    let mut figures = Vec::new();
    for (name, profile_tokens, split) in
        [("without", false, &split), ("with", true, &split), ("control", true, &controlled)]
    {
        let judge = Judge::new(&split.valid.0, items, domain, MaskRule::Seen, None)?.sample(4000);
        let test = Judge::new(split.test.open_for_measurement(), items, domain, MaskRule::Seen, None)?;
        let config = ExpertConfig::Behavior(SequenceConfig { profile_tokens, ..config.clone() });
        let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::Target };
        let valid = Some(Validation { judge: &judge, objective });
        let lessons = Lessons { train: &split.train, items, inputs: segue_models::FusionInputs::default() };
        let training = SequenceTraining::new(id, domain, lessons, valid, seed);
        let (expert, curve) = fit_sequence(training, &config, |_| ())?;
        let best = curve.iter().filter_map(|epoch| epoch.metric).fold(0.0, f64::max);
        println!("{name}: {} passes, best on valid {best:.4}", curve.len());
        figures.push(ndcg(&expert, &test)?);
    }
    let context = FitContext::new(items, domain);
    let id = ExpertId { kind: ExpertKind::Recent, scope: Scope::Target };
    let recent = Expert::fit(id, &ExpertConfig::default_of(id.kind), &split.train, context)?;
    figures.push(ndcg(&recent, &test)?);
    let n_before: Vec<usize> = (0..test.n_cases()).map(|at| test.query(at).history.len()).collect();
    for (name, from, to) in GROUPS {
        let cases: Vec<usize> =
            (0..test.n_cases()).filter(|&at| (from..=to).contains(&n_before[at])).collect();
        if !cases.is_empty() {
            report(name, &cases, &figures, test.users())?;
        }
    }
    Ok(())
}

// Every user has the attributes of the one half the users further on.
fn of_others(dataset: &Dataset) -> UserProfiles {
    let rotated = |field: &Field| {
        let mut values = field.values.clone();
        values.rotate_left(dataset.users.len() / 2);
        Field { name: field.name.clone(), values }
    };
    let fields: Vec<Field> = dataset.user_fields.iter().map(rotated).collect();
    UserProfiles::with_attributes(dataset.profiles.attributes().to_vec(), &fields, dataset.users.len())
}

// One line: the systems with their intervals, and the differences that profiles make.
fn report(name: &str, cases: &[usize], figures: &[Vec<f64>], users: &[u32]) -> Result<(), Box<dyn Error>> {
    let mut columns: Vec<Vec<f64>> =
        figures.iter().map(|figures| cases.iter().map(|&at| figures[at]).collect()).collect();
    for baseline in [0, 2] {
        columns.push(columns[1].iter().zip(&columns[baseline]).map(|(with, other)| with - other).collect());
    }
    let users: Vec<u32> = cases.iter().map(|&at| users[at]).collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let intervals = Bootstrap::default().means_by_user(&columns, &users)?;
    let labels = ["without", "with", "control", "recent", "with − without", "with − control"];
    let parts = labels.iter().zip(&intervals);
    let parts = parts.map(|(label, i)| format!("{label} {:+.4} [{:+.4}, {:+.4}]", i.mean, i.lo, i.hi));
    println!("events {name} ({} cases): {}", cases.len(), parts.collect::<Vec<_>>().join("  "));
    Ok(())
}
