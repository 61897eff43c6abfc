//! Percentile bootstrap intervals of means and of paired differences, by resampling cases.
//!
//! Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. A resample draws n cases with
//! replacement; the interval is cut from the quantiles of the resampled means. Resample `i` uses stream `i` of `ChaCha8`,
//! and each sum has a fixed order, so the interval depends on the seed alone, not on the number of threads.
//!
//! Cases of one user are alike, so an interval that takes them as independent is too narrow. Where users have several
//! cases, resample users ([`Bootstrap::means_by_user`]).

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Partial sums kept apart so that the compiler can add them in one instruction.
const LANES: usize = 8;

/// A mean and the interval that holds it with the confidence asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean over the cases.
    pub mean: f64,
    /// Lower end.
    pub lo: f64,
    /// Upper end.
    pub hi: f64,
    /// Number of cases.
    pub n: usize,
}

impl Interval {
    /// Whether zero lies outside: for a paired difference, whether "better" or "worse" may be said.
    pub fn excludes_zero(&self) -> bool {
        self.lo > 0.0 || self.hi < 0.0
    }
}

/// Settings of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Number of resamples, at least 1; 1,000 by default.
    pub n_resamples: usize,
    /// Probability that the interval covers the mean, between 0 and 1; 0.95 by default.
    pub confidence: f64,
    /// Seed of the resamples.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { n_resamples: 1000, confidence: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// The interval of the mean of `values`.
    ///
    /// ```
    /// use segue_eval::bootstrap::Bootstrap;
    /// let interval = Bootstrap::default().mean(&[0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0])?;
    /// assert_eq!((interval.mean, interval.n), (0.625, 8));
    /// assert!(interval.lo < 0.625 && 0.625 < interval.hi);
    /// # Ok::<(), segue_eval::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are no values, or one is not finite.
    pub fn mean(&self, values: &[f64]) -> Result<Interval> {
        Ok(self.means(&[values])?[0])
    }

    /// The interval of the mean of `candidate - baseline`, case by case: both must list the same cases in the same
    /// order.
    ///
    /// # Errors
    /// If the lengths differ, there are no values, or one is not finite.
    pub fn paired_difference(&self, candidate: &[f64], baseline: &[f64]) -> Result<Interval> {
        if candidate.len() != baseline.len() {
            return Err(Error::LengthMismatch {
                name: "candidate",
                expected: baseline.len(),
                received: candidate.len(),
            });
        }
        let differences: Vec<f64> = candidate.iter().zip(baseline).map(|(c, b)| c - b).collect();
        self.mean(&differences)
    }

    /// The intervals of several columns over the same cases, from the same resamples: each resample is drawn once.
    ///
    /// # Errors
    /// If the columns differ in length or are empty, a value is not finite, or a setting is out of range.
    pub fn means(&self, columns: &[&[f64]]) -> Result<Vec<Interval>> {
        self.check()?;
        let n = check_columns(columns)?;
        Ok(self.intervals(columns, &vec![1.0; n], n))
    }

    /// As [`means`](Self::means), but resampling users with all their cases; `users[i]` names the user of case i.
    ///
    /// The mean stays the mean over cases; a resampled mean is the sum over the drawn users' cases divided by their
    /// number. Source: the cluster bootstrap, Field and Welsh, J. R. Statist. Soc. B 69, 2007.
    ///
    /// # Errors
    /// As [`means`](Self::means), or if `users` has another length than the columns.
    pub fn means_by_user(&self, columns: &[&[f64]], users: &[u32]) -> Result<Vec<Interval>> {
        self.check()?;
        let n = check_columns(columns)?;
        if users.len() != n {
            return Err(Error::LengthMismatch { name: "users", expected: n, received: users.len() });
        }
        let (user_of_case, n_users) = numbered(users);
        let sums_of = |values: &[f64]| {
            let mut sums = vec![0.0; n_users];
            user_of_case.iter().zip(values).for_each(|(&user, value)| sums[user] += value);
            sums
        };
        let sums: Vec<Vec<f64>> = columns.iter().map(|column| sums_of(column)).collect();
        let sums: Vec<&[f64]> = sums.iter().map(Vec::as_slice).collect();
        Ok(self.intervals(&sums, &sums_of(&vec![1.0; n]), n))
    }

    /// Intervals of means over `n` cases that come in units, with the sum of every unit and its number of cases.
    fn intervals(&self, sums: &[&[f64]], sizes: &[f64], n: usize) -> Vec<Interval> {
        let resampled: Vec<Vec<f64>> = (0..self.n_resamples as u64)
            .into_par_iter()
            .map_init(
                || vec![0; sizes.len()],
                |counts, stream| self.resampled_means(sums, sizes, stream, counts),
            )
            .collect();
        let interval = |column: usize| {
            let mut means: Vec<f64> = resampled.iter().map(|row| row[column]).collect();
            means.sort_unstable_by(f64::total_cmp);
            let outside = (1.0 - self.confidence) / 2.0;
            Interval {
                mean: sums[column].iter().sum::<f64>() / n as f64,
                lo: quantile(&means, outside),
                hi: quantile(&means, 1.0 - outside),
                n,
            }
        };
        (0..sums.len()).map(interval).collect()
    }

    /// The mean of every column in one resample. How often each unit was drawn is counted once and used for all.
    fn resampled_means(&self, sums: &[&[f64]], sizes: &[f64], stream: u64, counts: &mut [u32]) -> Vec<f64> {
        let n_units = counts.len() as u64;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        counts.fill(0);
        for _ in 0..n_units {
            // Maps 32 random bits to 0..n_units; the probabilities differ by less than n_units / 2^32 of themselves.
            counts[((u64::from(rng.next_u32()) * n_units) >> 32) as usize] += 1;
        }
        let n_drawn = weighted_sum(counts, sizes);
        sums.iter().map(|column| weighted_sum(counts, column) / n_drawn).collect()
    }

    /// Refuses settings out of range.
    fn check(&self) -> Result<()> {
        if self.n_resamples == 0 || !(0.0..1.0).contains(&self.confidence) {
            return Err(Error::InvalidSetting {
                name: "bootstrap",
                expected: "n_resamples of at least 1 and confidence from 0 to below 1",
                received: format!("{self:?}"),
            });
        }
        Ok(())
    }
}

/// The common length of the columns, all of whose values must be finite.
fn check_columns(columns: &[&[f64]]) -> Result<usize> {
    let n = columns.first().map_or(0, |column| column.len());
    if n == 0 {
        return Err(Error::Empty { name: "values" });
    }
    for column in columns {
        if column.len() != n {
            return Err(Error::LengthMismatch { name: "column", expected: n, received: column.len() });
        }
        if let Some(index) = column.iter().position(|value| !value.is_finite()) {
            return Err(Error::NonFiniteValue { name: "values", index, value: column[index] });
        }
    }
    Ok(n)
}

/// The users as numbers from 0 in rising order, and how many there are.
fn numbered(users: &[u32]) -> (Vec<usize>, usize) {
    let mut distinct = users.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let number = |user: &u32| distinct.partition_point(|other| other < user);
    (users.iter().map(number).collect(), distinct.len())
}

/// `sum counts[i] * values[i]` in a fixed order of eight interleaved partial sums.
fn weighted_sum(counts: &[u32], values: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (count_chunks, value_chunks) = (counts.chunks_exact(LANES), values.chunks_exact(LANES));
    let rest: f64 = count_chunks
        .remainder()
        .iter()
        .zip(value_chunks.remainder())
        .map(|(&count, value)| f64::from(count) * value)
        .sum();
    for (count, value) in count_chunks.zip(value_chunks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(count[lane]) * value[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The `q`-quantile of sorted values, linear between neighbors (type 7 of Hyndman and Fan, 1996: the default of `numpy`).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    fn coin_flips(n: usize, p: f64, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| f64::from(u8::from(rng.random::<f64>() < p))).collect()
    }

    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        let values = coin_flips(5000, 0.2, 1);
        let interval = Bootstrap::default().mean(&values).unwrap();
        let standard_error = (interval.mean * (1.0 - interval.mean) / 5000.0).sqrt();
        let half_width = (interval.hi - interval.lo) / 2.0;
        assert!((half_width / (1.96 * standard_error) - 1.0).abs() < 0.1, "{interval:?}");
    }

    #[test]
    fn about_95_of_100_intervals_cover_the_truth() {
        let covers = |seed: u64| {
            let values = coin_flips(400, 0.3, seed);
            let interval = Bootstrap { seed, ..Bootstrap::default() }.mean(&values).unwrap();
            interval.lo <= 0.3 && 0.3 <= interval.hi
        };
        let covered = (0..400).filter(|&seed| covers(seed)).count();
        assert!((364..=394).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn threads_change_nothing_and_seeds_do() {
        let values = coin_flips(1003, 0.4, 2);
        let run = |n_threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| Bootstrap { seed, ..Bootstrap::default() }.mean(&values)).unwrap()
        };
        assert_eq!(run(1, 0), run(2, 0));
        assert_eq!(run(1, 0), run(7, 0));
        assert_ne!(run(1, 0), run(1, 1));
    }

    #[test]
    fn columns_together_equal_columns_alone() {
        let (a, b) = (coin_flips(333, 0.4, 3), coin_flips(333, 0.1, 4));
        let bootstrap = Bootstrap::default();
        let together = bootstrap.means(&[&a, &b]).unwrap();
        assert_eq!(together, [bootstrap.mean(&a).unwrap(), bootstrap.mean(&b).unwrap()]);
    }

    #[test]
    fn users_with_one_case_each_are_cases() {
        let values = coin_flips(200, 0.4, 3);
        let users: Vec<u32> = (0..200).map(|user| 3 * user + 7).collect();
        let bootstrap = Bootstrap::default();
        let by_user = bootstrap.means_by_user(&[&values], &users).unwrap();
        assert_eq!(by_user[0], bootstrap.mean(&values).unwrap());
        assert!(bootstrap.means_by_user(&[&values], &users[1..]).is_err());
    }

    #[test]
    fn cases_that_repeat_a_user_do_not_narrow_the_interval() {
        let per_user = coin_flips(300, 0.4, 8);
        let repeated: Vec<f64> = per_user.iter().flat_map(|&value| [value; 4]).collect();
        let users: Vec<u32> = (0..1200).map(|case| case / 4).collect();
        let bootstrap = Bootstrap::default();
        let width = |interval: Interval| interval.hi - interval.lo;
        let once = bootstrap.mean(&per_user).unwrap();
        let by_user = bootstrap.means_by_user(&[&repeated], &users).unwrap()[0];
        assert_eq!((by_user.mean, by_user.n), (once.mean, 1200));
        assert!((width(by_user) - width(once)).abs() < 1e-12);
        let by_case = bootstrap.mean(&repeated).unwrap();
        assert!((width(once) / width(by_case) - 2.0).abs() < 0.2);
    }

    #[test]
    fn pairing_sees_a_small_steady_gain_that_noise_hides() {
        let baseline = coin_flips(500, 0.5, 5);
        let candidate: Vec<f64> = baseline.iter().map(|value| value + 0.01).collect();
        let bootstrap = Bootstrap::default();
        let paired = bootstrap.paired_difference(&candidate, &baseline).unwrap();
        assert!(paired.excludes_zero() && (paired.mean - 0.01).abs() < 1e-12);
        let same = bootstrap.paired_difference(&baseline, &baseline).unwrap();
        assert!(!same.excludes_zero());
        let unpaired = bootstrap.means(&[&candidate, &baseline]).unwrap();
        assert!(unpaired[0].lo < unpaired[1].hi);
    }

    #[test]
    fn unusable_input_is_refused() {
        let bootstrap = Bootstrap::default();
        assert!(matches!(bootstrap.mean(&[]), Err(Error::Empty { .. })));
        assert!(matches!(bootstrap.mean(&[0.0, f64::NAN]), Err(Error::NonFiniteValue { index: 1, .. })));
        assert!(bootstrap.paired_difference(&[0.0], &[]).is_err());
        assert!(Bootstrap { n_resamples: 0, ..bootstrap }.mean(&[0.0]).is_err());
        assert!(Bootstrap { confidence: 1.0, ..bootstrap }.mean(&[0.0]).is_err());
    }

    #[test]
    fn quantiles_are_numpys() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0], 0.025), 1.0);
    }
}
