//! Lists of CCKM: every page, or a failure.
//!
//! A page begins after a number of skipped rows. If a row comes or goes between two pages, another row is missed or seen twice. A list
//! whose numbers do not fit is read again, and is never taken for a whole one.

use std::collections::HashSet;

use jiff::Timestamp;
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::{CipherTrustKms, clock, convert::Page, operation::Operation};
use crate::{
    domain::failure::{Failure, FailureKind},
    kms::rest::Call,
};

/// Rows per page. The maximum is not documented; this is what CCKM's web interface uses.
const PAGE: u64 = 100;
/// How often a list is read at most until its numbers fit.
const READINGS: usize = 3;

/// A whole list.
#[derive(Debug)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// The time of the first page, by the server's clock.
    pub(super) now: Timestamp,
}

impl CipherTrustKms {
    /// Everything that matches the filter. `id` tells the items apart.
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

    /// Reads the list once; `None` if the total changed meanwhile.
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
            let answer = self.caller.call(&Call::new(operation, subject, Method::GET, path.to_owned()).query(query)).await?;
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
