//! Evaluates lists made by any tool: a run (scores) against qrels (judgments), both read from files.
//!
//! The rules that tools differ in, fixed here: items are ordered by falling score, equal scores by rising item id (as
//! text), whatever rank the file states; users without a relevant item are excluded and counted; a user whose list is
//! missing counts as 0; users of the run without judgments are ignored and counted.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval};
use crate::error::{Error, Result};
use crate::judged_list::JudgedList;
use crate::metric::Metric;
use crate::triples::{self, TextFormat, Value};

/// A number for items of users: `map[user][item]`.
pub type PerUser = BTreeMap<String, BTreeMap<String, f64>>;

/// The ranked lists of one system.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    lists: BTreeMap<String, RankedList>,
}

/// One user's list, best item first.
#[derive(Debug, Clone, PartialEq)]
struct RankedList {
    items: Vec<String>,
    /// Whether any two items have the same score.
    has_ties: bool,
}

impl Run {
    /// Orders the items of every user.
    ///
    /// # Errors
    /// If a score is not finite.
    pub fn new(scores: PerUser) -> Result<Self> {
        let ranked = |(user, items): (String, _)| Ok((user, RankedList::new(items)?));
        let lists = scores.into_iter().map(ranked).collect::<Result<_>>()?;
        Ok(Self { lists })
    }

    /// Reads a run; the extension tells the format ([`TextFormat::of_path`]).
    ///
    /// # Errors
    /// If the file cannot be read or a line cannot be understood.
    pub fn read(path: &Path) -> Result<Self> {
        let mut scores = PerUser::new();
        triples::read(path, Value::Score, |user, item, score| insert(&mut scores, user, item, score))?;
        Self::new(scores)
    }

    /// Reads a run from open input; `path` only names it in errors.
    ///
    /// # Errors
    /// If a line cannot be read or understood.
    pub fn parse(input: impl BufRead, path: &Path, format: TextFormat) -> Result<Self> {
        let mut scores = PerUser::new();
        triples::parse(input, path, format, Value::Score, |user, item, score| {
            insert(&mut scores, user, item, score)
        })?;
        Self::new(scores)
    }

    /// Whether any list holds an item that is wanted.
    pub fn has_item(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        self.lists.values().any(|list| list.items.iter().any(|item| is_wanted(item)))
    }

    /// Number of users with a list.
    pub fn n_users(&self) -> usize {
        self.lists.len()
    }

    /// The items listed for `user`, best first.
    pub fn items(&self, user: &str) -> Option<&[String]> {
        self.lists.get(user).map(|list| list.items.as_slice())
    }
}

impl RankedList {
    fn new(scores: BTreeMap<String, f64>) -> Result<Self> {
        if let Some((index, &value)) = scores.values().enumerate().find(|(_, score)| !score.is_finite()) {
            return Err(Error::NonFiniteValue { name: "scores", index, value });
        }
        let mut entries: Vec<(String, f64)> = scores.into_iter().collect();
        // The map gave rising ids and the sort is stable: ties stay in that order. `+ 0.0` makes -0 equal to 0.
        entries.sort_by(|a, b| (b.1 + 0.0).total_cmp(&(a.1 + 0.0)));
        let has_ties = entries.windows(2).any(|pair| pair[0].1 == pair[1].1);
        let items = entries.into_iter().map(|(item, _)| item).collect();
        Ok(Self { items, has_ties })
    }
}

/// The judgments that a run is evaluated against.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Qrels {
    judgments: PerUser,
}

impl Qrels {
    /// Takes judgments as they are; a relevance above 0 is relevant.
    ///
    /// # Errors
    /// If a relevance is not finite.
    pub fn new(judgments: PerUser) -> Result<Self> {
        let values = judgments.values().flat_map(BTreeMap::values).enumerate();
        match values.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((index, &value)) => Err(Error::NonFiniteValue { name: "judgments", index, value }),
            None => Ok(Self { judgments }),
        }
    }

    /// Reads judgments; the extension tells the format ([`TextFormat::of_path`]).
    ///
    /// # Errors
    /// If the file cannot be read or a line cannot be understood.
    pub fn read(path: &Path) -> Result<Self> {
        let mut judgments = PerUser::new();
        triples::read(path, Value::Relevance, |user, item, value| insert(&mut judgments, user, item, value))?;
        Self::new(judgments)
    }

    /// Reads judgments from open input; `path` only names it in errors.
    ///
    /// # Errors
    /// If a line cannot be read or understood.
    pub fn parse(input: impl BufRead, path: &Path, format: TextFormat) -> Result<Self> {
        let mut judgments = PerUser::new();
        triples::parse(input, path, format, Value::Relevance, |user, item, value| {
            insert(&mut judgments, user, item, value)
        })?;
        Self::new(judgments)
    }
}

/// Adds a value; false if there was one.
fn insert(values: &mut PerUser, user: &str, item: &str, value: f64) -> bool {
    let items = match values.get_mut(user) {
        Some(items) => items,
        None => values.entry(user.to_owned()).or_default(),
    };
    items.insert(item.to_owned(), value).is_none()
}

/// The values of all metrics for every evaluated user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListEvaluation {
    /// What was computed.
    pub metrics: Vec<Metric>,
    /// The mean of every metric.
    pub means: Vec<f64>,
    /// Evaluated users, in rising order of their id.
    pub users: Vec<String>,
    /// `values[metric][user]`.
    pub values: Vec<Vec<f64>>,
    /// Who was evaluated and who was not.
    pub counts: ListCounts,
}

/// How many users were evaluated, and why others were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListCounts {
    /// Users with a relevant item: the means are over these.
    pub n_evaluated: usize,
    /// Evaluated users whose list is missing or empty; their values are 0.
    pub n_missing_list: usize,
    /// Judged users without a relevant item, excluded.
    pub n_without_relevant: usize,
    /// Users of the run without judgments, ignored.
    pub n_not_judged: usize,
    /// Evaluated users with equal scores in their list, where the id decided.
    pub n_with_ties: usize,
}

/// Evaluates `run` against `qrels`.
///
/// ```
/// use std::path::Path;
/// use segue_eval::lists::{Qrels, Run, evaluate_lists};
/// use segue_eval::triples::TextFormat;
/// let file = Path::new("inline");
/// let run = Run::parse("ann tea 0.9\nann mug 0.4\n".as_bytes(), file, TextFormat::Plain)?;
/// let qrels = Qrels::parse("ann mug\nbob tea\n".as_bytes(), file, TextFormat::Plain)?;
/// let evaluation = evaluate_lists(&run, &qrels, &["reciprocal_rank@10".parse()?])?;
/// assert_eq!(evaluation.means, [0.25]);
/// assert_eq!(evaluation.counts.n_missing_list, 1);
/// # Ok::<(), segue_eval::error::Error>(())
/// ```
///
/// # Errors
/// If no user has a relevant item.
pub fn evaluate_lists(run: &Run, qrels: &Qrels, metrics: &[Metric]) -> Result<ListEvaluation> {
    let has_relevant = |items: &BTreeMap<String, f64>| items.values().any(|&relevance| relevance > 0.0);
    let evaluated: Vec<_> = qrels.judgments.iter().filter(|(_, items)| has_relevant(items)).collect();
    if evaluated.is_empty() {
        return Err(Error::Empty { name: "users with a relevant item" });
    }
    let rows: Vec<Vec<f64>> = evaluated
        .par_iter()
        .map(|(user, judgments)| {
            let list = JudgedList::new(run.items(user).unwrap_or(&[]), judgments)?;
            Ok(metrics.iter().map(|metric| metric.of_list(&list)).collect())
        })
        .collect::<Result<_>>()?;
    let values: Vec<Vec<f64>> =
        (0..metrics.len()).map(|metric| rows.iter().map(|row| row[metric]).collect()).collect();
    let users: Vec<String> = evaluated.into_iter().map(|(user, _)| user.clone()).collect();
    Ok(ListEvaluation {
        metrics: metrics.to_vec(),
        means: values.iter().map(|column| column.iter().sum::<f64>() / users.len() as f64).collect(),
        values,
        counts: count(run, qrels, &users),
        users,
    })
}

fn count(run: &Run, qrels: &Qrels, users: &[String]) -> ListCounts {
    let list = |user: &String| run.lists.get(user);
    let is_missing = |user: &&String| list(user).is_none_or(|list| list.items.is_empty());
    ListCounts {
        n_evaluated: users.len(),
        n_missing_list: users.iter().filter(is_missing).count(),
        n_without_relevant: qrels.judgments.len() - users.len(),
        n_not_judged: run.lists.keys().filter(|user| !qrels.judgments.contains_key(*user)).count(),
        n_with_ties: users.iter().filter(|user| list(user).is_some_and(|list| list.has_ties)).count(),
    }
}

impl ListEvaluation {
    /// The interval of every mean, in the order of the metrics.
    ///
    /// # Errors
    /// If a setting of the bootstrap is out of range.
    pub fn intervals(&self, bootstrap: &Bootstrap) -> Result<Vec<Interval>> {
        let columns: Vec<&[f64]> = self.values.iter().map(Vec::as_slice).collect();
        bootstrap.means(&columns)
    }

    /// The interval of `self - baseline` for every metric, paired by user.
    ///
    /// # Errors
    /// If the two evaluations differ in users or metrics.
    pub fn differences(&self, baseline: &Self, bootstrap: &Bootstrap) -> Result<Vec<Interval>> {
        if self.users != baseline.users || self.metrics != baseline.metrics {
            return Err(Error::NotPaired);
        }
        let difference = |(own, other): (&Vec<f64>, &Vec<f64>)| bootstrap.paired_difference(own, other);
        self.values.iter().zip(&baseline.values).map(difference).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_user(triples: &[(&str, &str, f64)]) -> PerUser {
        let mut values = PerUser::new();
        for &(user, item, value) in triples {
            assert!(insert(&mut values, user, item, value));
        }
        values
    }

    fn run(triples: &[(&str, &str, f64)]) -> Run {
        Run::new(per_user(triples)).unwrap()
    }

    fn qrels(triples: &[(&str, &str, f64)]) -> Qrels {
        Qrels::new(per_user(triples)).unwrap()
    }

    fn reciprocal_rank() -> [Metric; 1] {
        ["reciprocal_rank@10".parse().unwrap()]
    }

    #[test]
    fn five_tied_items_are_ordered_by_id() {
        let tied = ["e", "c", "b", "a", "d"].map(|item| ("u", item, 0.0));
        let evaluation = evaluate_lists(&run(&tied), &qrels(&[("u", "b", 1.0)]), &reciprocal_rank()).unwrap();
        assert_eq!(evaluation.means, [0.5]);
        assert_eq!(evaluation.counts.n_with_ties, 1);
        let signed_zeros = run(&[("u", "b", 0.0), ("u", "a", -0.0)]);
        assert_eq!(signed_zeros.items("u").unwrap(), ["a", "b"]);
    }

    #[test]
    fn every_user_is_evaluated_or_counted() {
        let run = run(&[("hit", "a", 1.0), ("unjudged", "a", 1.0), ("barren", "a", 1.0)]);
        let qrels = qrels(&[("hit", "a", 2.0), ("listless", "a", 1.0), ("barren", "a", 0.0)]);
        let evaluation = evaluate_lists(&run, &qrels, &reciprocal_rank()).unwrap();
        assert_eq!(evaluation.means, [0.5]);
        assert_eq!(evaluation.users, ["hit", "listless"]);
        let expected = ListCounts {
            n_evaluated: 2,
            n_missing_list: 1,
            n_without_relevant: 1,
            n_not_judged: 1,
            n_with_ties: 0,
        };
        assert_eq!(evaluation.counts, expected);
    }

    #[test]
    fn nobody_to_evaluate_is_an_error_not_nan() {
        assert!(evaluate_lists(&run(&[]), &qrels(&[("u", "a", 0.0)]), &reciprocal_rank()).is_err());
        assert!(Run::new(per_user(&[("u", "a", f64::NAN)])).is_err());
        assert!(Qrels::new(per_user(&[("u", "a", f64::INFINITY)])).is_err());
    }

    #[test]
    fn systems_are_compared_user_by_user() {
        let judged: Vec<(String, f64)> = (0..50).map(|user| (user.to_string(), 1.0)).collect();
        let judgments =
            Qrels::new(judged.iter().map(|(u, r)| (u.clone(), [("a".to_owned(), *r)].into())).collect());
        let judgments = judgments.unwrap();
        let system = |score_of_a: f64| {
            let list = BTreeMap::from([("a".to_owned(), score_of_a), ("b".to_owned(), 0.5)]);
            Run::new(judged.iter().map(|(user, _)| (user.clone(), list.clone())).collect()).unwrap()
        };
        let evaluate = |run: &Run| evaluate_lists(run, &judgments, &reciprocal_rank()).unwrap();
        let (good, bad) = (evaluate(&system(1.0)), evaluate(&system(0.0)));
        let difference = good.differences(&bad, &Bootstrap::default()).unwrap()[0];
        assert!(difference.excludes_zero() && difference.mean == 0.5);
        assert_eq!(good.intervals(&Bootstrap::default()).unwrap()[0].n, 50);
        let fewer = evaluate_lists(&system(1.0), &qrels(&[("1", "a", 1.0)]), &reciprocal_rank()).unwrap();
        assert!(matches!(good.differences(&fewer, &Bootstrap::default()), Err(Error::NotPaired)));
    }
}
