//! The routes under `/_double/ciphertrust/`, with which a test outside of the process controls the appliance.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;

use super::{CiphertrustUser, synchronize_all};
use crate::state::Shared;

/// The routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_double/ciphertrust/sync", post(sync))
        .route("/_double/ciphertrust/refresh-delay", post(set_refresh_delay))
        .route("/_double/ciphertrust/users", post(put_user))
        .route("/_double/ciphertrust/tokens", axum::routing::delete(kill_tokens))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshDelay {
    /// None means that a refresh never ends.
    millis: Option<u64>,
}

async fn sync(State(shared): State<Arc<Shared>>) -> StatusCode {
    synchronize_all(&mut shared.lock(), &shared);
    StatusCode::NO_CONTENT
}

async fn set_refresh_delay(State(shared): State<Arc<Shared>>, Json(delay): Json<RefreshDelay>) -> StatusCode {
    shared.lock().appliance.refresh_delay = delay.millis.map(Duration::from_millis);
    StatusCode::NO_CONTENT
}

async fn put_user(State(shared): State<Arc<Shared>>, Json(user): Json<CiphertrustUser>) -> StatusCode {
    shared.lock().appliance.put_user(user);
    StatusCode::NO_CONTENT
}

async fn kill_tokens(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().appliance.sessions.forget();
    StatusCode::NO_CONTENT
}
