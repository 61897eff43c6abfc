//! Which file belongs to which item: a folder whose files are named by item, or a table of items and paths.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::{ItemCatalog, ItemIdx};

use crate::failure::{failed, usage};

/// The items' files.
#[derive(Debug)]
pub struct MediaFiles {
    /// File of every item that has one, `[n_items]`.
    pub of_items: Vec<Option<PathBuf>>,
    /// Files whose name is no item of the data set.
    pub n_of_no_item: usize,
}

/// Names that the columns of a table may have.
const ITEM_COLUMNS: &[&str] = &["item", "item_id", "id", "asin"];
const PATH_COLUMNS: &[&str] = &["path", "file", "filename", "image", "audio"];

/// Finds the items' files under `place`.
///
/// # Errors
/// When the folder or the table cannot be read, or names no item.
pub fn find(place: &Path, items: &ItemCatalog) -> Result<MediaFiles> {
    let by_id = if place.is_dir() { in_folder(place)? } else { in_table(place)? };
    // One raw id may stand for an item in several domains: they all get the file.
    let of_items: Vec<Option<PathBuf>> =
        (0..items.len()).map(|item| by_id.get(items.raw(ItemIdx(item as u32))).cloned()).collect();
    let known: std::collections::HashSet<&str> =
        (0..items.len()).map(|item| items.raw(ItemIdx(item as u32))).collect();
    let n_of_no_item = by_id.keys().filter(|id| !known.contains(id.as_str())).count();
    if of_items.iter().all(Option::is_none) {
        let example = if items.is_empty() { "" } else { items.raw(ItemIdx(0)) };
        let problem = format!("none of the {} names in `{}` is an item", by_id.len(), place.display());
        return Err(failed(problem, format!("names must be the data set's item ids, such as `{example}`")));
    }
    Ok(MediaFiles { of_items, n_of_no_item })
}

// Files by their name without its last extension; hidden files and folders are passed by.
fn in_folder(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list `{}`", folder.display()))?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if stem.starts_with('.') || !path.is_file() {
            continue;
        }
        if let Some(other) = found.insert(stem.to_owned(), path.clone()) {
            let problem = format!("`{}` and `{}` are both of item `{stem}`", other.display(), path.display());
            return Err(failed(
                problem,
                "keep one of them, or name the files in a table: `--files TABLE.csv`",
            ));
        }
    }
    Ok(found)
}

// Columns of item ids and paths, named in the first line; a relative path begins where the table lies.
fn in_table(path: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let head = rows.next().map_or("", |(_, line)| line.trim_start_matches('\u{feff}'));
    let separator = if head.contains('\t') { '\t' } else { ',' };
    let names: Vec<String> = cells(head, separator).iter().map(|name| name.trim().to_lowercase()).collect();
    let column = |among: &[&str]| names.iter().position(|name| among.contains(&name.as_str()));
    let (Some(id_at), Some(path_at)) = (column(ITEM_COLUMNS), column(PATH_COLUMNS)) else {
        let problem = format!("the first line of `{}` is `{head}`", path.display());
        return Err(usage(
            problem,
            "a table of files begins with a line such as `item,path`, and has commas or tabs",
        ));
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut found = BTreeMap::new();
    let mut lines: HashMap<String, usize> = HashMap::new();
    for (at, line) in rows {
        let cells = cells(line, separator);
        let (Some(id), Some(file)) = (cells.get(id_at), cells.get(path_at)) else {
            let problem = format!("line {} of `{}` has {} cells", at + 1, path.display(), cells.len());
            return Err(failed(problem, format!("its first line names {}", names.len())));
        };
        if let Some(before) = lines.insert(id.clone(), at + 1) {
            let problem =
                format!("lines {before} and {} of `{}` are both of item `{id}`", at + 1, path.display());
            return Err(failed(problem, "an item has one file: keep one of the lines"));
        }
        if !file.is_empty() {
            found.insert(id.clone(), folder.join(file));
        }
    }
    Ok(found)
}

// The cells of a line; one in double quotes may hold the separator, and a quote as two.
fn cells(line: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let last = cells.len() - 1;
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                cells[last].push('"');
                characters.next();
            }
            '"' if is_quoted || cells[last].is_empty() => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => cells.push(String::new()),
            _ => cells[last].push(character),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use segue_data::Vocabulary;

    use super::*;

    fn catalog() -> ItemCatalog {
        let domain = |ids: &[&str]| ids.iter().copied().collect::<Vocabulary>();
        ItemCatalog::new(vec![domain(&["a", "b.c"]), domain(&["a", "d"])], Vec::new())
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("segue-media-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn files_are_found_by_name_in_every_domain_and_strangers_are_counted() {
        let folder = folder("names");
        for name in ["a.jpg", "b.c.png", "stranger.png", ".hidden"] {
            std::fs::write(folder.join(name), b"x").unwrap();
        }
        let files = find(&folder, &catalog()).unwrap();
        let (a, b) = (Some(folder.join("a.jpg")), Some(folder.join("b.c.png")));
        assert_eq!((files.of_items, files.n_of_no_item), (vec![a.clone(), b, a, None], 1));
        std::fs::write(folder.join("a.png"), b"x").unwrap();
        assert!(find(&folder, &catalog()).unwrap_err().to_string().contains("both of item `a`"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_table_names_files_beside_itself_or_anywhere() {
        let folder = folder("table");
        let table = folder.join("files.csv");
        std::fs::write(&table, "title,Item,path\n\"x, y\",d,\"p/q \"\"z\"\".png\"\nz,a,/abs.jpg\nz,no,x\n")
            .unwrap();
        let files = find(&table, &catalog()).unwrap();
        let absolute = Some(PathBuf::from("/abs.jpg"));
        let expected = vec![absolute.clone(), None, absolute, Some(folder.join("p/q \"z\".png"))];
        assert_eq!((files.of_items, files.n_of_no_item), (expected, 1));
        for (text, said) in
            [("a,b\n", "item,path"), ("item,path\na\n", "line 2"), ("item,path\na,x\na,y\n", "both of")]
        {
            std::fs::write(&table, text).unwrap();
            let error = format!("{}", find(&table, &catalog()).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
