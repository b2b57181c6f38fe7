//! The routes under `/_double/`, with which a test outside of the process controls the double, and the code that they share with
//! [`crate::Double`].
//!
//! They need no signature, because the double listens only on loopback.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aws;
use crate::ciphertrust;
use crate::clock::days;
use crate::fault::Fault;
use crate::huawei;
use crate::identity::{Credential, Role};
use crate::key_store::KeyStore;
use crate::state::{Inner, Shared};
use crate::world::{Alias, Grant, GrantTerms, Key, KeyRef, KeyState, KeyView, Manager, MultiRegion, Origin, Rotation};

/// A key to create from outside of the wire protocols.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plant {
    /// Twelve digits, or a project id of 32 hex digits for a key of Huawei Cloud.
    pub account: String,
    /// The Region.
    pub region: String,
    /// Who manages it.
    #[serde(default = "customer")]
    pub manager: Manager,
    /// Where the material comes from.
    #[serde(default = "aws_kms")]
    pub origin: Origin,
    /// The key spec.
    #[serde(default = "symmetric")]
    pub spec: String,
    /// The usage. By default the first that the spec allows.
    #[serde(default)]
    pub usage: Option<String>,
    /// Whether it is a multi-Region primary.
    #[serde(default)]
    pub multi_region: bool,
    /// The state. By default the state of a new key.
    #[serde(default)]
    pub state: Option<KeyState>,
    /// An alias, with its prefix. Names below `alias/aws/` are allowed here.
    #[serde(default)]
    pub alias: Option<String>,
}

impl Plant {
    /// A customer's symmetric key.
    #[must_use]
    pub fn new(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            manager: customer(),
            origin: aws_kms(),
            spec: symmetric(),
            usage: None,
            multi_region: false,
            state: None,
            alias: None,
        }
    }
}

fn customer() -> Manager {
    Manager::Customer
}

fn aws_kms() -> Origin {
    Origin::AwsKms
}

fn symmetric() -> String {
    "SYMMETRIC_DEFAULT".to_owned()
}

/// The admin routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_double/{*unknown}", any(unknown))
        .route("/_double/health", get(async || Json(json!({ "ok": true }))))
        .route("/_double/clock", get(show_clock).post(advance))
        .route("/_double/ledger", get(ledger))
        .route("/_double/faults", get(show_faults).post(inject).delete(clear_faults))
        .route("/_double/keys", get(keys).post(plant_key))
        .route("/_double/keys/{id}/state", post(put_state))
        .route("/_double/keys/{id}/resume", post(put_resume))
        .route("/_double/key-stores", post(plant_store))
        .route("/_double/credentials", post(add_credential))
        .route("/_double/roles", post(add_role))
        .merge(ciphertrust::admin_router())
}

/// Makes the key that `plant` describes.
pub(crate) fn plant(inner: &mut Inner, plant: &Plant) -> anyhow::Result<KeyRef> {
    if huawei::is_project(&plant.account) {
        return huawei::plant(inner, plant);
    }
    let now = inner.pass_time();
    let spec = aws::find_spec(&plant.spec).ok_or_else(|| anyhow::anyhow!("there is no key spec {}", plant.spec))?;
    let usage = match &plant.usage {
        Some(usage) => aws::USAGES.iter().find(|known| *known == usage).copied(),
        None => spec.usages.first().copied(),
    };
    let usage = usage.ok_or_else(|| anyhow::anyhow!("there is no such key usage; leave it out for the spec's own"))?;
    let id = uuid::Uuid::new_v4();
    let id = if plant.multi_region { format!("mrk-{}", id.simple()) } else { id.to_string() };
    let at = KeyRef { account: plant.account.clone(), region: plant.region.clone(), id };
    let mut key = Key::new(at.clone(), now, spec.name, usage, plant.origin);
    key.manager = plant.manager;
    key.policy = aws::default_policy(&plant.account, &plant.region);
    key.multi_region = plant.multi_region.then(|| MultiRegion::Primary { replicas: std::collections::BTreeSet::new() });
    if key.manager == Manager::Aws {
        // "The key rotation status for AWS managed KMS keys is always true", and the period is a year.
        let next = now.checked_add(days(365))?;
        key.rotation = Some(Rotation { period_days: 365, next });
    }
    if let Some(state) = plant.state {
        key.force(state, now);
    }
    inner.world.add(key);
    if let Some(name) = &plant.alias {
        let alias = Alias { name: name.clone(), target: at.id.clone(), created: now, updated: now };
        inner.world.put_alias(&at.account, &at.region, name, Some(alias));
    }
    Ok(at)
}

/// Puts a key into a state.
pub(crate) fn set_state(inner: &mut Inner, arn_or_id: &str, state: KeyState) -> anyhow::Result<()> {
    let now = inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    inner.world.change(&at, |key| key.force(state, now));
    Ok(())
}

/// Sets a tag, or removes it.
pub(crate) fn set_tag(inner: &mut Inner, arn_or_id: &str, tag: &str, value: Option<&str>) -> anyhow::Result<()> {
    inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    inner.world.change(&at, |key| match value {
        Some(value) => _ = key.tags.insert(tag.to_owned(), value.to_owned()),
        None => _ = key.tags.remove(tag),
    });
    Ok(())
}

/// Switches automatic rotation on with that period, which begins now, or off.
pub(crate) fn set_rotation(inner: &mut Inner, arn_or_id: &str, period_days: Option<u32>) -> anyhow::Result<()> {
    let now = inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    let next = |period_days| now.checked_add(days(period_days)).map(|next| Rotation { period_days, next });
    let rotation = period_days.map(next).transpose()?;
    inner.world.change(&at, |key| key.rotation = rotation);
    Ok(())
}

/// Deletes a user or role of IAM. Key policies then show its unique id in the place of its ARN.
pub(crate) fn delete_principal(inner: &mut Inner, arn: &str, id: &str) {
    inner.pass_time();
    let keys: Vec<KeyRef> = inner.world.all_keys().map(|key| key.at.clone()).collect();
    for at in keys {
        inner.world.change(&at, |key| key.policy = key.policy.replace(&format!("\"{arn}\""), &format!("\"{id}\"")));
    }
    inner.world.deleted_principals.insert(arn.to_owned());
}

/// Sets an alias to a key, even if it belongs to another key.
pub(crate) fn point_alias(inner: &mut Inner, alias: &str, arn_or_id: &str) -> anyhow::Result<()> {
    let now = inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    let pointed = Alias { name: alias.to_owned(), target: at.id.clone(), created: now, updated: now };
    inner.world.put_alias(&at.account, &at.region, alias, Some(pointed));
    Ok(())
}

/// The grants of a key, by id.
pub(crate) fn grants(inner: &mut Inner, arn_or_id: &str) -> anyhow::Result<Vec<Grant>> {
    inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    Ok(inner.world.grants(&at).cloned().collect())
}

/// Adds grants with the same terms.
pub(crate) fn plant_grants(inner: &mut Inner, arn_or_id: &str, terms: &GrantTerms, count: usize) -> anyhow::Result<()> {
    let created = inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    for _ in 0..count {
        inner.world.put_grant(&at, Grant { id: aws::new_grant_id(), created, issuer: at.account.clone(), terms: terms.clone() });
    }
    Ok(())
}

/// Ends a transitional state of a key.
pub(crate) fn resume(inner: &mut Inner, arn_or_id: &str) -> anyhow::Result<()> {
    let now = inner.pass_time();
    let at = find_one(inner, arn_or_id)?;
    inner.world.change(&at, |key| key.resume(now));
    Ok(())
}

fn find_one(inner: &Inner, arn_or_id: &str) -> anyhow::Result<KeyRef> {
    let mut found = inner.world.all_keys().map(|key| &key.at).filter(|at| at.is_named_by(arn_or_id));
    let at = found.next().ok_or_else(|| anyhow::anyhow!("there is no key {arn_or_id}"))?;
    anyhow::ensure!(found.next().is_none(), "{arn_or_id} names keys in several Regions; give the ARN");
    Ok(at.clone())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

#[derive(Deserialize)]
struct NewState {
    state: KeyState,
}

async fn show_clock(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.lock().pass_time();
    Json(json!({ "now": now })).into_response()
}

async fn advance(State(shared): State<Arc<Shared>>, Json(body): Json<Advance>) -> Response {
    let mut inner = shared.lock();
    match inner.clock.advance(SignedDuration::from_secs(body.advance_seconds)) {
        Ok(()) => Json(json!({ "now": inner.pass_time() })).into_response(),
        Err(error) => bad_request(&error),
    }
}

async fn ledger(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let after = match query.as_deref().map(|query| query.strip_prefix("after=").unwrap_or_default().parse()) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => {
            return bad_request(&anyhow::anyhow!("the ledger takes ?after=SEQ and nothing else"));
        }
    };
    let mut inner = shared.lock();
    inner.pass_time();
    Json(inner.ledger.after(after)).into_response()
}

async fn show_faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.lock().faults.rules()).into_response()
}

async fn inject(State(shared): State<Arc<Shared>>, Json(fault): Json<Fault>) -> StatusCode {
    shared.lock().faults.add(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.lock().faults.clear();
    StatusCode::NO_CONTENT
}

async fn keys(State(shared): State<Arc<Shared>>) -> Response {
    let mut inner = shared.lock();
    inner.pass_time();
    let keys: Vec<KeyView> = inner.world.all_keys().map(|key| KeyView::of(&inner.world, key)).collect();
    Json(keys).into_response()
}

async fn plant_key(State(shared): State<Arc<Shared>>, Json(body): Json<Plant>) -> Response {
    let planted = plant(&mut shared.lock(), &body);
    match planted {
        Ok(at) => Json(json!({ "arn": at.arn(), "keyId": at.id })).into_response(),
        Err(error) => bad_request(&error),
    }
}

async fn plant_store(State(shared): State<Arc<Shared>>, Json(body): Json<KeyStore>) -> Response {
    let planted = body.plant(&mut shared.lock());
    match planted {
        Ok(id) => Json(json!({ "customKeyStoreId": id })).into_response(),
        Err(error) => bad_request(&error),
    }
}

async fn put_state(State(shared): State<Arc<Shared>>, Path(id): Path<String>, Json(body): Json<NewState>) -> Response {
    let set = set_state(&mut shared.lock(), &id, body.state);
    match set {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => bad_request(&error),
    }
}

async fn put_resume(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let resumed = resume(&mut shared.lock(), &id);
    match resumed {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => bad_request(&error),
    }
}

async fn add_credential(State(shared): State<Arc<Shared>>, Json(credential): Json<Credential>) -> StatusCode {
    shared.lock().identities.put_credential(credential);
    StatusCode::NO_CONTENT
}

async fn add_role(State(shared): State<Arc<Shared>>, Json(role): Json<Role>) -> StatusCode {
    shared.lock().identities.put_role(role);
    StatusCode::NO_CONTENT
}

async fn unknown(Path(path): Path<String>) -> Response {
    let message = format!(
        "there is no /_double/{path}; there are clock, ledger, faults, keys, key-stores, credentials, roles, ciphertrust, health\n"
    );
    (StatusCode::NOT_FOUND, message).into_response()
}

fn bad_request(error: &anyhow::Error) -> Response {
    (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response()
}
