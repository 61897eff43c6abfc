//! Trains the behavior expert alone on published data and prints its curve: `behavior s3rec|minionerec|abxi DATA [NAME=VALUE ...]`.
#![expect(clippy::print_stdout, reason = "a command whose output is read")]

use std::path::Path;
use std::time::Instant;

use segue_data::protocol::abxi::TieOrder;
use segue_data::protocol::{abxi, minionerec, s3rec};
use segue_models::sequence::SequenceConfig;
use segue_models::{ExpertConfig, ExpertId, ExpertKind, Scope};
use segue_train::judge::mean;
use segue_train::learn::Epoch;
use segue_train::sequence_fit::{Lessons, SequenceTraining, Validation, fit_sequence};
use segue_train::{Judge, MaskRule, Objective, SampledNegatives};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, protocol, data, settings @ ..] = arguments.as_slice() else {
        return Err("which protocol and data?".into());
    };
    let mut config = serde_json::to_value(SequenceConfig::default())?;
    for given in settings {
        let (name, value) = given.split_once('=').ok_or("settings are NAME=VALUE")?;
        config[name] = serde_json::from_str(value)?;
    }
    let config = ExpertConfig::Behavior(serde_json::from_value(config)?);
    let (data, mask, sampled) = match protocol.as_str() {
        "s3rec" => (s3rec::read(Path::new(data), 0)?, MaskRule::Seen, None),
        "minionerec" => (minionerec::read(Path::new(data), 0)?, MaskRule::SeenExceptTarget, None),
        _ => (
            abxi::read(Path::new(data), None, TieOrder::Published, 0)?,
            MaskRule::Seen,
            Some(SampledNegatives { n: 999, seed: 0 }),
        ),
    };
    let objective = if sampled.is_some() { Objective::Sampled } else { Objective::Masked };
    let items = &data.dataset.items;
    for domain in data.dataset.domain_indexes() {
        for scope in if items.n_domains() > 1 { vec![Scope::Target, Scope::All] } else { vec![Scope::Target] }
        {
            let judge = Judge::new(&data.split.valid.0, items, domain, mask, sampled)?.sample(4000);
            let test = Judge::new(data.split.test.open_for_measurement(), items, domain, mask, sampled)?;
            let id = ExpertId { kind: ExpertKind::Behavior, scope };
            let start = Instant::now();
            let valid = Some(Validation { judge: &judge, objective });
            let show = |epoch: &Epoch| {
                println!(
                    "{} {scope:?} {:>3} loss {:.4} valid {:.4} {:.1} s",
                    domain.0,
                    epoch.epoch,
                    epoch.loss,
                    epoch.metric.unwrap_or_default(),
                    start.elapsed().as_secs_f64()
                );
            };
            let data =
                Lessons { train: &data.split.train, items, inputs: segue_models::FusionInputs::default() };
            let training = SequenceTraining::new(id, domain, data, valid, 0);
            let (expert, _) = fit_sequence(training, &config, show)?;
            let ndcg =
                mean(&test.metric_values(objective, |query, scores| expert.score(query, items, scores))?);
            println!("{} {scope:?} test NDCG@10 {ndcg:.4}", domain.0);
        }
    }
    Ok(())
}
