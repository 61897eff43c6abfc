//! A table file as a stream of batches of its wanted columns.

use super::batch::Batch;
use super::blocks::{Block, BlockReader};
use super::bytes::ByteSource;
use super::columnar::ColumnarReader;
use super::delimited::DelimitedParser;
use super::jsonl::JsonParser;
use super::report::{Layout, Role, TableReport};
use crate::error::DataError;

/// Blocks that are parsed at once.
const GROUP_BLOCKS: usize = 8;

/// One table as it comes from the disk, block by block.
pub(super) enum TableFeed {
    Blocks(BlockReader),
    Columnar(Box<ColumnarReader>),
}

/// Turns what a feed gives into batches; shared by threads.
pub(super) enum TableParser {
    Text(DelimitedParser),
    Json(JsonParser),
    Columnar,
}

/// What was read but not parsed.
pub(super) enum Unparsed {
    Block(Block),
    Batch(Batch),
}

/// Opens a table; its batches have the columns whose role is not [`Role::Unused`], in file order.
pub(super) fn open(table: &TableReport) -> Result<(TableFeed, TableParser), DataError> {
    let used = || table.columns.iter().enumerate().filter(|(_, column)| column.role != Role::Unused);
    let positions: Vec<usize> = used().map(|(at, _)| at).collect();
    match &table.layout {
        Layout::Text(dialect) => {
            let blocks = BlockReader::new(ByteSource::open(&table.path)?, dialect.quoted());
            let parser = DelimitedParser::new(dialect.clone(), positions, table.header.clone());
            Ok((TableFeed::Blocks(blocks), TableParser::Text(parser)))
        }
        Layout::JsonLines(encoding) => {
            let names = used().map(|(_, column)| column.name.clone()).collect();
            let blocks = BlockReader::new(ByteSource::open(&table.path)?, None);
            Ok((TableFeed::Blocks(blocks), TableParser::Json(JsonParser::new(names, *encoding))))
        }
        Layout::Parquet => {
            let reader = ColumnarReader::open(&table.path, &positions)?;
            Ok((TableFeed::Columnar(Box::new(reader)), TableParser::Columnar))
        }
        Layout::OfFormat => {
            let problem = "this file is not a table";
            Err(DataError::format(&table.path, None, problem, "report this as a bug"))
        }
    }
}

/// The roles of a batch's columns, in batch order.
pub(super) fn used_roles(table: &TableReport) -> Vec<Role> {
    let used = table.columns.iter().filter(|column| column.role != Role::Unused);
    used.map(|column| column.role.clone()).collect()
}

impl TableFeed {
    /// Reads the next group; empty at the end.
    pub(super) fn read(&mut self) -> Result<Vec<Unparsed>, DataError> {
        let mut group = Vec::new();
        while group.len() < GROUP_BLOCKS {
            let next = match self {
                Self::Blocks(blocks) => blocks.next()?.map(Unparsed::Block),
                Self::Columnar(reader) => reader.next()?.map(Unparsed::Batch),
            };
            match next {
                Some(unparsed) => group.push(unparsed),
                None => break,
            }
        }
        Ok(group)
    }

    /// Bytes read of the stored file so far.
    pub(super) fn n_bytes(&self) -> u64 {
        match self {
            Self::Blocks(blocks) => blocks.source().n_bytes(),
            Self::Columnar(reader) => reader.n_bytes(),
        }
    }

    /// SHA-256 of the stored file, once all was read.
    pub(super) fn sha256(&self) -> Result<String, DataError> {
        match self {
            Self::Blocks(blocks) => Ok(blocks.source().sha256()),
            Self::Columnar(reader) => crate::hash::of_file(reader.path()),
        }
    }
}

impl TableParser {
    /// Finds the cells of a block; rows that cannot be cut into cells are in the batch as bad ones.
    pub(super) fn parse(&self, unparsed: Unparsed) -> Batch {
        match (self, unparsed) {
            (_, Unparsed::Batch(batch)) => batch,
            (Self::Text(parser), Unparsed::Block(block)) => parser.parse(block),
            (Self::Json(parser), Unparsed::Block(block)) => parser.parse(block),
            (Self::Columnar, Unparsed::Block(_)) => Batch::default(),
        }
    }
}
