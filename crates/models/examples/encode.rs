//! Encodes the lines of a file, for comparisons with other programs: `benches/encode.py`, `scripts/check/tokens.py`.
//!
//! `encode FOLDER LINES OUT [--tokens]`: vectors as little-endian f32 `[n, dim]`, or tokens as one JSON array per line.
//! Prints texts and processor seconds (of all threads, tokenization included, loading not) as JSON.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use segue_models::encoder::TextEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, lines, out, ..] = arguments.as_slice() else {
        return Err("usage: encode FOLDER LINES OUT [--tokens]".into());
    };
    let encoder = TextEncoder::open(Path::new(folder), None)?;
    let text = std::fs::read_to_string(lines)?;
    let texts: Vec<&str> = text.lines().collect();
    let start = processor_seconds()?;
    let bytes = if arguments.iter().any(|argument| argument == "--tokens") {
        let tokens = encoder.tokens().of(&texts)?;
        tokens.iter().flat_map(|tokens| format!("{tokens:?}\n").into_bytes()).collect()
    } else {
        let vectors = encoder.encode(&texts, &|_| {})?;
        vectors.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()
    };
    let seconds = processor_seconds()? - start;
    std::fs::write(out, bytes)?;
    let document = serde_json::json!({ "texts": texts.len(), "dim": encoder.dim(), "cpu_seconds": seconds });
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}

// User and system time so far; Linux only, in hundredths of a second.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| {
        fields.get(at).and_then(|field| field.parse::<f64>().ok()).ok_or("no time in /proc/self/stat")
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
