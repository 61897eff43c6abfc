//! Everything a report shows about one evaluation, as one value that becomes JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::beyond::{self, Exposure};
use crate::error::{Error, Result};
use crate::full_ranking::Rankings;
use crate::metric_table::{MetricTable, TableSettings};
use crate::rank::TargetRank;
use crate::slices::{self, Slice};

/// Distance of two items, for diversity.
pub type Distance<'a> = &'a (dyn Fn(u32, u32) -> f64 + Sync);

/// What a summary is made of; everything per case is in the order of the rankings.
#[derive(Clone, Copy)]
pub struct SummaryInput<'a> {
    /// Ranks and lists.
    pub rankings: &'a Rankings,
    /// User of every case, so that intervals come from resampling users; `None` takes the cases as independent.
    pub users: Option<&'a [u32]>,
    /// Target of every case.
    pub targets: &'a [u32],
    /// What the user of every case did before, in the domain of the targets.
    pub histories: &'a [&'a [u32]],
    /// Train interactions of every item of the catalogue.
    pub train_counts: &'a [u32],
    /// Number of users in train.
    pub n_train_users: usize,
    /// Distance of two items; without it there is no diversity.
    pub distance: Option<Distance<'a>>,
}

/// The summary of one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The settings behind the tables.
    pub settings: TableSettings,
    /// Accuracy with known items masked: the protocol's default.
    pub masked: MetricTable,
    /// Accuracy among all items.
    pub unmasked: MetricTable,
    /// Accuracy among sampled negatives, comparable with tables of the same sample only; empty if there are none.
    pub sampled: MetricTable,
    /// Cases whose target was masked as known, a miss under `masked`.
    pub n_masked_targets: usize,
    /// Cases whose target has the same score as another candidate, where the rule for ties matters.
    pub n_tied_targets: usize,
    /// Beyond accuracy, at every cutoff: `coverage@10`, `gini@10`, `entropy@10`, `average_popularity@10`,
    /// `popularity_lift@10`, `aplt@10`, `novelty@10`, `ild@10`; empty if there are no lists, and without a value that
    /// is undefined.
    pub beyond: BTreeMap<String, f64>,
    /// Masked accuracy of groups of cases.
    pub slices: BTreeMap<String, MetricTable>,
}

impl Summary {
    /// Summarizes one evaluation.
    ///
    /// # Errors
    /// If the parts differ in length, there are no cases, the lists are shorter than a cutoff wants, or a setting is
    /// out of range.
    pub fn of(input: &SummaryInput<'_>, settings: TableSettings) -> Result<Self> {
        input.check()?;
        let rankings = input.rankings;
        let table = |ranks: &[TargetRank]| MetricTable::of(ranks, input.users, &settings);
        let (unmasked, masked) = (&rankings.unmasked, &rankings.masked);
        let is_masked_target =
            |(all, free): (&TargetRank, &TargetRank)| !all.is_unreachable() && free.is_unreachable();
        Ok(Self {
            masked: table(masked)?,
            unmasked: table(unmasked)?,
            sampled: table(&rankings.sampled)?,
            n_masked_targets: unmasked.iter().zip(masked).filter(|&pair| is_masked_target(pair)).count(),
            n_tied_targets: masked.iter().filter(|rank| rank.n_equal > 0).count(),
            beyond: input.beyond(&settings.cutoffs)?,
            slices: input.slice_tables(&settings)?,
            settings,
        })
    }
}

impl SummaryInput<'_> {
    fn check(&self) -> Result<()> {
        let rankings = self.rankings;
        let expected = rankings.masked.len();
        if expected == 0 {
            return Err(Error::Empty { name: "cases" });
        }
        let optional = |len: usize| if len == 0 { expected } else { len };
        let parts = [
            ("unmasked", rankings.unmasked.len()),
            ("sampled", optional(rankings.sampled.len())),
            ("lists", optional(rankings.lists.len())),
            ("users", self.users.map_or(expected, <[u32]>::len)),
            ("targets", self.targets.len()),
            ("histories", self.histories.len()),
        ];
        match parts.into_iter().find(|&(_, received)| received != expected) {
            Some((name, received)) => Err(Error::LengthMismatch { name, expected, received }),
            None => Ok(()),
        }
    }

    fn beyond(&self, cutoffs: &[usize]) -> Result<BTreeMap<String, f64>> {
        let mut values = BTreeMap::new();
        let longest = self.rankings.lists.iter().map(|list| list.items.len()).max().unwrap_or(0);
        if longest == 0 {
            return Ok(values);
        }
        let is_tail: Vec<bool> =
            slices::popularity_groups(self.train_counts).iter().map(|group| group.is_long_tail()).collect();
        for &k in cutoffs {
            // A list may be short because the catalogue is; if the plan cut it, the value at k would be another one.
            if longest < k.min(self.train_counts.len()) && self.rankings.list_len < k {
                return Err(Error::InvalidSetting {
                    name: "list_len",
                    expected: "lists at least as long as the largest cutoff",
                    received: self.rankings.list_len.to_string(),
                });
            }
            let lists = self.rankings.lists_at(k);
            for (name, value) in self.beyond_at(&lists, &is_tail)? {
                values.extend(value.map(|value| (format!("{name}@{k}"), value)));
            }
        }
        Ok(values)
    }

    /// The values of lists cut at some k; `None` where one is undefined.
    fn beyond_at(&self, lists: &[&[u32]], is_tail: &[bool]) -> Result<[(&'static str, Option<f64>); 8]> {
        let counts = self.train_counts;
        let exposure = Exposure::of(lists, counts.len())?;
        let diversity = match self.distance {
            Some(distance) => beyond::intra_list_diversity(lists, distance)?,
            None => None,
        };
        Ok([
            ("coverage", Some(exposure.coverage())),
            ("gini", Some(exposure.gini())),
            ("entropy", Some(exposure.entropy())),
            ("average_popularity", Some(beyond::average_popularity(lists, counts)?)),
            ("popularity_lift", beyond::popularity_lift(lists, self.histories, counts)?),
            ("aplt", Some(beyond::aplt(lists, is_tail)?)),
            ("novelty", Some(beyond::novelty(lists, counts, self.n_train_users)?)),
            ("ild", diversity),
        ])
    }

    fn slice_tables(&self, settings: &TableSettings) -> Result<BTreeMap<String, MetricTable>> {
        let history_lens: Vec<usize> = self.histories.iter().map(|history| history.len()).collect();
        let mut slices = slices::target_slices(self.targets, self.train_counts)?;
        slices.extend(slices::activity_slices(&history_lens));
        let table = |Slice { name, cases }: Slice| {
            let ranks: Vec<TargetRank> = cases.iter().map(|&case| self.rankings.masked[case]).collect();
            let users: Option<Vec<u32>> =
                self.users.map(|users| cases.iter().map(|&case| users[case]).collect());
            Ok((name, MetricTable::of(&ranks, users.as_deref(), settings)?))
        };
        slices.into_iter().map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::full_ranking::{RankingCase, RankingPlan, rank_cases};

    const N_ITEMS: usize = 40;
    const TRAIN_COUNTS: [u32; N_ITEMS] = {
        let mut counts = [0; N_ITEMS];
        let mut item = 0;
        while item < 30 {
            counts[item] = 30 - item as u32;
            item += 1;
        }
        counts
    };

    /// Popularity ranks 40 cases, one for each target, with a history of the first items.
    fn summary(list_len: usize, settings: TableSettings) -> Result<Summary> {
        let targets: Vec<u32> = (0..N_ITEMS as u32).collect();
        let histories: Vec<&[u32]> = (0..N_ITEMS).map(|case| &targets[..case / 4]).collect();
        let cases: Vec<RankingCase<'_>> = targets
            .iter()
            .zip(&histories)
            .map(|(&target, history)| RankingCase { target, masked: history, negatives: &[] })
            .collect();
        let plan = RankingPlan { list_len, ..RankingPlan::new(N_ITEMS) };
        let popularity = |_: usize, row: &mut [f32]| {
            row.copy_from_slice(&TRAIN_COUNTS.map(|count| count as f32));
        };
        let rankings = rank_cases(plan, &cases, popularity).unwrap();
        let input = SummaryInput {
            rankings: &rankings,
            users: Some(&targets),
            targets: &targets,
            histories: &histories,
            train_counts: &TRAIN_COUNTS,
            n_train_users: 100,
            distance: Some(&|a, b| f64::from(a.abs_diff(b))),
        };
        Summary::of(&input, settings)
    }

    #[test]
    fn a_summary_shows_accuracy_beyond_it_and_slices() {
        let summary = summary(20, TableSettings::default()).unwrap();
        assert_eq!(summary.unmasked.mean("hr@10"), Some(0.25));
        assert_eq!(summary.n_tied_targets, 10);
        assert_eq!(summary.n_masked_targets, 0);
        assert_eq!(summary.sampled, MetricTable::default());
        assert_eq!(summary.beyond.len(), 8 * 3);
        assert_eq!(summary.beyond["coverage@10"], 19.0 / 40.0);
        assert_eq!(summary.slices["target_unseen"].n_cases, 10);
        assert_eq!(summary.slices["target_unseen"].mean("hr@10"), Some(0.0));
        assert_eq!(summary.slices["target_head"].mean("hr@20"), Some(1.0));
        let quarters: usize = (1..=4).map(|q| summary.slices[&format!("activity_q{q}")].n_cases).sum();
        assert_eq!(quarters, N_ITEMS);
    }

    #[test]
    fn a_summary_round_trips_through_json() {
        let summary = summary(20, TableSettings::default()).unwrap();
        let json = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
    }

    #[test]
    fn lists_too_short_for_a_cutoff_are_refused_and_absent_ones_left_out() {
        assert!(matches!(
            summary(10, TableSettings::default()),
            Err(Error::InvalidSetting { name: "list_len", .. })
        ));
        assert!(summary(0, TableSettings::default()).unwrap().beyond.is_empty());
    }

    #[test]
    fn parts_of_other_lengths_are_refused() {
        let rankings = Rankings {
            masked: vec![TargetRank::unreachable(1)],
            unmasked: vec![TargetRank::unreachable(1)],
            ..Rankings::default()
        };
        let input = SummaryInput {
            rankings: &rankings,
            users: None,
            targets: &[],
            histories: &[&[]],
            train_counts: &[1],
            n_train_users: 1,
            distance: None,
        };
        let refused = Summary::of(&input, TableSettings::default());
        assert!(matches!(refused, Err(Error::LengthMismatch { name: "targets", .. })));
    }
}
