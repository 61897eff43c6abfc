//! `segue import`: files in, a data set folder out; every guess is shown and every row left out is counted.

use std::path::{Path, PathBuf};

use anyhow::Result;
use segue_data::import::{
    ColumnRoles, DomainGroup, Encoding, Format, ImportOptions, Source, domain_name, import_to, sniff,
};

use segue_data::name_match::DEFAULT_CONFIDENCE;

use crate::screen::Screen;
use crate::show::import_tables;
use segue::failure::usage;

/// Arguments of `segue import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or folders; DOMAIN=PATH says which domain the items belong to
    #[arg(required = true, value_name = "[DOMAIN=]PATH")]
    sources: Vec<String>,
    /// Data set folder to write
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    to: Option<PathBuf>,
    /// Show what would be read, and read nothing
    #[arg(long)]
    dry_run: bool,
    /// Name of the data set [default: name of the first source]
    #[arg(long)]
    name: Option<String>,
    /// Layout of the sources [default: sniffed]
    #[arg(long, value_parser = format_names(), value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    columns: Columns,
    /// Cut into domains by the values of this column (genre, country, …)
    #[arg(long, value_name = "COLUMN")]
    domain_by: Option<String>,
    /// A domain made of several values of that column: NAME=VALUE,VALUE,… (may be repeated)
    #[arg(long, value_name = "NAME=VALUES", requires = "domain_by")]
    group: Vec<String>,
    /// Equal user ids in two domains are different people
    #[arg(long)]
    disjoint_users: bool,
    /// Leave out events with a lower rating
    #[arg(long, value_name = "VALUE")]
    min_rating: Option<f32>,
    /// Refuse a file when a larger share of its rows is bad
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    max_bad_share: f64,
    /// Separator of text tables: "," ";" "|" "::" tab space [default: sniffed]
    #[arg(long, value_name = "TEXT")]
    separator: Option<String>,
    /// Encoding of text [default: sniffed]
    #[arg(long, value_parser = ["utf8", "latin1", "utf8-or-latin1"])]
    encoding: Option<String>,
    /// Link items to the entities of the graph that have their names, where no link is stated
    #[arg(long)]
    link_by_name: bool,
    /// How sure such a link must be, from 0 to 1: equal names have 1
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_CONFIDENCE, requires = "link_by_name")]
    link_confidence: f64,
    /// Seed of the item numbering
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Columns named instead of guessed: a name of the header, or a position from 1.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Columns (a name of the header, or a position from 1)")]
#[expect(clippy::struct_field_names, reason = "the fields are the flags, and all flags end in -col")]
struct Columns {
    /// Who
    #[arg(long, value_name = "COLUMN")]
    user_col: Option<String>,
    /// What
    #[arg(long, value_name = "COLUMN")]
    item_col: Option<String>,
    /// Rating or weight
    #[arg(long, value_name = "COLUMN")]
    rating_col: Option<String>,
    /// When
    #[arg(long, value_name = "COLUMN")]
    time_col: Option<String>,
    /// Domain of the row
    #[arg(long, value_name = "COLUMN")]
    domain_col: Option<String>,
    /// Kind of event
    #[arg(long, value_name = "COLUMN")]
    event_col: Option<String>,
    /// Text about the item (may be repeated)
    #[arg(long, value_name = "COLUMN")]
    text_col: Vec<String>,
}

fn format_names() -> clap::builder::PossibleValuesParser {
    Format::ALL.map(Format::name).into()
}

/// Imports.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let options = options(args)?;
    let Some(to) = args.to.as_ref().filter(|_| !args.dry_run) else { return dry_run(&options, screen) };
    let bar = screen.bar(0, "reading");
    let (imported, head) = import_to(&options, to, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
        bar.set_message(format!("{} rows", segue_report::number::count(progress.rows)));
    })?;
    bar.finish_and_clear();
    import_tables::show(&imported, screen)?;
    screen.document(&import_tables::document(&imported, &head, to))?;
    screen.say(format!("\ndata set  {}\nnext      segue train {}", to.display(), to.display()))
}

fn dry_run(options: &ImportOptions, screen: Screen) -> Result<()> {
    let reports =
        options.sources.iter().map(|source| sniff(source, options)).collect::<Result<Vec<_>, _>>()?;
    screen.document(&reports)?;
    import_tables::show_reports(&reports, screen)
}

fn options(args: &Args) -> Result<ImportOptions> {
    let sources: Vec<Source> = args.sources.iter().map(|text| source(text)).collect();
    let name = match (&args.name, sources.first()) {
        (Some(name), _) => name.clone(),
        (None, Some(first)) => domain_name(&first.path),
        (None, None) => String::new(),
    };
    let columns = &args.columns;
    Ok(ImportOptions {
        format: args
            .format
            .as_deref()
            .and_then(|name| Format::ALL.into_iter().find(|format| format.name() == name)),
        columns: ColumnRoles {
            user: columns.user_col.clone(),
            item: columns.item_col.clone(),
            rating: columns.rating_col.clone(),
            time: columns.time_col.clone(),
            domain: columns.domain_col.clone(),
            event: columns.event_col.clone(),
            text: columns.text_col.clone(),
        },
        disjoint_users: args.disjoint_users,
        domain_by: args.domain_by.clone(),
        domain_groups: args.group.iter().map(|text| group(text)).collect::<Result<_>>()?,
        min_rating: args.min_rating,
        seed: args.seed,
        max_bad_share: args.max_bad_share,
        separator: args.separator.clone(),
        encoding: args.encoding.as_deref().map(|name| match name {
            "latin1" => Encoding::Latin1,
            "utf8-or-latin1" => Encoding::Utf8OrLatin1,
            _ => Encoding::Utf8,
        }),
        link_by_name: args.link_by_name.then_some(args.link_confidence),
        ..ImportOptions::new(name, sources)
    })
}

// `films=ratings.csv`; a path that exists as it stands is a path, whatever it contains.
fn source(text: &str) -> Source {
    match text.split_once('=') {
        Some((domain, path)) if !Path::new(text).exists() && !domain.is_empty() && !path.is_empty() => {
            Source { path: path.into(), domain: Some(domain.to_owned()) }
        }
        _ => Source { path: text.into(), domain: None },
    }
}

fn group(text: &str) -> Result<DomainGroup> {
    let parts = text.split_once('=').map(|(name, values)| {
        let values: Vec<String> =
            values.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect();
        DomainGroup { name: name.trim().to_owned(), values }
    });
    let remedy = "write NAME=VALUE,VALUE,… for example --group light=Comedy,Romance";
    parts
        .filter(|group| !group.name.is_empty() && !group.values.is_empty())
        .ok_or_else(|| usage(format!("--group `{text}` is not a name with values"), remedy))
}
