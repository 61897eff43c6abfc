//! Image and audio encoders on real files, for `benches/content_encoders.py`.
//!
//! `content_encoders image|audio MODEL OUT RUNS FILE...` writes to the folder OUT what the network read (`inputs.f32`: pictures
//! `[n, side, side, 3]`, patches of sound `[n, 187, 96]`) and gave (`outputs.f32`, `[n, dim]`, before they get length 1), and prints one
//! JSON line with the processor seconds of every run over all inputs, without decoding, on as many threads as `RAYON_NUM_THREADS` says.
#![expect(clippy::print_stdout, reason = "a command whose output is read by a script")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use segue_models::audio::{self, AudioEncoder, SoundLimits, decode_sound};
use segue_models::vision::{self, ImageEncoder, PictureLimits, decode_picture};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, kind, model, out, runs, files @ ..] = arguments.as_slice() else {
        return Err("which encoder?".into());
    };
    let (model, out, runs) = (Path::new(model), Path::new(out), runs.parse()?);
    match kind.as_str() {
        "image" => images(model, out, runs, files),
        "audio" => sounds(model, out, runs, files),
        _ => Err("image or audio".into()),
    }
}

fn images(model: &Path, out: &Path, runs: usize, files: &[String]) -> Result<(), Box<dyn Error>> {
    const TOGETHER: usize = 4;
    let encoder = ImageEncoder::open(model)?;
    let start = Instant::now();
    let mut pixels = Vec::new(); // [n, side, side, 3]
    for file in files {
        let picture = decode_picture(&std::fs::read(file)?, PictureLimits::default())?;
        encoder.rule().append(&picture, &mut pixels);
    }
    let decoding = start.elapsed().as_secs_f64();
    let side = encoder.rule().side as usize;
    let embed = || -> Vec<f32> {
        let groups = pixels.par_chunks(TOGETHER * side * side * 3);
        groups
            .map_init(vision::Room::default, |room, pixels| encoder.embed(pixels, room))
            .collect::<Vec<_>>()
            .concat()
    };
    let outputs = embed();
    write(&out.join("inputs.f32"), &pixels)?;
    write(&out.join("outputs.f32"), &outputs)?;
    report(runs, decoding, || drop(embed()))
}

fn sounds(model: &Path, out: &Path, runs: usize, files: &[String]) -> Result<(), Box<dyn Error>> {
    let encoder = AudioEncoder::open(model, SoundLimits::default())?;
    let start = Instant::now();
    let mut patches = Vec::new(); // [n, 187, 96]
    for file in files {
        patches.extend(encoder.inputs(&decode_sound(std::fs::read(file)?, encoder.limits())?));
    }
    let decoding = start.elapsed().as_secs_f64();
    let embed = || -> Vec<f32> {
        let patches = patches.par_chunks(encoder.n_inputs());
        let rooms = patches.map_init(audio::Room::default, |room, patch| encoder.embed(patch, room));
        rooms.collect::<Vec<_>>().concat()
    };
    let outputs = embed();
    write(&out.join("inputs.f32"), &patches)?;
    write(&out.join("outputs.f32"), &outputs)?;
    report(runs, decoding, || drop(embed()))
}

fn report(runs: usize, decoding: f64, run: impl Fn()) -> Result<(), Box<dyn Error>> {
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let start = processor_seconds()?;
        run();
        seconds.push(processor_seconds()? - start);
    }
    println!("{{\"cpu_seconds\": {seconds:?}, \"decoding\": {decoding}}}");
    Ok(())
}

// Time on a processor of all threads so far, in nanoseconds on Linux.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let schedule = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += schedule.split(' ').next().ok_or("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

fn write(path: &Path, values: &[f32]) -> std::io::Result<()> {
    std::fs::write(path, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}
