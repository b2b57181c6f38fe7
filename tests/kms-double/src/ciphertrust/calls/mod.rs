//! The operations, one file per group.

mod change;
mod create;
mod family;
mod login;
mod policy;
mod read;
mod refresh;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::appliance::Kms;
use super::body::Body;
use super::cloud::Cloud;
use super::failure::Failure;
use super::operation::Operation;
use super::request::Request;
use super::row::Row;
use super::session::Session;
use super::sync;
use crate::aws;
use crate::state::{Inner, Shared};
use crate::world::KeyRef;

/// A reply before it is written to the wire. A null body means no body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// The answer of a call.
pub(super) type Answer = Result<Reply, Failure>;

/// A call in progress.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) inner: &'a mut Inner,
    pub(super) now: Timestamp,
    pub(super) request: &'a Request,
    pub(super) session: &'a Session,
    pub(super) operation: Operation,
    pub(super) request_id: &'a str,
    /// The key that the call created or used.
    pub(super) touched: Option<KeyRef>,
    /// The Region that it names, if it is about no key.
    pub(super) region: Option<String>,
}

/// Does a call.
pub(super) fn carry_out(call: &mut Call<'_>) -> Answer {
    call.body()?;
    let may = call.inner.appliance.user(&call.session.username).is_none_or(|user| user.may(call.operation.name()));
    if call.operation != Operation::Login && !may {
        return Err(Failure::forbidden(call.operation));
    }
    match call.operation {
        Operation::Login => login::login(call),
        Operation::ListKms => read::list_kms(call),
        Operation::GetKms => read::get_kms(call),
        Operation::ListKeys => read::list_keys(call),
        Operation::GetKey => read::get_key(call),
        Operation::GetKeyRotationStatus => read::rotation_status(call),
        Operation::ListRotations => read::list_rotations(call),
        Operation::VerifyAlias => read::verify_alias(call),
        Operation::CreateKey => create::create(call),
        Operation::Rotate => create::rotate(call),
        Operation::DeleteKey => create::forget(call),
        Operation::Enable
        | Operation::Disable
        | Operation::ScheduleDeletion
        | Operation::CancelDeletion
        | Operation::EnableAutoRotation
        | Operation::DisableAutoRotation
        | Operation::RotateMaterial
        | Operation::AddAlias
        | Operation::DeleteAlias
        | Operation::AddTags
        | Operation::RemoveTags
        | Operation::UpdateDescription
        | Operation::Policy => change::change(call),
        Operation::ReplicateKey => family::replicate(call),
        Operation::UpdatePrimaryRegion => family::update_primary(call),
        Operation::Refresh => refresh::refresh(call),
        Operation::Synchronize => refresh::synchronize(call),
        Operation::ListSynchronizations => refresh::list(call),
        Operation::GetSynchronization => refresh::get(call),
        Operation::CancelSynchronization => refresh::cancel(call),
    }
}

impl<'a> Call<'a> {
    #[expect(clippy::too_many_arguments, reason = "each is a fact about the call that its one caller has at hand")]
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        inner: &'a mut Inner,
        now: Timestamp,
        request: &'a Request,
        session: &'a Session,
        operation: Operation,
        request_id: &'a str,
        touched: Option<KeyRef>,
    ) -> Self {
        Self { shared, inner, now, request, session, operation, request_id, touched, region: None }
    }

    /// The request's body.
    fn body(&self) -> Result<&'a Body, Failure> {
        self.request.body.as_ref().map_err(Clone::clone)
    }

    /// What the path names.
    fn id(&self) -> &'a str {
        self.request.route.as_ref().and_then(|route| route.id.as_deref()).unwrap_or_default()
    }

    /// The row that the path names.
    fn row(&self) -> Result<Row, Failure> {
        self.inner.appliance.demand(self.session, self.id()).cloned()
    }

    /// The kms object that a member of the body names, by name or id.
    fn kms(&self) -> Result<Kms, Failure> {
        let name = self.body()?.required("kms")?;
        let kms = self.inner.appliance.find_kms(self.session, name).cloned();
        kms.ok_or_else(|| Failure::new(404, "NCERRResourceNotFound", format!("there is no kms {name}")))
    }

    /// The Region that the body names. The kms object must have it.
    fn place(&mut self) -> Result<String, Failure> {
        let region = self.body()?.required("region")?;
        self.region = Some(region.to_owned());
        if super::appliance::REGIONS.contains(&region) {
            return Ok(region.to_owned());
        }
        Err(Failure::invalid(format!("region {region} is not among the regions of the kms")))
    }

    fn cloud(&mut self) -> Cloud<'_> {
        Cloud { inner: self.inner, shared: self.shared, now: self.now, request_id: self.request_id, counted: true }
    }

    /// Calls AWS on a key. A refusal is passed on as CCKM does it.
    fn on(&mut self, at: &KeyRef, operation: aws::Operation, members: Value) -> Result<Value, Failure> {
        let wanted = self.operation;
        self.cloud().on(at, operation, members).map_err(|failure| Failure::of_aws(wanted, &failure))
    }

    /// Calls AWS in a Region. Returns the answer, and the key that it created or used.
    fn at(&mut self, account: &str, region: &str, operation: aws::Operation, members: Value) -> Result<(Value, Option<KeyRef>), Failure> {
        let wanted = self.operation;
        self.cloud().call(account, region, operation, members).map_err(|failure| Failure::of_aws(wanted, &failure))
    }

    /// Sets an alias, without its prefix, to a key. If it is the second step of an action, no quota can stop it.
    fn alias(&mut self, at: &KeyRef, operation: aws::Operation, name: &str) -> Result<(), Failure> {
        let wanted = self.operation;
        let members = json!({ "AliasName": format!("alias/{name}"), "TargetKeyId": at.id });
        let mut cloud = Cloud { counted: wanted == Operation::AddAlias, ..self.cloud() };
        let answer = cloud.call(&at.account, &at.region, operation, members);
        answer.map(|_| ()).map_err(|failure| Failure::of_aws(wanted, &failure))
    }

    /// Adds a key that CCKM just created at AWS, and returns its row.
    fn take_up(&mut self, kms: &Kms, at: KeyRef) -> Result<Row, Failure> {
        let found = self.cloud().read(&at).ok_or_else(Failure::not_found)?;
        let row = Row::new(kms.clone(), at, found, self.now);
        self.inner.appliance.rows.push(row.clone());
        Ok(row)
    }

    /// Writes a change to the row and returns the row.
    fn written(&mut self, row: &Row) -> Answer {
        sync::write_through(self.inner, self.shared, &row.kms, &row.at, self.now);
        self.row().map(|row| Reply { status: 200, body: row.show() })
    }
}

/// Sets a member of a JSON object.
fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
