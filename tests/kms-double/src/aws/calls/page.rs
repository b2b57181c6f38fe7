//! Lists with pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::aws::call::Answer;
use crate::aws::failure::Failure;
use crate::aws::members::Members;
use crate::aws::operation::Operation;

/// How a list is paged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    /// The member with the list.
    pub(super) list: &'static str,
    /// The default number of items on a page.
    pub(super) default: u32,
    /// The maximum that the caller can request.
    pub(super) max: u32,
}

/// One page of `items`, which are sorted by `key`. A marker says after which key the page begins. So if the list changes between two pages,
/// the items that stay are neither repeated nor lost.
pub(super) fn page<T>(
    members: &Members,
    operation: Operation,
    paging: Paging,
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    show: impl Fn(T) -> Value,
) -> Answer {
    let limit = members.int("Limit", 1, paging.max)?.unwrap_or(paging.default) as usize;
    let marker = members.sized("Marker", 1, 1024)?;
    let after = marker.map(|marker| read_marker(marker, operation)).transpose()?;
    let mut rest = items.skip_while(|item| after.as_ref().is_some_and(|after| key(item) <= *after));
    let mut shown = Vec::new();
    let mut last = String::new();
    for item in rest.by_ref().take(limit) {
        last = key(&item);
        shown.push(show(item));
    }
    let mut answer = json!({ (paging.list): shown, "Truncated": false });
    if rest.next().is_some() {
        answer = json!({ (paging.list): shown, "Truncated": true, "NextMarker": write_marker(&last, operation) });
    }
    Ok(answer)
}

fn write_marker(last: &str, operation: Operation) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}|{last}", operation.name()))
}

fn read_marker(marker: &str, operation: Operation) -> Result<String, Failure> {
    let invalid = || Failure::new("InvalidMarkerException", format!("Could not deserialize marker '{marker}'"));
    let bytes = URL_SAFE_NO_PAD.decode(marker).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    let (name, last) = text.split_once('|').ok_or_else(invalid)?;
    if name == operation.name() { Ok(last.to_owned()) } else { Err(invalid()) }
}
