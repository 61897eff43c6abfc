//! The Segue side of `benches/speed.py`: fits or evaluates on a prepared file and prints what it took.
//!
//! `speed ease|knn|evaluate|evaluate-lists FOLDER REPEATS` reads `FOLDER/sequences.txt` (one user a line, items `0..n` in time order;
//! for `evaluate` the last item is the target and `FOLDER/factors.f32` has the user, then the item factors), does the
//! work (see `measure`), prints one JSON line, and leaves the result beside it for the script to compare.
#![expect(clippy::print_stdout, reason = "a command whose output is read by a script")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use segue_data::{DomainIdx, Event, ItemCatalog, ItemIdx, Sequences, TrainSet, Vocabulary};
use segue_eval::full_ranking::{RankingCase, RankingPlan, rank_blocks};
use segue_eval::rank::TieRule;
use segue_eval::{Metric, MetricKind};
use segue_models::linear::{Linear, LinearConfig};
use segue_models::similarity::ItemSimilarity;
use segue_models::window::{Window, WindowConfig};
use segue_models::{Place, Scope};
use segue_nn::{Matrix, MatrixMut, matmul};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Width of the factors in `evaluate`.
const FACTORS: usize = 64;

/// What is fitted: the first domain, from its own events.
const TARGET: Place = Place { domain: DomainIdx(0), scope: Scope::Target };

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, folder, repeats] = arguments.as_slice() else {
        return Err("usage: speed ease|knn|evaluate|evaluate-lists FOLDER REPEATS".into());
    };
    let folder = PathBuf::from(folder);
    let repeats: usize = repeats.parse()?;
    let data = Data::read(&folder.join("sequences.txt"))?;
    match work.as_str() {
        "ease" => ease(&data, &folder, repeats),
        "knn" => knn(&data, &folder, repeats),
        // Ranks give the metrics; the lists of the ten best are what the peers have besides.
        "evaluate" => evaluate(&data, &folder, 0, repeats),
        "evaluate-lists" => evaluate(&data, &folder, 10, repeats),
        other => Err(format!("no work `{other}`").into()),
    }
}

fn ease(data: &Data, folder: &Path, repeats: usize) -> Outcome<()> {
    let config = LinearConfig { l2: 200.0, budget_bytes: u64::MAX, ..LinearConfig::default() };
    let train = data.train();
    let (model, spent) = measure(repeats, || Linear::fit(&config, &train, &data.items, TARGET, None));
    let model = model?;
    assert!(model.is_exact(), "the budget covers any size");
    write_rows(&folder.join("ease"), model.weights())?;
    println!("{spent}}}");
    Ok(())
}

fn knn(data: &Data, folder: &Path, repeats: usize) -> Outcome<()> {
    // Every pair of a sequence counts once in each direction: cosine of the binary columns.
    let config = WindowConfig {
        window: data.rows.iter().map(Vec::len).max().unwrap_or(1),
        decay: 1.0,
        backward: 1.0,
        from_exponent: 0.5,
        to_exponent: 0.5,
        shrink: 0.0,
        ..WindowConfig::default()
    };
    let train = data.train();
    let (model, spent) = measure(repeats, || Window::fit(&config, &train, &data.items, TARGET));
    write_rows(&folder.join("knn"), model.similarity())?;
    println!("{spent}, \"n_values\": {}}}", model.similarity().n_values());
    Ok(())
}

fn evaluate(data: &Data, folder: &Path, list_len: usize, repeats: usize) -> Outcome<()> {
    let factors = floats(&std::fs::read(folder.join("factors.f32"))?);
    let (n_users, n_items) = (data.rows.len(), data.items.len());
    let (users, items) = factors.split_at(n_users * FACTORS);
    let cases: Vec<RankingCase<'_>> = data
        .rows
        .iter()
        .filter_map(|row| row.split_last())
        .map(|(&target, masked)| RankingCase { target, masked, negatives: &[] })
        .collect();
    let plan = RankingPlan { n_items, list_len, block_len: 256 };
    let items = Matrix::new(items, n_items, FACTORS, FACTORS);
    let (metrics, spent) = measure(repeats, || -> Outcome<[f64; 3]> {
        let rankings = rank_blocks(plan, &cases, |range, scores| {
            let users = Matrix::new(&users[range.start * FACTORS..], range.len(), FACTORS, FACTORS);
            matmul(MatrixMut::new(scores, n_items), 1.0, users, items.t());
        })?;
        let mut sums = [0.0; 3];
        for &rank in &rankings.masked {
            sums[0] += Metric::ndcg(10).of_rank(rank, TieRule::ExpectedRank);
            sums[1] += MetricKind::HitRate.at(10).of_rank(rank, TieRule::ExpectedRank);
            sums[2] += MetricKind::ReciprocalRank.at(10).of_rank(rank, TieRule::ExpectedRank);
        }
        Ok(sums.map(|sum| sum / rankings.masked.len() as f64))
    });
    let [ndcg, hr, mrr] = metrics?;
    println!("{spent}, \"ndcg\": {ndcg}, \"hr\": {hr}, \"mrr\": {mrr}}}");
    Ok(())
}

/// The prepared sequences.
struct Data {
    rows: Vec<Vec<u32>>,
    items: ItemCatalog,
}

impl Data {
    fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path)?;
        let row = |line: &str| line.split_whitespace().map(str::parse).collect();
        let rows: Vec<Vec<u32>> = text.lines().map(row).collect::<Result<_, _>>()?;
        let n_items = rows.iter().flatten().max().map_or(0, |&item| item + 1);
        let names: Vocabulary = (0..n_items).map(|item| item.to_string()).collect();
        Ok(Self { rows, items: ItemCatalog::new(vec![names], Vec::new()) })
    }

    fn train(&self) -> TrainSet {
        let event = |&item: &u32| Event { item: ItemIdx(item), value: 1.0, timestamp: 0, kind: 0 };
        let rows = self.rows.iter().map(|row| row.iter().map(event).collect::<Vec<_>>());
        TrainSet { sequences: Sequences::from_rows(rows), ..TrainSet::default() }
    }
}

/// Does the work once if `repeats` is 1, else once without counting and then at least so often and for half a second of
/// CPU time. The last result, and the start of a JSON object with the mean CPU seconds of all threads and wall seconds.
fn measure<T>(repeats: usize, mut work: impl FnMut() -> T) -> (T, String) {
    let is_repeated = repeats > 1;
    if is_repeated {
        drop(work());
    }
    let (start, clock) = (cpu_seconds(), Instant::now());
    let mut outcome = work();
    let mut n_done = 1.0;
    while n_done < repeats as f64 || (is_repeated && cpu_seconds() - start < 0.5) {
        outcome = work();
        n_done += 1.0;
    }
    let (cpu, wall) = ((cpu_seconds() - start) / n_done, clock.elapsed().as_secs_f64() / n_done);
    (outcome, format!("{{\"cpu\": {cpu}, \"wall\": {wall}"))
}

/// User and system time of all threads so far, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

// Offsets, columns and values as raw little-endian files.
fn write_rows(stem: &Path, rows: &ItemSimilarity) -> Outcome<()> {
    let (mut offsets, mut columns, mut values) = (0_u64.to_le_bytes().to_vec(), Vec::new(), Vec::new());
    for row in 0..rows.n_rows() {
        let (row_columns, row_values) = rows.row(row);
        columns.extend(row_columns.iter().flat_map(|column| column.to_le_bytes()));
        values.extend(row_values.iter().flat_map(|value| value.to_le_bytes()));
        offsets.extend((columns.len() as u64 / 4).to_le_bytes());
    }
    for (ending, bytes) in [("offsets", offsets), ("columns", columns), ("values", values)] {
        std::fs::write(stem.with_extension(ending), bytes)?;
    }
    Ok(())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}
