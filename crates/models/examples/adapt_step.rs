//! Steps of adapting an encoder with `LoRA`, for `benches/adapt_step.py`.
//!
//! `adapt_step FOLDER MODEL SHORTEST LONGEST STEPS` adapts the model folder MODEL: 64 texts of random tokens a step, `SHORTEST` to
//! `LONGEST` long, the first half being views of the second half (contrastive loss in both directions, temperature .05), `AdamW`. It
//! writes to FOLDER the first numbers (`start/`, which PEFT opens), the texts (`texts.json`) and the gradients of the first step
//! (`gradients.safetensors`), takes the steps, and prints one JSON line with the losses and the processor and wall seconds of each.
#![expect(clippy::print_stdout, reason = "a command whose output is read by a script")]

use std::error::Error;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_models::Tensors;
use segue_models::encoder::{EncoderStep, TextEncoder, Tuning};
use segue_nn::Gradients;
use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::dropout::DropoutKey;
use segue_nn::info_nce::{Directions, InfoNce};

const N_TEXTS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, model, shortest, longest, n_steps] = arguments.as_slice() else {
        return Err("which step?".into());
    };
    let folder = Path::new(folder);
    let lengths: RangeInclusive<usize> = shortest.parse()?..=longest.parse()?;
    let n_steps: usize = n_steps.parse()?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut encoder = TextEncoder::open(Path::new(model), None)?;
    let tuning = Tuning::named("lora").ok_or("no such tuning")?;
    encoder.tune(&tuning, &mut rng)?;
    // B is zero at the start, and the gradient of A with it.
    for array in encoder.params.arrays_mut().iter_mut().filter(|array| array.name.contains("lora_B")) {
        array.values.iter_mut().for_each(|value| *value = rng.random_range(-0.02..0.02));
    }
    encoder.save_delta(&folder.join("start"), model)?;
    let mut text = || {
        let n = rng.random_range(lengths.clone()) - 2;
        let words = (0..n).map(|_| rng.random_range(1000..30_000));
        [101].into_iter().chain(words).chain([102]).collect::<Vec<u32>>()
    };
    let steps: Vec<Vec<Vec<u32>>> = (0..n_steps).map(|_| (0..N_TEXTS).map(|_| text()).collect()).collect();
    std::fs::write(folder.join("texts.json"), serde_json::to_vec(&steps)?)?;
    let config = AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() };
    let mut optimizer = AdamW::new(config, &encoder.params);
    let mut gradients = encoder.params.gradients();
    let mut step = EncoderStep::default();
    let (mut losses, mut cpu, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    for texts in &steps {
        let (start, clock) = (cpu_seconds(), Instant::now());
        gradients.clear();
        losses.push(loss(&encoder, &mut step, texts, &mut gradients));
        optimizer.step(&mut encoder.params, &gradients, 1e-3, 1.0);
        cpu.push(cpu_seconds() - start);
        wall.push(clock.elapsed().as_secs_f64());
        if losses.len() == 1 {
            write_gradients(&encoder, &gradients, &folder.join("gradients.safetensors"))?;
        }
    }
    println!("{{\"losses\": {losses:?}, \"cpu\": {cpu:?}, \"wall\": {wall:?}}}");
    Ok(())
}

fn loss(encoder: &TextEncoder, step: &mut EncoderStep, texts: &[Vec<u32>], gradients: &mut Gradients) -> f64 {
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let vectors = step.forward(encoder, &texts, DropoutKey::new(0)); // [B, dim]
    let (queries, keys) = vectors.split_at(vectors.len() / 2);
    let contrast = InfoNce {
        width: encoder.dim(),
        temperature: 0.05,
        directions: Directions::Both,
        false_negatives: None,
    };
    let mut d_vectors = vec![0.0; vectors.len()]; // [B, dim]
    let (d_queries, d_keys) = d_vectors.split_at_mut(queries.len());
    let loss = contrast.run(queries, keys, d_queries, d_keys);
    step.backward(encoder, &d_vectors, gradients);
    loss
}

fn write_gradients(encoder: &TextEncoder, gradients: &Gradients, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut tensors = Tensors::new();
    for (array, gradient) in encoder.params.arrays().iter().zip(gradients.arrays()) {
        if !gradient.is_empty() {
            tensors.put_f32(&array.name, gradient.clone());
        }
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
