//! Lists of CCKM: every page, or a failure.
//!
//! Pages are counted by what was skipped, so a row that comes or goes between two of them would be missed or seen twice. A list that does not add up is read
//! again, and never taken for a whole one.

use std::collections::HashSet;

use jiff::Timestamp;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::{CipherTrustKms, clock, convert::Page, operation::Operation};
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::rest::Ask,
};

/// Rows of a page. The largest that CCKM gives is not documented; this one is its web interface's.
const PAGE: u64 = 100;
/// How often a list is read until it adds up.
const READINGS: usize = 3;

/// A list that adds up.
#[derive(Debug)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// The time, by the clock of whoever answered, when its first page was.
    pub(super) now: Timestamp,
}

impl CipherTrustKms {
    /// Everything that the filter lets through, told apart by `id`.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        operation: Operation,
        subject: &str,
        path: &str,
        filter: &[(&'static str, String)],
        id: impl Fn(&T) -> &str,
    ) -> Result<List<T>, Failure> {
        for _ in 0..READINGS {
            let Some(list) = self.reading(operation, subject, path, filter).await? else { continue };
            let distinct: HashSet<&str> = list.items.iter().map(&id).collect();
            if distinct.len() == list.items.len() {
                return Ok(list);
            }
        }
        let message = format!("the list that CCKM answers to {} changes while it is read; it is tried again", operation.name());
        Err(self.caller.refuse(operation, subject, FailureKind::Conflict, message))
    }

    /// One reading; `None` if the total changed on the way.
    async fn reading<T: DeserializeOwned>(
        &self,
        operation: Operation,
        subject: &str,
        path: &str,
        filter: &[(&'static str, String)],
    ) -> Result<Option<List<T>>, Failure> {
        let (mut items, mut first) = (Vec::new(), None);
        loop {
            let mut query = filter.to_vec();
            query.extend([("skip", items.len().to_string()), ("limit", PAGE.to_string())]);
            let answer = self.caller.call(&Ask::new(operation, subject, Method::GET, path.to_owned()).query(query)).await?;
            let page: Page<T> = serde_json::from_slice(&answer.body).map_err(|error| self.caller.unusable(operation, subject, &error))?;
            let (total, now) = *first.get_or_insert_with(|| (page.total, clock::now(&answer)));
            if total != page.total {
                return Ok(None);
            }
            let resources = page.resources.unwrap_or_default();
            let empty = resources.is_empty();
            items.extend(resources);
            match (items.len() as u64).cmp(&total) {
                std::cmp::Ordering::Equal => return Ok(Some(List { items, now })),
                std::cmp::Ordering::Less if empty => {
                    return Err(self.caller.unusable(operation, subject, &"it has more rows, but does not give them"));
                }
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Greater => return Err(self.caller.unusable(operation, subject, &"it has more rows than it says")),
            }
        }
    }
}
