//! The routes under `/_double/huawei/`, with which a test outside of the process adds identities.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::identity::{HuaweiCredential, HuaweiProject, HuaweiUser};
use crate::state::Shared;

/// The routes. Each adds or replaces one identity.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_double/huawei/projects", post(add_project))
        .route("/_double/huawei/credentials", post(add_credential))
        .route("/_double/huawei/users", post(add_user))
}

async fn add_project(State(shared): State<Arc<Shared>>, Json(project): Json<HuaweiProject>) -> StatusCode {
    shared.lock().huawei.put_project(project);
    StatusCode::NO_CONTENT
}

async fn add_credential(State(shared): State<Arc<Shared>>, Json(credential): Json<HuaweiCredential>) -> StatusCode {
    shared.lock().huawei.put_credential(credential);
    StatusCode::NO_CONTENT
}

async fn add_user(State(shared): State<Arc<Shared>>, Json(user): Json<HuaweiUser>) -> StatusCode {
    shared.lock().huawei.put_user(user);
    StatusCode::NO_CONTENT
}
