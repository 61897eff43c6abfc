//! `segue benchmark`: the one recipe under a published protocol, with floors and published rows beside it.

mod tunings;

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue::encode::Provider;
use segue::failure::usage;
use segue_data::protocol::abxi::TieOrder;
use segue_study::benchmark::{
    AdaptOn, Adapting, Benchmark, BenchmarkData, BenchmarkReport, BenchmarkRequest, Protocol, ProtocolStudy,
    Published, Studied, StudyDocument, StudyKind, hash_of_all, measure,
};
use segue_train::encoder_fit::AdaptPlan;

use super::ablate::SwitchedOff;
use super::adapt::Training;
use crate::choice::choice;
use crate::screen::Screen;
use crate::show;
use crate::terminal::Terminal;

/// Arguments of `segue benchmark`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The published protocol
    #[arg(long, value_parser = choice(PROTOCOLS))]
    protocol: Protocol,
    /// Data in that protocol's format: a file, its folder, or a folder of such folders
    #[arg(long)]
    data: PathBuf,
    /// Number of seeds (`--first-seed`, one more, …): renumbering of items, search, sampled negatives, intervals
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first of them, to continue where another run ended
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
    #[arg(long, value_parser = choice(ADAPT_ON), default_value = "all", requires = "adapt")]
    adapt_on: AdaptOn,
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
    #[arg(long, value_parser = choice(STUDIES), conflicts_with = "adapt")]
    study: Option<StudyKind>,
    #[command(flatten)]
    switched_off: SwitchedOff,
    /// With `--study tunings`: which, comma-separated; without the flag frozen, full, lora, adalora, adapter, prefix
    #[arg(long, value_delimiter = ',', value_name = "TUNING", requires = "study")]
    tunings: Vec<String>,
    /// The process of one tuning, started by the study
    #[arg(long, hide = true, requires = "study")]
    one_tuning: Option<String>,
    /// Order of events with equal timestamps (abxi)
    #[arg(long, value_parser = choice(ORDERS), default_value = "published")]
    order: TieOrder,
    /// With --json: write the document to this file and show the tables all the same
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

const PROTOCOLS: &[(Protocol, &str, &str)] = &[
    (Protocol::S3rec, "s3rec", "S3-Rec text: leave-one-out, full ranking"),
    (Protocol::Minionerec, "minionerec", "`MiniOneRec` tables: global time split, full ranking"),
    (Protocol::Abxi, "abxi", "ABXI text: two domains, 999 sampled negatives"),
];
const ADAPT_ON: &[(AdaptOn, &str, &str)] = &[
    (AdaptOn::Target, "target", "The target's"),
    (AdaptOn::Sources, "sources", "The other domains'"),
    (AdaptOn::All, "all", "Both"),
];
const STUDIES: &[(StudyKind, &str, &str)] = &[
    (StudyKind::Ablate, "ablate", "What each part of the recipe adds"),
    (
        StudyKind::Fusion,
        "fusion",
        "Fusion of modalities against a late blend of single ones, and whether its weights are true",
    ),
    (StudyKind::Transfer, "transfer", "Which other domain helps which target"),
    (
        StudyKind::ColdItems,
        "cold-items",
        "How well items are found that nobody has touched: 5 % are held out",
    ),
    (
        StudyKind::ColdUsers,
        "cold-users",
        "How well users are served who are new to the domain and known in another: 20 % are held out",
    ),
    (
        StudyKind::Tunings,
        "tunings",
        "What each way to tune the encoder costs, and what its vectors are worth",
    ),
];
const ORDERS: &[(TieOrder, &str, &str)] = &[
    (TieOrder::Published, "published", "As published"),
    (TieOrder::Shuffled(0), "ties-shuffled", "Shuffled within each user, seed 0"),
];

impl Args {
    fn request(&self) -> BenchmarkRequest {
        BenchmarkRequest {
            protocol: self.protocol,
            data: self.data.clone(),
            seeds: self.first_seed..self.first_seed.saturating_add(self.seeds),
            targets: self.target.clone(),
            budget: self.budget,
            experts: self.experts.clone(),
            set: self.set.clone(),
            titles: self.titles.clone(),
            ids_only: self.ids_only,
            order: self.order,
            refits: !self.no_refit,
        }
    }

    /// What the process of one tuning must be told besides the data and the tuning.
    fn flags_of_one_tuning(&self, seed: u64) -> Vec<String> {
        let mut flags = self.training.flags(seed);
        let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
        if let Some(encoder) = &self.encoder {
            add("--encoder", encoder.clone());
        }
        if let Some(titles) = &self.titles {
            add("--titles", titles.display().to_string());
        }
        if self.order != TieOrder::Published {
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
    let request = args.request();
    // The process of one tuning sees one data set of several; the names were checked by the one that started it.
    if args.one_tuning.is_none() {
        request.check_targets()?;
    }
    if args.study == Some(StudyKind::Tunings) {
        return tunings::run(args, &request, screen);
    }
    if !args.tunings.is_empty() || args.one_tuning.is_some() {
        return Err(usage("--tunings belongs to another study", "add --study tunings"));
    }
    let provider = args.encoder.as_deref().map(|name| Provider::model(name, None)).transpose()?;
    if args.study != Some(StudyKind::Ablate) && !args.switched_off.request().is_empty() {
        let problem = "--parts, --graph and --modality belong to an ablation";
        return Err(usage(problem, "add `--study ablate`"));
    }
    match args.study {
        Some(kind) => run_study(args, &request, kind, provider, screen),
        None => run_recipe(args, &request, provider, screen),
    }
}

fn run_recipe(
    args: &Args,
    request: &BenchmarkRequest,
    mut provider: Option<Provider>,
    screen: Screen,
) -> Result<()> {
    let published = Published::of(args.protocol.name())?;
    let terminal = Terminal::new(screen);
    let mut measured = Vec::new();
    for path in request.find()? {
        for seed in request.seeds.clone() {
            let data = request.read(&path, seed)?;
            let data = BenchmarkData::encoded(data, &path, provider.as_mut(), &terminal)?;
            let benchmark = Benchmark {
                protocol: args.protocol,
                recipe: request.recipe(seed)?,
                adapting: adapting(args, seed, provider.as_ref())?,
                published: &published,
                observer: &terminal,
            };
            measured.push(measure(&benchmark, &data, &request.targets)?);
        }
    }
    let report = BenchmarkReport::new(args.protocol.name(), &args.data, &measured, &published);
    let text = serde_json::to_string_pretty(&report)?;
    write_document(args, &text)?;
    if screen.json && args.file.is_none() {
        Screen::raw(&format!("{text}\n"))
    } else {
        show::benchmark::tables::tables(&report, &measured)
    }
}

fn adapting<'a>(args: &Args, seed: u64, provider: Option<&'a Provider>) -> Result<Option<Adapting<'a>>> {
    let (Some(tuning), Some(provider)) = (args.adapt.as_deref(), provider) else { return Ok(None) };
    let plan = AdaptPlan { seed, ..args.training.plan(tuning)? };
    Ok(Some(Adapting { plan, on: args.adapt_on, provider }))
}

fn run_study(
    args: &Args,
    request: &BenchmarkRequest,
    kind: StudyKind,
    mut provider: Option<Provider>,
    screen: Screen,
) -> Result<()> {
    let shown = if args.file.is_some() { Screen { json: false, ..screen } } else { screen };
    let terminal = Terminal::new(screen);
    let mut studied = Studied::default();
    let mut hashes = Vec::new();
    for path in request.find()? {
        for seed in request.seeds.clone() {
            let data = request.read(&path, seed)?;
            let data = BenchmarkData::encoded(data, &path, provider.as_mut(), &terminal)?;
            let study = ProtocolStudy {
                kind,
                protocol: args.protocol,
                recipe: &request.recipe(seed)?,
                ablation: &args.switched_off.request(),
                targets: &request.targets,
                observer: &terminal,
            };
            studied.add(&study, &data)?;
            hashes.push(data.data.sha256);
        }
    }
    show_studied(&studied, shown)?;
    let document = StudyDocument { data_sha256: hash_of_all(hashes), studied };
    write_document(args, &serde_json::to_string_pretty(&document)?)?;
    if args.file.is_none() { screen.document(&document) } else { Ok(()) }
}

fn show_studied(studied: &Studied, screen: Screen) -> Result<()> {
    studied.ablations.iter().try_for_each(|table| show::ablation::show(table, screen))?;
    studied.fusions.iter().try_for_each(|table| show::fusion::show(table, screen))?;
    studied.cold_items.iter().try_for_each(|measured| show::cold_items::show(measured, screen))?;
    studied.cold_users.iter().try_for_each(|measured| show::cold_users::show(measured, screen))?;
    if studied.transfers.is_empty() { Ok(()) } else { show::selection::show(&studied.transfers, screen) }
}

fn write_document(args: &Args, text: &str) -> Result<()> {
    let Some(file) = &args.file else { return Ok(()) };
    std::fs::write(file, format!("{text}\n")).with_context(|| format!("writing `{}`", file.display()))
}
