//! `segue encode`: texts, pictures or sound of all items to vectors, or vectors that are there already.

use std::path::{Path, PathBuf};

use anyhow::Result;
use segue_data::{Dataset, store};
use segue_models::item_vectors::TextFields;

use crate::choice::choice;
use crate::screen::Screen;
use crate::terminal::Terminal;
use segue::encode::endpoint::Endpoint;
use segue::encode::given::GivenVectors;
use segue::encode::media::{MediaEncoder, encode_files};
use segue::encode::{Modality, Provider, encode_items, media_files, write_vectors};
use segue::failure::usage;
use segue_report::number::count;

const MODALITIES: &[(Modality, &str, &str)] = &[
    (Modality::Text, "text", "Titles, categories, descriptions"),
    (Modality::Image, "image", "Pictures"),
    (Modality::Audio, "audio", "Sound"),
];

/// Broken files that are shown; the JSON has the first hundred.
const BROKEN_SHOWN: usize = 5;

/// Arguments of `segue encode`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// What of the items is encoded
    #[arg(long, value_parser = choice(MODALITIES), default_value = "text")]
    modality: Modality,
    /// Known model (`segue model list`), model folder, or with --endpoint the name that the endpoint knows
    #[arg(long, value_name = "NAME|FOLDER", required_unless_present = "vectors")]
    model: Option<String>,
    /// Pictures or sound: a folder of files named by item id (`B00123.jpg`), or a CSV or TSV file with the columns `item` and `path`
    #[arg(long, value_name = "FOLDER|TABLE")]
    files: Option<PathBuf>,
    /// Vectors that another program computed, instead of a model: `.npy`, `.safetensors`, `.parquet`, or with --dim floats and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "files", "endpoint", "seconds", "max_tokens", "descriptions"])]
    vectors: Option<PathBuf>,
    /// Vectors: raw item id of every row, one a line
    #[arg(long, value_name = "FILE", requires = "vectors")]
    ids: Option<PathBuf>,
    /// Vectors: numbers of a row, for a file of little-endian f32
    #[arg(long, value_name = "N", requires = "vectors", value_parser = clap::value_parser!(u32).range(1..=65536))]
    dim: Option<u32>,
    /// Vectors: the domain that they belong to, where there are several
    #[arg(long, value_name = "NAME", requires = "vectors")]
    domain: Option<String>,
    /// Sound: seconds that are heard, from the start [default: 120]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
    /// Texts: the longest in tokens [default: what the model folder says]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Texts: read descriptions too, their first 600 characters
    #[arg(long)]
    descriptions: bool,
    /// Texts: address of an OpenAI-compatible embeddings endpoint, up to and with `/v1`; its key comes from `SEGUE_ENDPOINT_KEY`
    #[arg(long, value_name = "ADDRESS")]
    endpoint: Option<String>,
    /// Price of a million tokens of the endpoint, to show what it cost
    #[arg(long, value_name = "PRICE", requires = "endpoint")]
    price: Option<f64>,
}

/// Encodes and writes the vectors into the data set folder.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let (dataset, _) = store::read(&args.data)?;
    if let Some(file) = &args.vectors {
        return vectors(args, file, &dataset, screen);
    }
    let model = args.model.as_deref().unwrap_or_default();
    match (args.modality, &args.files) {
        (Modality::Text, None) => texts(args, model, &dataset, screen),
        (Modality::Text, Some(_)) => Err(usage(
            "--files with `--modality text`",
            "texts are in the data set; files are of `image` or `audio`",
        )),
        (_, Some(files)) => media(args, model, files, &dataset, screen),
        (modality, None) => Err(usage(
            format!("`--modality {}` without files", modality.name()),
            "say where they are: --files FOLDER or --files TABLE.csv",
        )),
    }
}

// Vectors that were computed elsewhere.
fn vectors(args: &Args, file: &Path, dataset: &Dataset, screen: Screen) -> Result<()> {
    let given = GivenVectors {
        file,
        ids: args.ids.as_deref(),
        dim: args.dim.map(|dim| dim as usize),
        domain: args.domain.as_deref(),
    };
    let (vectors, figures) = given.read(dataset, args.modality)?;
    let path = write_vectors(&args.data, args.modality, &dataset.items, &vectors)?;
    screen.say(figures.in_words())?;
    screen.say(format!("vectors in {}", path.display()))?;
    screen.document(&serde_json::json!({ "figures": figures, "file": path }))
}

fn media(args: &Args, model: &str, place: &Path, dataset: &Dataset, screen: Screen) -> Result<()> {
    let modality = args.modality;
    if args.endpoint.is_some() || args.descriptions || args.max_tokens.is_some() {
        return Err(usage(
            format!("--endpoint, --descriptions and --max-tokens with `--modality {}`", modality.name()),
            "they are for texts",
        ));
    }
    let encoder = MediaEncoder::open(model, modality, args.seconds)?;
    let files = media_files::find(place, &dataset.items)?;
    let (vectors, figures) = encode_files(&encoder, &dataset.items, &files, &Terminal::new(screen))?;
    let path = write_vectors(&args.data, modality, &dataset.items, &vectors)?;
    screen.say(figures.in_words())?;
    for broken in figures.broken.iter().take(BROKEN_SHOWN) {
        screen.say(format!("  broken: {}: {}", broken.file.display(), broken.reason))?;
    }
    if figures.n_broken > BROKEN_SHOWN {
        screen.say(format!(
            "  and {} more; `--json` names the first hundred",
            figures.n_broken - BROKEN_SHOWN
        ))?;
    }
    if figures.n_of_no_item > 0 {
        screen.say(format!("  {} names are of no item", count(figures.n_of_no_item)))?;
    }
    screen.say(format!("vectors in {}", path.display()))?;
    screen.document(&serde_json::json!({ "figures": figures, "file": path }))
}

fn texts(args: &Args, model: &str, dataset: &Dataset, screen: Screen) -> Result<()> {
    if dataset.items.fields().is_empty() {
        let problem = format!("the items of `{}` have no text", args.data.display());
        return Err(usage(problem, "import an item table with titles or descriptions"));
    }
    let mut provider = match &args.endpoint {
        Some(address) => {
            let key = std::env::var("SEGUE_ENDPOINT_KEY").ok();
            Provider::Endpoint(Endpoint::new(address, model, key)?)
        }
        None => Provider::model(model, args.max_tokens)?,
    };
    let fields = if args.descriptions { TextFields::All } else { TextFields::Short };
    let (vectors, figures) = encode_items(&mut provider, &dataset.items, fields, &Terminal::new(screen))?;
    let path = write_vectors(&args.data, Modality::Text, &dataset.items, &vectors)?;
    screen.say(figures.in_words())?;
    if figures.endpoint_tokens > 0 {
        let cost = args.price.map_or(String::new(), |price| {
            format!(", cost {:.4}", price * figures.endpoint_tokens as f64 / 1e6)
        });
        screen
            .say(format!("the endpoint counted {} tokens{cost}", count(figures.endpoint_tokens as usize)))?;
    }
    screen.say(format!("vectors in {}; `segue train` uses them", path.display()))?;
    screen.document(&serde_json::json!({ "figures": figures, "file": path }))
}
