//! `segue benchmark`: the one recipe under a published protocol, with floors and published rows beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::protocol::{ProtocolData, abxi, minionerec, s3rec};
use segue_models::ItemVectors;
use segue_models::item_vectors::TextFields;
use segue_train::encoder_fit::AdaptPlan;
use segue_train::{FitPlan, MaskRule, Objective, SampledNegatives};

use self::adapted::Adapting;
use self::measure::{Subject, measure};
use self::published::Published;
use self::study::{Studied, Study, StudyDocument};
use crate::ablation::Asked;
use crate::commands::adapt::Training;
use crate::encode::{Provider, encode_items};
use crate::failure::usage;
use crate::screen::Screen;

mod adapted;
mod measure;
mod meter;
mod print;
mod published;
mod row;
mod steps;
mod study;
mod targets;
mod tunings;

/// Arguments of `segue benchmark`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The published protocol
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// Data in that protocol's format: a file, its folder, or a folder of such folders
    #[arg(long)]
    data: PathBuf,
    /// Number of seeds (`--first-seed`, one more, …): renumbering of items, search, sampled negatives, intervals
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first of them, to go on where another run ended
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..1 << 32))]
    first_seed: u64,
    /// Domains to measure, comma-separated; all without the flag. The others still help them
    #[arg(long, value_delimiter = ',', value_name = "DOMAIN")]
    target: Vec<String>,
    /// Settings tried per expert
    #[arg(long, default_value_t = 24)]
    budget: usize,
    /// Item titles to join by raw id (abxi): a TSV with columns `asin` and `title`
    #[arg(long)]
    titles: Option<PathBuf>,
    /// Encode the item texts (cached) for the expert `encoder`: known model (`segue model list`) or model folder
    #[arg(long, value_name = "NAME|FOLDER", conflicts_with = "ids_only")]
    encoder: Option<String>,
    /// Adapt the encoder first: full, lora, adalora, adapter or prefix (frozen: not)
    #[arg(long, value_name = "TUNING", requires = "encoder")]
    adapt: Option<String>,
    /// Whose events adapt it
    #[arg(long, value_enum, default_value_t = Lessons::All, requires = "adapt")]
    adapt_on: Lessons,
    #[command(flatten)]
    training: Training,
    /// Use ids only: leave out all item text
    #[arg(long)]
    ids_only: bool,
    /// Kinds of experts to train, comma-separated; all without the flag
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    experts: Vec<String>,
    /// Another value for a setting of the recipe, for experiments: `transfer.sequence.width=64` (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Leave out the refit on train and valid
    #[arg(long)]
    no_refit: bool,
    /// In place of the tables: what each part adds, which domain helps which, how unseen items are found, how new users are served, or
    /// what each way to tune the encoder is worth
    #[arg(long, value_enum, conflicts_with = "adapt")]
    study: Option<Study>,
    #[command(flatten)]
    asked: Asked,
    /// With `--study tunings`: which, comma-separated; without the flag frozen, full, lora, adalora, adapter, prefix
    #[arg(long, value_delimiter = ',', value_name = "TUNING", requires = "study")]
    tunings: Vec<String>,
    /// The process of one tuning, started by the study
    #[arg(long, hide = true, requires = "study")]
    one_tuning: Option<String>,
    /// Order of events with equal timestamps (abxi)
    #[arg(long, value_enum, default_value_t = Order::Published)]
    order: Order,
    /// With --json: write the document to this file and show the tables all the same
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// S3-Rec text: leave-one-out, full ranking
    S3rec,
    /// `MiniOneRec` tables: global time split, full ranking
    Minionerec,
    /// ABXI text: two domains, 999 sampled negatives
    Abxi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    /// As published
    Published,
    /// Shuffled within each user, seed 0
    TiesShuffled,
}

/// Whose events an encoder is adapted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Lessons {
    /// The target's
    Target,
    /// The other domains'
    Sources,
    /// Both
    All,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::S3rec => "s3rec",
            Self::Minionerec => "minionerec",
            Self::Abxi => "abxi",
        }
    }

    /// The one recipe under this protocol: only what the protocol fixes differs.
    fn plan(self, seed: u64) -> FitPlan {
        let objective = match self {
            Self::S3rec => Objective::Masked,
            Self::Minionerec => Objective::Unmasked,
            Self::Abxi => Objective::Sampled,
        };
        FitPlan { seed, objective, ..FitPlan::default() }
    }

    fn mask(self) -> MaskRule {
        match self {
            // The floors of this table leave the target in; the strict rule is measured beside it.
            Self::Minionerec => MaskRule::SeenExceptTarget,
            Self::S3rec | Self::Abxi => MaskRule::Seen,
        }
    }

    fn negatives(self, seed: u64) -> Option<SampledNegatives> {
        (self == Self::Abxi).then_some(SampledNegatives { n: 999, seed })
    }
}

impl Args {
    // What the process of one tuning must be told besides the data and the tuning.
    fn flags_of_one_tuning(&self, seed: u64) -> Vec<String> {
        let mut flags = self.training.flags(seed);
        let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
        if let Some(encoder) = &self.encoder {
            add("--encoder", encoder.clone());
        }
        if let Some(titles) = &self.titles {
            add("--titles", titles.display().to_string());
        }
        if self.order == Order::TiesShuffled {
            add("--order", "ties-shuffled".to_owned());
        }
        self.set.iter().for_each(|set| add("--set", set.clone()));
        self.target.iter().for_each(|target| add("--target", target.clone()));
        flags
    }
}

/// Runs the protocol over all data sets and seeds; with `json` the rows go to standard output instead of tables.
///
/// # Errors
/// When the data cannot be read, nothing can be fitted, or the JSON file cannot be written.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let json = screen.json;
    targets::check(args)?;
    if args.study == Some(Study::Tunings) {
        return tunings::run(args, screen);
    }
    if !args.tunings.is_empty() || args.one_tuning.is_some() {
        return Err(usage("--tunings belongs to another study", "add --study tunings"));
    }
    let mut provider = args.encoder.as_deref().map(|name| Provider::model(name, None)).transpose()?;
    let published = Published::of(args.protocol.name())?;
    if args.study != Some(Study::Ablate) && !args.asked.is_empty() {
        let problem = "--parts, --graph and --modality belong to an ablation";
        return Err(usage(problem, "add `--study ablate`"));
    }
    if let Some(study) = args.study {
        return run_study(args, study, provider, screen);
    }
    let mut measured = Vec::new();
    for path in find(args)? {
        for seed in args.first_seed..args.first_seed.saturating_add(args.seeds) {
            let data = read(args, &path, seed)?;
            let vectors = provider.as_mut().map(|provider| vectors(provider, &data, screen)).transpose()?;
            let plan = plan(args, seed)?;
            let adapting = args.adapt.as_deref().map(|tuning| -> Result<_> {
                let plan = AdaptPlan { seed, ..args.training.plan(tuning)? };
                Ok(Adapting { plan, lessons: args.adapt_on })
            });
            let subject = Subject {
                protocol: args.protocol,
                plan,
                refits: !args.no_refit,
                vectors,
                adapting: adapting.transpose()?.zip(provider.as_ref()),
                screen,
            };
            measured.push(measure(&subject, (&data, &args.target), &published)?);
        }
    }
    let report = row::Report::new(args.protocol.name(), &args.data, &measured, &published);
    let text = serde_json::to_string_pretty(&report)?;
    write_document(args, &text)?;
    if json && args.file.is_none() {
        print::raw(&text);
    } else {
        print::tables(&report, &measured);
    }
    Ok(())
}

fn run_study(args: &Args, study: Study, provider: Option<Provider>, screen: Screen) -> Result<()> {
    let mut provider = provider;
    let shown = if args.file.is_some() { Screen { json: false, ..screen } } else { screen };
    let mut studied = Studied::default();
    let mut hashes = Vec::new();
    for path in find(args)? {
        for seed in args.first_seed..args.first_seed.saturating_add(args.seeds) {
            let data = read(args, &path, seed)?;
            let vectors = provider.as_mut().map(|provider| vectors(provider, &data, screen)).transpose()?;
            let plan = plan(args, seed)?;
            let fitted = (&plan, vectors.as_ref());
            let asked = (&args.asked, args.target.as_slice(), !args.no_refit);
            studied.add((study, args.protocol), &data, fitted, asked, shown)?;
            hashes.push(data.sha256);
        }
    }
    studied.show(shown)?;
    let document = StudyDocument { data_sha256: row::hash_of_all(hashes), studied };
    write_document(args, &serde_json::to_string_pretty(&document)?)?;
    if args.file.is_none() { screen.document(&document) } else { Ok(()) }
}

fn write_document(args: &Args, text: &str) -> Result<()> {
    let Some(file) = &args.file else { return Ok(()) };
    std::fs::write(file, format!("{text}\n")).with_context(|| format!("writing `{}`", file.display()))
}

// The recipe with what the arguments change of it.
fn plan(args: &Args, seed: u64) -> Result<FitPlan> {
    let plan = FitPlan { budget: args.budget, ..args.protocol.plan(seed) };
    let mut value = serde_json::to_value(plan)?;
    if !args.experts.is_empty() {
        value["experts"] = serde_json::to_value(&args.experts)?;
    }
    let remedy = "for example `--set transfer.sequence.width=64 --set budget=1`";
    for given in &args.set {
        let (path, text) = given.split_once('=').ok_or_else(|| usage(format!("--set {given}"), remedy))?;
        let pointer = format!("/{}", path.replace('.', "/"));
        let place = value.pointer_mut(&pointer);
        let place =
            place.ok_or_else(|| usage(format!("--set {path}: the recipe has no such key"), remedy))?;
        *place = serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned()));
    }
    serde_json::from_value(value).map_err(|error| usage(format!("--experts or --set: {error}"), remedy))
}

fn vectors(provider: &mut Provider, data: &ProtocolData, screen: Screen) -> Result<ItemVectors> {
    let (vectors, figures) = encode_items(provider, (&data.dataset.items, TextFields::Short), screen)?;
    Screen::note(&figures.in_words());
    Ok(vectors)
}

fn find(args: &Args) -> Result<Vec<PathBuf>> {
    let found = match args.protocol {
        Protocol::S3rec => s3rec::find(&args.data),
        Protocol::Minionerec => minionerec::find(&args.data),
        Protocol::Abxi => abxi::find(&args.data),
    };
    found.with_context(|| format!("looking for {} data in `{}`", args.protocol.name(), args.data.display()))
}

fn read(args: &Args, path: &Path, seed: u64) -> Result<ProtocolData> {
    let order = match args.order {
        Order::Published => abxi::TieOrder::Published,
        Order::TiesShuffled => abxi::TieOrder::Shuffled(0),
    };
    let mut data = match args.protocol {
        Protocol::S3rec => s3rec::read(path, seed),
        Protocol::Minionerec => minionerec::read(path, seed),
        Protocol::Abxi => abxi::read(path, args.titles.as_deref(), order, seed),
    }?;
    if args.ids_only {
        data.dataset.items = data.dataset.items.without_text();
    }
    Ok(data)
}
