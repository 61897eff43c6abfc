//! A file of lists, one row per user and item: Parquet, CSV or JSON lines by the name's end. It appears whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::table::{Column, Columns, TableWriter};
use serde::Serialize;

use crate::failure::usage;

/// One place of one list.
#[derive(Clone, Debug, Serialize)]
pub struct ListRow {
    /// Raw id of the user.
    pub user: String,
    /// Domain of the item.
    pub domain: String,
    /// Raw id of the item.
    pub item: String,
    /// Place from 1.
    pub rank: u32,
    /// Blended score.
    pub score: f32,
}

/// A file under construction.
pub struct ListFile {
    to: PathBuf,
    aside: PathBuf,
    writer: Option<Writer>,
}

enum Writer {
    Parquet(Box<TableWriter>),
    Csv(BufWriter<File>),
    JsonLines(BufWriter<File>),
}

impl ListFile {
    /// Starts the file that will be `to`.
    ///
    /// # Errors
    /// When the name has no known ending, or the file cannot be created.
    pub fn create(to: &Path) -> Result<Self> {
        let name = to.file_name().context("the file needs a name")?.to_string_lossy();
        let aside = to.with_file_name(format!(".{name}.partial-{}", std::process::id()));
        let end = to.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
        let text = || File::create(&aside).map(BufWriter::new).with_context(|| cannot_write(to));
        let writer = match end.as_str() {
            "parquet" => Writer::Parquet(Box::new(TableWriter::create(&aside, &columns(Vec::new()))?)),
            "csv" => Writer::Csv(with_header(text()?, to)?),
            "jsonl" | "ndjson" => Writer::JsonLines(text()?),
            _ => {
                let problem = format!("`{}`: the end of the name tells the format", to.display());
                return Err(usage(problem, "end it with .parquet, .csv or .jsonl"));
            }
        };
        Ok(Self { to: to.to_owned(), aside, writer: Some(writer) })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, rows: Vec<ListRow>) -> Result<()> {
        match &mut self.writer {
            Some(Writer::Parquet(table)) => table.write(&columns(rows))?,
            Some(Writer::Csv(out)) => {
                for row in &rows {
                    let (user, item, domain) = (quoted(&row.user), quoted(&row.item), quoted(&row.domain));
                    writeln!(out, "{user},{item},{},{},{domain}", row.score, row.rank)
                        .with_context(|| cannot_write(&self.to))?;
                }
            }
            Some(Writer::JsonLines(out)) => {
                for row in &rows {
                    let line = serde_json::to_string(row)?;
                    writeln!(out, "{line}").with_context(|| cannot_write(&self.to))?;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Finishes the file, waits until it is on disk, and gives it its name.
    ///
    /// # Errors
    /// When the file cannot be written or renamed.
    pub fn finish(mut self) -> Result<()> {
        match self.writer.take() {
            Some(Writer::Parquet(table)) => table.finish()?,
            Some(Writer::Csv(out) | Writer::JsonLines(out)) => {
                let file = out
                    .into_inner()
                    .map_err(std::io::IntoInnerError::into_error)
                    .with_context(|| cannot_write(&self.to))?;
                file.sync_all().with_context(|| cannot_write(&self.to))?;
            }
            None => {}
        }
        fs::rename(&self.aside, &self.to).with_context(|| cannot_write(&self.to))
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        // Nothing is left of a file that failed; after renaming there is nothing to remove.
        let _ = fs::remove_file(&self.aside);
    }
}

fn columns(rows: Vec<ListRow>) -> Columns {
    let (mut users, mut domains, mut items) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ranks, mut scores) = (Vec::new(), Vec::new());
    for row in rows {
        users.push(row.user);
        domains.push(row.domain);
        items.push(row.item);
        ranks.push(row.rank as i32);
        scores.push(row.score);
    }
    vec![
        ("user".into(), Column::Text(users)),
        ("domain".into(), Column::Text(domains)),
        ("item".into(), Column::Text(items)),
        ("rank".into(), Column::I32(ranks)),
        ("score".into(), Column::F32(scores)),
    ]
}

fn with_header(mut out: BufWriter<File>, to: &Path) -> Result<BufWriter<File>> {
    writeln!(out, "user,item,score,rank,domain").with_context(|| cannot_write(to))?;
    Ok(out)
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn cannot_write(to: &Path) -> String {
    format!("cannot write `{}`", to.display())
}
