//! Lists with pages and an opaque marker.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::huawei::call::Result;
use crate::huawei::failure::{Code, Failure};

/// The page parameters of a request. Both are texts, in bodies too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging<'a> {
    /// The default number of items on a page.
    pub(super) default: usize,
    /// The maximum that the caller can request.
    pub(super) max: usize,
    pub(super) limit: Option<&'a str>,
    pub(super) marker: Option<&'a str>,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The marker of the next page, if there is one.
    pub(super) next: Option<String>,
}

/// One page of `items`, which are sorted by `key`. A marker says after which key the page begins. So if the list changes between two pages,
/// the items that stay are neither repeated nor lost.
pub(super) fn page<T>(paging: Paging<'_>, items: impl Iterator<Item = T>, key: impl Fn(&T) -> String) -> Result<Page<T>> {
    let limit = paging.limit.map_or(Ok(paging.default), |text| read_limit(text, paging.max))?;
    let after = paging.marker.filter(|marker| !marker.is_empty()).map(read_marker).transpose()?;
    let mut rest = items.skip_while(|item| after.as_ref().is_some_and(|after| key(item) <= *after));
    let shown: Vec<T> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = shown.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    Ok(Page { items: shown, next })
}

/// A number from 1 to `max`, as text.
pub(super) fn read_limit(text: &str, max: usize) -> Result<usize> {
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| Failure::because(Code::Limit, format!("expected 1 to {max}")))
}

fn read_marker(marker: &str) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| Failure::of(Code::Marker))
}
