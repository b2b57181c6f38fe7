//! One call in progress: the caller, the key, the time.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::failure::{Code, Failure};
use super::identity::{HuaweiProject, Known};
use super::members::Members;
use super::operation::{Operation, Route};
use super::states;
use crate::world::{Key, KeyRef, Manager, World};

/// The caller, and the project.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The access key, or the name of the user of the token.
    pub(crate) name: String,
    pub(crate) project: HuaweiProject,
    /// None means every operation.
    pub(crate) allow: Option<Vec<String>>,
}

/// A request, as far as it was understood.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) route: Route,
    /// The name of the operation, or the method and path if there is none.
    pub(crate) name: String,
    /// Method and path.
    pub(crate) line: String,
    /// The value of `X-Project-Id`. The path names the project too.
    pub(crate) project_header: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) members: Result<Members, Failure>,
}

impl Request {
    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text that names the key. Operations have it in one of three places.
    pub(crate) fn key_text(&self) -> Option<&str> {
        if self.route.service == super::failure::Service::Iam {
            return None;
        }
        let member = |name: &str| self.members.as_ref().ok().and_then(|members| members.string(name).ok().flatten());
        let place = self.route.item.as_deref().or_else(|| member("key_id")).or_else(|| member("target_key_id"));
        place.or_else(|| self.parameter("key_id"))
    }

    /// The parameters for the ledger: the body, or, without a body, the query and the tag key of the path.
    pub(crate) fn for_ledger(&self) -> Value {
        match &self.members {
            Ok(members) if !members.0.is_empty() => members.for_ledger(),
            Ok(_) => {
                let tag = self.route.tag.iter().map(|tag| ("key", tag.as_str()));
                let query = self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                query.chain(tag).map(|(name, value)| (name.to_owned(), Value::from(value))).collect::<serde_json::Map<_, _>>().into()
            }
            Err(_) => Value::Null,
        }
    }
}

/// A call in progress.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) world: &'a mut World,
    pub(crate) known: &'a Known,
    /// The double's time.
    pub(crate) now: Timestamp,
    /// Real time, for the read lag.
    pub(crate) seen: Instant,
    pub(crate) caller: &'a Caller,
    pub(crate) request: &'a Request,
    pub(crate) members: &'a Members,
    /// Whether keys above the quota are refused.
    pub(crate) counts_keys: bool,
    /// The key that the call created or used.
    pub(crate) touched: Option<KeyRef>,
}

/// The answer of a call: a status, and a body if any.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

/// The outcome of a call.
pub(crate) type Result<T = Answer, E = Failure> = std::result::Result<T, E>;

impl Answer {
    pub(crate) fn json(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }

    /// 200 without a body, the answer of the rotation calls.
    pub(crate) fn empty() -> Self {
        Self { status: 200, body: None }
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, body: None }
    }
}

impl Call<'_> {
    /// The key that the request names, as a reader sees it.
    pub(crate) fn read(&mut self) -> Result<Key> {
        let at = self.at(self.key_text("key_id")?)?;
        self.show(at)
    }

    /// Like [`Call::read`], for the one operation that also accepts an alias.
    pub(crate) fn read_by_any_name(&mut self) -> Result<Key> {
        let text = self.key_text("key_id")?;
        // An alias URN ends in the alias after a colon. Before it are the Region and account, which the path already has.
        let in_urn = || text.find(":alias/").and_then(|colon| text.get(colon + 1..));
        let alias = text.starts_with("alias/").then_some(text).or_else(in_urn);
        let Some(alias) = alias else {
            return self.read();
        };
        let HuaweiProject { id, region, .. } = &self.caller.project;
        let target = self.world.seen_alias(id, region, alias, self.seen).map(|alias| alias.target.clone());
        let id = target.ok_or_else(|| Failure::of(Code::KeyGone))?;
        self.show(KeyRef { id, ..self.project_at() })
    }

    /// The key that `member` names, for a change: its current value, in any state.
    pub(crate) fn find(&mut self, member: &str) -> Result<Key> {
        let at = self.at(self.key_text(member)?)?;
        let key = self.world.key(&at).cloned().ok_or_else(|| Failure::of(Code::KeyGone))?;
        self.touched = Some(at);
        if key.manager == Manager::Aws {
            return Err(Failure::of(Code::DefaultKey));
        }
        Ok(key)
    }

    /// The key that the request names, if its state allows this call.
    pub(crate) fn open(&mut self) -> Result<Key> {
        let key = self.find("key_id")?;
        self.permit(&key)?;
        Ok(key)
    }

    /// Refuses the call if the key's state forbids it.
    pub(crate) fn permit(&self, key: &Key) -> Result<()> {
        states::permit(self.operation, key.state)
    }

    /// The place of a new key: the caller's project.
    pub(crate) fn project_at(&self) -> KeyRef {
        let HuaweiProject { id, region, .. } = &self.caller.project;
        KeyRef { account: id.clone(), region: region.clone(), id: String::new() }
    }

    fn show(&mut self, at: KeyRef) -> Result<Key> {
        let key = self.world.seen_key(&at, self.seen).cloned().ok_or_else(|| Failure::of(Code::KeyGone))?;
        self.touched = Some(at);
        Ok(key)
    }

    fn key_text(&self, member: &str) -> Result<&str> {
        // A member of another type is an invalid message, and does not count as missing.
        self.members.string(member)?;
        self.request.key_text().ok_or_else(|| super::members::missing(member))
    }

    fn at(&self, text: &str) -> Result<KeyRef> {
        if is_key_id(text) {
            return Ok(KeyRef { id: text.to_owned(), ..self.project_at() });
        }
        Err(Failure::because(Code::KeyId, text))
    }
}

/// The key of a request, as far as it is known before the request is done.
pub(crate) fn locate(world: &World, caller: &Caller, request: &Request) -> Option<KeyRef> {
    let text = request.key_text()?;
    let HuaweiProject { id, region, .. } = &caller.project;
    let alias = text.starts_with("alias/").then(|| world.alias(id, region, text)).flatten();
    let key = alias.map_or(text, |alias| &alias.target);
    Some(KeyRef { account: id.clone(), region: region.clone(), id: key.to_owned() }).filter(|_| is_key_id(key))
}

/// `^[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}$`
fn is_key_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || byte.is_ascii_lowercase())
}
