//! Encodes the lines of a file, for comparisons with other programs: `benches/encode.py`, `scripts/check/tokens.py`.
//!
//! `encode FOLDER LINES OUT [--tokens]`: vectors as little-endian f32 `[n, dim]`, or tokens as one JSON array per line.
//! Prints seconds and texts as JSON.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use segue_models::encoder::TextEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, lines, out) = match arguments.as_slice() {
        [folder, lines, out, ..] => (folder, lines, out),
        _ => return Err("usage: encode FOLDER LINES OUT [--tokens]".into()),
    };
    let encoder = TextEncoder::open(Path::new(folder), None)?;
    let text = std::fs::read_to_string(lines)?;
    let texts: Vec<&str> = text.lines().collect();
    let start = Instant::now();
    let bytes = if arguments.iter().any(|argument| argument == "--tokens") {
        let tokens = encoder.tokens().of(&texts)?;
        tokens.iter().flat_map(|tokens| format!("{tokens:?}\n").into_bytes()).collect()
    } else {
        let vectors = encoder.encode(&texts, &|_| {})?;
        vectors.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()
    };
    let seconds = start.elapsed().as_secs_f64();
    std::fs::write(out, bytes)?;
    let document = serde_json::json!({ "texts": texts.len(), "dim": encoder.dim(), "seconds": seconds });
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}
