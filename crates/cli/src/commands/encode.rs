//! `segue encode`: the texts of all items to vectors, for the `encoder` expert.

use std::path::PathBuf;

use anyhow::Result;
use segue_data::store;
use segue_models::item_vectors::TextFields;

use crate::encode::endpoint::Endpoint;
use crate::encode::{Provider, encode_items, write_vectors};
use crate::failure::usage;
use crate::number::count;
use crate::screen::Screen;

/// Arguments of `segue encode`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Known model (`segue model list`), model folder, or with --endpoint the name that the endpoint knows
    #[arg(long, value_name = "NAME|FOLDER")]
    model: String,
    /// Longest text in tokens [default: what the model folder says]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Read descriptions too, their first 600 characters
    #[arg(long)]
    descriptions: bool,
    /// Address of an OpenAI-compatible embeddings endpoint, up to and with `/v1`; its key comes from `SEGUE_ENDPOINT_KEY`
    #[arg(long, value_name = "ADDRESS")]
    endpoint: Option<String>,
    /// Price of a million tokens of the endpoint, to show what it cost
    #[arg(long, value_name = "PRICE", requires = "endpoint")]
    price: Option<f64>,
}

/// Encodes and writes the vectors into the data set folder.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let (dataset, _) = store::read(&args.data)?;
    if dataset.items.fields().is_empty() {
        let problem = format!("the items of `{}` have no text", args.data.display());
        return Err(usage(problem, "import an item table with titles or descriptions"));
    }
    let mut provider = match &args.endpoint {
        Some(address) => {
            let key = std::env::var("SEGUE_ENDPOINT_KEY").ok();
            Provider::Endpoint(Endpoint::new(address, &args.model, key)?)
        }
        None => Provider::model(&args.model, args.max_tokens)?,
    };
    let fields = if args.descriptions { TextFields::All } else { TextFields::Short };
    let (vectors, figures) = encode_items(&mut provider, (&dataset.items, fields), screen)?;
    let path = write_vectors(&args.data, &dataset.items, &vectors)?;
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
