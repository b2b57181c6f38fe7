//! Tables for a terminal, as the subcommands print them.

use std::fmt;

use jiff::Timestamp;

use crate::text::shown;

/// What stands for a value that is not there.
pub(super) const NONE: &str = "-";

/// A title and a table with one row for each entry; nothing if there is none.
pub(super) fn section<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    columns: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> fmt::Result {
    // Anybody who may tag a key writes some of these texts. A terminal obeys control characters, and others make a reader see another word.
    let rows: Vec<[String; N]> = rows.map(|row| row.map(|cell| shown(&cell).into_owned())).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let head = columns.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    writeln!(f, "\n{title}")?;
    for row in [&head].into_iter().chain(&rows) {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(f, "{}", cells.join("   ").trim_end())?;
    }
    Ok(())
}

/// A number of things, in words.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A point in time.
pub(super) fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(|| NONE.to_owned(), |time| time.to_string())
}
