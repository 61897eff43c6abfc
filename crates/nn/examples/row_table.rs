//! The Segue side of `benches/row_table.py`: steps of the lazy optimizer on a prepared table.
//!
//! `row_table FOLDER WIDTH N_STEPS RATE` reads `FOLDER/table.f32` and, before each step and outside the clock,
//! `FOLDER/STEP.rows` and `FOLDER/STEP.values`; prints one JSON line with CPU and wall seconds of the steps alone and the
//! process's peak memory before and after them in kB; and leaves the table as `FOLDER/segue.f32`.
#![expect(clippy::print_stdout, reason = "a command whose output is read by a script")]

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use segue_nn::{LazyAdamW, RowGradients, RowTable};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, width, n_steps, rate] = arguments.as_slice() else {
        return Err("usage: row_table FOLDER WIDTH N_STEPS RATE".into());
    };
    let folder = Path::new(folder);
    let (width, n_steps, rate): (usize, u32, f64) = (width.parse()?, n_steps.parse()?, rate.parse()?);
    let mut table = RowTable::new(width, words(&folder.join("table.f32"), f32::from_le_bytes)?);
    let (mut cpu, mut wall, peak_before) = (0.0, 0.0, peak_kb());
    for step in 0..n_steps {
        let rows = words(&folder.join(format!("{step}.rows")), u32::from_le_bytes)?;
        let values = words(&folder.join(format!("{step}.values")), f32::from_le_bytes)?;
        let gradients = RowGradients { rows, values };
        let (start, clock) = (cpu_seconds()?, Instant::now());
        table.step(&gradients, rate, &LazyAdamW::default());
        cpu += cpu_seconds()? - start;
        wall += clock.elapsed().as_secs_f64();
    }
    let (peak, n_touched) = (peak_kb(), table.n_touched());
    let mut out = BufWriter::new(File::create(folder.join("segue.f32"))?);
    table.values().iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))?;
    out.flush()?;
    println!(
        "{{\"cpu\": {cpu}, \"wall\": {wall}, \"peak\": {peak}, \"peak_before\": {peak_before}, \"n_touched\": {n_touched}}}"
    );
    Ok(())
}

/// A file of four-byte values, without a second copy in memory.
fn words<T>(path: &Path, value_of: fn([u8; 4]) -> T) -> Outcome<Vec<T>> {
    let n = fs::metadata(path)?.len() as usize / 4;
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut values = Vec::with_capacity(n);
    for _ in 0..n {
        let mut word = [0; 4];
        file.read_exact(&mut word)?;
        values.push(value_of(word));
    }
    Ok(values)
}

/// Of all threads, in nanoseconds' resolution (Linux).
fn cpu_seconds() -> Outcome<f64> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split_whitespace().next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

fn peak_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
