//! Tables in the terminal: a header, a rule, rows; numbers to the right.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use comfy_table::{LineStyle, TableStyle};

use crate::screen::Screen;

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Spaces around a cell.
const PADDING: u16 = 2;

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

    /// Never breaks a word of the rows that it has, so that names can be copied; a narrow terminal then gets lines that are too long.
    pub(crate) fn keep_words_whole(&mut self) {
        for at in 0..self.table.column_count() {
            let cells = self.table.row_iter().filter_map(|row| row.cell_iter().nth(at));
            let widths = cells.flat_map(|cell| {
                cell.content().split_whitespace().map(console::measure_text_width).collect::<Vec<_>>()
            });
            let longest = widths.max().unwrap_or(0) as u16 + PADDING;
            if let Some(column) = self.table.column_mut(at) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(longest)));
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
