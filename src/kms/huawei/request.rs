//! What all requests to Huawei have in common.

use reqwest::{Request, Url};

use super::{operation::Operation, sign};
use crate::kms::rest::Call;

/// A request with path, query and body in their final form, without headers.
pub(super) fn request(base: &Url, call: &Call<'_, Operation>) -> Request {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), call.path));
    if !call.query.is_empty() {
        url.set_query(Some(&sign::query(&call.query)));
    }
    let mut request = Request::new(call.method.clone(), url);
    *request.body_mut() = call.body.as_ref().map(|body| body.to_string().into());
    request
}
