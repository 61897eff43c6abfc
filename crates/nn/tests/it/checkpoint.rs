//! A training that was stored resumes as if it had not stopped; a file that does not fit changes nothing.

use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_nn::adagrad::Adagrad;
use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::checkpoint::{Checkpoint, CheckpointError, Scalar, Scalars};
use segue_nn::optimizer::Optimizer;
use segue_nn::training_state::{Besides, BesidesMut, load_training, save_training};
use segue_nn::{Init, LazyAdamW, Params, RowGradients, RowTable};

use crate::subject::numbers;

/// A folder of this process and test, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("segue-nn-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.0).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of a failed test is in the way of nothing.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Training {
    params: Params,
    optimizer: Optimizer,
    table: RowTable,
    average: Vec<f32>,
}

const LAZY: LazyAdamW = LazyAdamW { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.1 };

impl Training {
    fn new(n_out: usize, seed: u64) -> Self {
        let (mut params, mut rng) = (Params::new(), ChaCha8Rng::seed_from_u64(seed));
        params.add("weight", &[n_out, 5], Init::Normal(1.0), &mut rng);
        params.add("frozen", &[3], Init::Normal(1.0), &mut rng);
        params.arrays_mut()[1].trainable = false;
        params.add("bias", &[n_out], Init::Zeros, &mut rng);
        let optimizer = AdamW::new(AdamWConfig::default(), &params).into();
        let table = RowTable::new(3, numbers(1000 * 3, seed));
        Self { params, optimizer, table, average: vec![0.0; 7] }
    }

    fn step(&mut self, step: u64) {
        let mut gradients = self.params.gradients();
        for (at, array) in gradients.arrays_mut().iter_mut().enumerate() {
            let values = numbers(array.len(), step * 10 + at as u64);
            array.copy_from_slice(&values);
        }
        self.optimizer.step(&mut self.params, &gradients, 0.1, 1.0);
        let rows = (0..400).map(|at| ((at * 7 + step * 31) % 1000) as u32).collect();
        self.table.step(&RowGradients { rows, values: numbers(1200, step) }, 0.1, &LAZY);
        let now = numbers(7, step);
        self.average.iter_mut().zip(now).for_each(|(average, now)| *average = 0.9 * *average + 0.1 * now);
    }

    fn save(&self, path: &Path, scalars: &Scalars) {
        let memory = vec![("average".to_owned(), self.average.as_slice())];
        let besides = Besides { tables: vec![("items", &self.table)], memory };
        save_training(path, &self.params, &self.optimizer, &besides, scalars).unwrap();
    }

    fn load(&mut self, path: &Path) -> Result<Scalars, CheckpointError> {
        let memory = vec![("average".to_owned(), self.average.as_mut_slice())];
        let mut besides = BesidesMut { tables: vec![("items", &mut self.table)], memory };
        load_training(path, &mut self.params, &mut self.optimizer, &mut besides)
    }
}

fn scalars() -> Scalars {
    let numbers = [
        ("epoch", Scalar::U64(u64::MAX)),
        ("best", Scalar::F64(0.1 + 0.2)),
        ("worst", Scalar::F64(f64::NEG_INFINITY)),
        ("tiny", Scalar::F64(f64::MIN_POSITIVE / 8.0)),
    ];
    numbers.into_iter().map(|(name, x)| (name.to_owned(), x)).collect()
}

#[test]
fn a_stored_training_has_the_same_bytes_and_resumes_the_same() {
    let folder = Folder::new("same");
    let (first, second) = (folder.0.join("first.safetensors"), folder.0.join("second.safetensors"));
    let mut training = Training::new(4, 1);
    for step in 0..3 {
        training.save(&first, &scalars()); // over the file before
        training.step(step);
    }
    training.save(&first, &scalars());
    let mut back = Training::new(4, 2);
    back.step(9);
    assert_eq!(back.load(&first).unwrap(), scalars());
    assert!(back == training);
    back.save(&second, &scalars());
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert!(read(&first) == read(&second), "same bytes");
    for step in 3..5 {
        training.step(step);
        back.step(step);
    }
    assert!(back == training, "same steps");
    let mut files = folder.files();
    files.sort();
    assert_eq!(files, ["first.safetensors", "second.safetensors"], "nothing is left aside");
}

#[test]
fn other_shapes_and_names_are_refused_with_the_first_difference() {
    let folder = Folder::new("other");
    let path = folder.0.join("a.safetensors");
    let mut training = Training::new(4, 1);
    training.step(0);
    training.save(&path, &scalars());
    let refused = |mut other: Training, difference: &str| {
        let before = other.clone();
        let error = other.load(&path).unwrap_err().to_string();
        assert!(error.contains(difference), "{error}");
        assert!(other == before, "nothing is changed");
    };
    refused(Training::new(6, 1), "`adamw.first.bias` is F32 [4] in the file, F32 [6] here");
    let mut other = training.clone();
    other.params.add("zoom", &[1], Init::Ones, &mut ChaCha8Rng::seed_from_u64(0));
    other.optimizer = AdamW::new(AdamWConfig::default(), &other.params).into();
    refused(other, "`adamw.first.zoom` [1] is not in the file");
    let mut other = Training::new(4, 1);
    other.params.arrays_mut()[0].name = "W".to_owned();
    refused(other, "`adamw.first.W` [4, 5] is not in the file");
    let mut other = training.clone();
    other.table = RowTable::new(3, numbers(100 * 3, 1));
    refused(other, "`tables.items.touched` Some([400]) of 100 rows");
    let mut other = training.clone();
    other.table = RowTable::new(4, numbers(1000 * 4, 1));
    refused(other, "`tables.items.moments` is F32 [400, 2, 3] in the file, F32 [400, 2, 4] here");
    let mut other = training.clone();
    other.average.push(0.0);
    refused(other, "`memory.average` is F32 [7] in the file, F32 [8] here");
    let mut other = training.clone();
    let nothing = &mut BesidesMut::default();
    let fewer = load_training(&path, &mut other.params, &mut other.optimizer, nothing);
    assert!(fewer.unwrap_err().to_string().contains("`memory.average` [7] is in the file and not here"));
}

#[test]
fn damaged_files_are_refused_and_never_panic() {
    let folder = Folder::new("damaged");
    let path = folder.0.join("a.safetensors");
    let mut training = Training::new(4, 1);
    training.step(0);
    training.save(&path, &scalars());
    let whole = std::fs::read(&path).unwrap();
    let n_header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let cuts = (0..40).map(|_| whole[..rng.random_range(0..whole.len())].to_vec()).collect::<Vec<_>>();
    for cut in cuts {
        std::fs::write(&path, &cut).unwrap();
        assert!(
            matches!(Checkpoint::open(&path), Err(CheckpointError::Damaged { .. })),
            "{} bytes",
            cut.len()
        );
    }
    for _ in 0..400 {
        let mut bytes = whole.clone();
        bytes[rng.random_range(0..n_header)] ^= 1 << rng.random_range(0..8);
        std::fs::write(&path, &bytes).unwrap();
        // A changed digit of a number may pass; all else is refused.
        let _ = training.clone().load(&path);
    }
    std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(matches!(Checkpoint::open(&path), Err(CheckpointError::Damaged { .. })), "a byte too many");
    let huge = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    std::fs::write(&path, huge).unwrap();
    assert!(matches!(Checkpoint::open(&path), Err(CheckpointError::Damaged { .. })));
    assert!(matches!(
        Checkpoint::open(&folder.0.join("none")),
        Err(CheckpointError::Io { doing: "open", .. })
    ));
}

#[test]
fn a_row_that_is_named_twice_is_refused() {
    let folder = Folder::new("twice");
    let path = folder.0.join("a.safetensors");
    let mut training = Training::new(4, 1);
    training.step(0);
    training.save(&path, &scalars());
    let mut bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let offset =
        text.split("\"tables.items.touched\"").nth(1).unwrap().split("\"data_offsets\":[").nth(1).unwrap();
    let offset: usize = offset.split(',').next().unwrap().parse().unwrap();
    let first = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + offset;
    bytes.copy_within(first..first + 4, first + 4);
    std::fs::write(&path, &bytes).unwrap();
    let error = Training::new(4, 1).load(&path).unwrap_err().to_string();
    assert!(error.contains("of `tables.items` is named twice"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_is_named_and_nothing_is_left() {
    let folder = Folder::new("nowhere");
    let training = Training::new(4, 1);
    let path = folder.0.join("none").join("a.safetensors");
    let saved = save_training(&path, &training.params, &training.optimizer, &Besides::default(), &scalars());
    assert!(matches!(saved, Err(CheckpointError::Io { doing: "write", .. })));
    assert!(folder.files().is_empty());
}

#[test]
fn adagrad_resumes_the_same_and_the_file_of_another_optimizer_is_refused() {
    let folder = Folder::new("adagrad");
    let path = folder.0.join("a.safetensors");
    let with_adagrad = |seed| {
        let training = Training::new(4, seed);
        Training { optimizer: Adagrad::new(&training.params).into(), ..training }
    };
    let mut training = with_adagrad(1);
    training.step(0);
    training.save(&path, &scalars());
    let mut back = with_adagrad(2);
    back.step(7);
    back.load(&path).unwrap();
    assert!(back == training, "same state");
    back.step(1);
    training.step(1);
    assert!(back == training, "same step");
    let mut other = Training::new(4, 1);
    let before = other.clone();
    assert!(matches!(other.load(&path), Err(CheckpointError::Different { .. })));
    assert!(other == before, "nothing is changed");
}
