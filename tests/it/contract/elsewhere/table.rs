//! What a run found, as a page in Markdown.

use std::fmt::Write as _;

use super::super::case::Case;

/// How a case ended.
#[derive(Debug)]
pub(super) enum End {
    /// As the document says.
    Held,
    /// Otherwise; what the case saw.
    Deviated(String),
    /// It did not run, because it needs this.
    NotRun(&'static str),
}

/// What a run found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Where it ran.
    pub(super) place: String,
    /// Each case with its end, in order.
    pub(super) ends: Vec<(&'static str, &'static str, End)>,
    /// How many keys of the suite are pending deletion now.
    pub(super) pending: usize,
    /// What could not be cleaned up, and what to do.
    pub(super) left: Vec<String>,
}

impl Findings {
    pub(super) fn put(&mut self, case: &'static Case, end: End) {
        self.ends.push((case.name, case.source, end));
    }

    /// The cases that deviated, with what was seen.
    pub(super) fn deviations(&self) -> Vec<(&'static str, &str)> {
        self.ends
            .iter()
            .filter_map(|(name, _, end)| match end {
                End::Deviated(what) => Some((*name, what.as_str())),
                End::Held | End::NotRun(_) => None,
            })
            .collect()
    }

    pub(super) fn page(&self) -> String {
        let held = self.ends.iter().filter(|(.., end)| matches!(end, End::Held)).count();
        let mut page = format!(
            "# The contract suite on {}\n\n{held} cases hold, {} deviate. {} keys of the suite are pending deletion.\n",
            self.place,
            self.deviations().len(),
            self.pending
        );
        let mut table = |head: &str, column: &str, rows: Vec<(&str, &str, &str)>| {
            if rows.is_empty() {
                return;
            }
            write!(page, "\n## {head}\n\n| case | document | {column} |\n|---|---|---|\n").expect("a text");
            for (name, source, what) in rows {
                let what = what.replace('|', "\\|").replace(['\n', '\r'], " ");
                writeln!(page, "| {} | {source} | {what} |", name.replace('_', " ")).expect("a text");
            }
        };
        let rows = |wanted: fn(&End) -> Option<&str>| {
            self.ends.iter().filter_map(|(name, source, end)| Some((*name, *source, wanted(end)?))).collect::<Vec<_>>()
        };
        table("Deviations", "what came back", rows(|end| if let End::Deviated(what) = end { Some(what) } else { None }));
        table("Not run", "it needs", rows(|end| if let End::NotRun(need) = end { Some(need) } else { None }));
        if !self.left.is_empty() {
            page.push_str("\n## Not cleaned up\n\n");
            for left in &self.left {
                writeln!(page, "- {left}").expect("a text");
            }
        }
        page
    }
}
