//! Training steps of the behavior model on made-up sequences, for `benches/train_step.py`.
//!
//! `train_step FOLDER WIDTH last|all STEPS` writes the first numbers of the model (`start.safetensors`) and the sequences
//! (`sequences.u32`, `[steps, batch, length + 1]`) to the folder, takes the steps, and prints one JSON line with the losses and the
//! processor and wall seconds of each step.
#![expect(clippy::print_stdout, reason = "a command whose output is read by a script")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, ItemCatalog};
use segue_models::sequence::{Example, NO_TARGET, SequenceConfig, SequenceModel, SequenceStep, Token};
use segue_models::{Place, Scope, Tensors};
use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::dropout::DropoutKey;

const N_ITEMS: usize = 12_000;
const BATCH: usize = 128;
const LENGTH: usize = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, width, positions, n_steps] = arguments.as_slice() else {
        return Err("which step?".into());
    };
    let (width, n_steps): (usize, usize) = (width.parse()?, n_steps.parse()?);
    let items = ItemCatalog::new(vec![(0..N_ITEMS).map(|item| item.to_string()).collect()], Vec::new());
    let config =
        SequenceConfig { width, dropout: 0.0, n_negatives: 0, time_gaps: false, ..SequenceConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model =
        SequenceModel::new(&config, &items, Place { domain: DomainIdx(0), scope: Scope::Target }, &mut rng)?;
    write_start(&model, &Path::new(folder).join("start.safetensors"))?;
    let sequences: Vec<u32> =
        (0..n_steps * BATCH * (LENGTH + 1)).map(|_| rng.random_range(0..N_ITEMS as u32)).collect();
    let bytes: Vec<u8> = sequences.iter().flat_map(|item| item.to_le_bytes()).collect();
    std::fs::write(Path::new(folder).join("sequences.u32"), bytes)?;
    let mut optimizer = AdamW::new(AdamWConfig::default(), &model.params);
    let mut gradients = model.params.gradients();
    let mut step = SequenceStep::default();
    let (mut losses, mut cpu, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    for batch in sequences.chunks_exact(BATCH * (LENGTH + 1)) {
        let examples: Vec<Example> =
            batch.chunks_exact(LENGTH + 1).map(|row| example(row, positions == "all")).collect();
        let examples: Vec<&Example> = examples.iter().collect();
        if model.frequencies.is_empty() {
            model.frequencies = vec![vec![0.0; N_ITEMS]];
        }
        let (start, clock) = (cpu_seconds(), Instant::now());
        model.refresh();
        gradients.clear();
        losses.push(step.losses(&model, &examples, DropoutKey::new(0), &mut gradients));
        optimizer.step(&mut model.params, &gradients, 1e-3, 1.0);
        cpu.push(cpu_seconds() - start);
        wall.push(clock.elapsed().as_secs_f64());
    }
    println!("{{\"losses\": {losses:?}, \"cpu\": {cpu:?}, \"wall\": {wall:?}}}");
    Ok(())
}

fn example(row: &[u32], all_positions: bool) -> Example {
    let token = |at: usize| Token { item: row[at], position: at as u16, domain: 0, kind: 0, gap: 0 };
    let next = |at: usize| if all_positions || at + 1 == LENGTH { row[at + 1] } else { NO_TARGET };
    Example {
        tokens: (0..LENGTH).map(token).collect(),
        next: (0..LENGTH).map(next).collect(),
        values: vec![0.0; LENGTH],
    }
}

fn write_start(model: &SequenceModel, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut tensors = Tensors::new();
    for array in model.params.arrays() {
        tensors.put_f32(&array.name, array.values.clone());
    }
    Ok(std::fs::write(path, tensors.to_bytes()?)?)
}

// Of all threads of the process; the clock has steps of 10 ms, which the mean over steps evens out.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}
