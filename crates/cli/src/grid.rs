//! Tables in the terminal: a header, a rule, rows; numbers to the right.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use comfy_table::{LineStyle, TableStyle};

use crate::screen::Screen;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Columns of a cell that may be broken.
const LEAST: Width = Width::Fixed(16);

/// A table under construction.
pub(crate) struct Grid {
    table: Table,
}

impl Grid {
    /// A table with these columns; a name that starts with `>` has its cells to the right.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(STYLE);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(Screen::width());
        table.set_header(columns.iter().map(|name| Cell::new(name.trim_start_matches('>'))));
        for (at, name) in columns.iter().enumerate() {
            if let Some(column) = table.column_mut(at).filter(|_| name.starts_with('>')) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table }
    }

    /// Never breaks the cells of these columns; what else there is takes the room that is left, a few words of it at least.
    pub(crate) fn keep_whole(&mut self, columns: &[&str]) {
        let header = self.table.header().map(|row| row.cell_iter().map(Cell::content).collect());
        let names: Vec<String> = header.unwrap_or_default();
        for (at, name) in names.iter().enumerate() {
            let is_whole = columns.contains(&name.as_str());
            let constraint = if is_whole {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(LEAST)
            };
            if let Some(column) = self.table.column_mut(at) {
                column.set_constraint(constraint);
            }
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: &[String]) {
        self.table.add_row(cells.iter().map(Cell::new));
    }

    /// The table as text, without spaces at the ends of lines.
    pub(crate) fn text(&self) -> String {
        self.table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}
