//! What all requests to Huawei have in common.

use reqwest::{Request, Url};

use super::{operation::Operation, sign};
use crate::kms::rest::Ask;

/// A request with path, query and body in their final form, without headers.
pub(super) fn request(base: &Url, ask: &Ask<'_, Operation>) -> Request {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), ask.path));
    if !ask.query.is_empty() {
        url.set_query(Some(&sign::query(&ask.query)));
    }
    let mut request = Request::new(ask.method.clone(), url);
    *request.body_mut() = ask.body.as_ref().map(|body| body.to_string().into());
    request
}
