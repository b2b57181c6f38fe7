//! The state of the appliance itself: users, tokens, domains, kms objects, rows and jobs.
//!
//! Every double has one, so it must cost almost nothing while it is not used.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::failure::{Failure, Wording};
use super::row::Row;
use super::session::{Session, Sessions};
use super::sync::Job;
use super::user::{
    CIPHERTRUST_DOMAIN, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_SECOND_KMS, CIPHERTRUST_SECOND_PASSWORD,
    CIPHERTRUST_SECOND_USER, CIPHERTRUST_USER, CiphertrustUser,
};
use crate::identity::{ACCOUNT, SECOND_ACCOUNT};
use crate::world::KeyRef;

/// The Regions of every kms object.
pub(crate) const REGIONS: [&str; 6] = ["ap-south-1", "eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2"];

/// The name of the root domain.
const ROOT: &str = "root";

/// A tenant of the appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

impl Domain {
    /// The part of a URI or account name that names the domain.
    pub(crate) fn path(&self) -> String {
        if self.name == ROOT { "kylo".to_owned() } else { format!("kylo-{}", self.id) }
    }
}

/// An AWS account with its Regions, as one domain sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kms {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) account: &'static str,
    pub(crate) domain: Domain,
}

impl Kms {
    /// The object, as it is sent on the wire.
    pub(crate) fn show(&self, since: Timestamp) -> Value {
        let domain = self.domain.path();
        json!({
            "id": self.id,
            "uri": format!("kylo:{domain}:cckm:kms:{}", self.id),
            "account": format!("kylo:kylo:admin:accounts:{domain}"),
            "createdAt": since,
            "updatedAt": since,
            "name": self.name,
            "account_id": self.account,
            "connection": format!("{}-connection", self.name),
            "cloud_name": "aws",
            "regions": REGIONS,
            "arn": format!("arn:aws:iam::{}:user/cckm", self.account),
            "assume_role_arn": "",
            "assume_role_external_id": "",
            "status": "active",
            "auto_added": false,
        })
    }

    fn is_seen_by(&self, session: &Session) -> bool {
        self.account == session.account && self.domain.id == session.domain
    }
}

/// The state of the appliance.
#[derive(Debug)]
pub(crate) struct Appliance {
    users: BTreeMap<String, CiphertrustUser>,
    domains: Vec<Domain>,
    pub(crate) sessions: Sessions,
    pub(crate) kms: Vec<Kms>,
    /// In the order in which CCKM found the keys.
    pub(crate) rows: Vec<Row>,
    pub(crate) jobs: Vec<Job>,
    /// How long a refresh or a synchronization takes, in real time. None means that it never ends.
    pub(crate) refresh_delay: Option<Duration>,
    pub(crate) wording: Wording,
    /// When the appliance was set up, on the double's clock.
    pub(crate) since: Timestamp,
}

impl Appliance {
    /// An appliance with the users, domains and kms objects that this crate names.
    pub(crate) fn new(refresh_delay: Duration, since: Timestamp) -> Self {
        let users = [
            CiphertrustUser::new(CIPHERTRUST_USER, CIPHERTRUST_PASSWORD, ACCOUNT),
            CiphertrustUser::new(CIPHERTRUST_SECOND_USER, CIPHERTRUST_SECOND_PASSWORD, SECOND_ACCOUNT),
        ];
        let domains = [ROOT, CIPHERTRUST_DOMAIN].map(|name| Domain { id: uuid::Uuid::new_v4().to_string(), name });
        let accounts = [(CIPHERTRUST_KMS, ACCOUNT), (CIPHERTRUST_SECOND_KMS, SECOND_ACCOUNT)];
        let kms = |domain: &Domain| {
            let domain = domain.clone();
            accounts.map(move |(name, account)| Kms { id: uuid::Uuid::new_v4().to_string(), name, account, domain: domain.clone() })
        };
        Self {
            users: users.map(|user| (user.username.clone(), user)).into(),
            kms: domains.iter().flat_map(kms).collect(),
            domains: domains.to_vec(),
            sessions: Sessions::default(),
            rows: Vec::new(),
            jobs: Vec::new(),
            refresh_delay: Some(refresh_delay),
            wording: Wording::default(),
            since,
        }
    }

    pub(crate) fn set_text_in_message(&mut self, in_message: bool) {
        self.wording = if in_message { Wording::InMessage } else { Wording::InCodeDesc };
    }

    pub(crate) fn readd_kms(&mut self) {
        self.rows.clear();
        self.jobs.clear();
        for kms in &mut self.kms {
            kms.id = uuid::Uuid::new_v4().to_string();
        }
    }

    pub(crate) fn put_user(&mut self, user: CiphertrustUser) {
        self.users.insert(user.username.clone(), user);
    }

    pub(crate) fn remove_user(&mut self, username: &str) -> bool {
        self.users.remove(username).is_some()
    }

    pub(crate) fn user(&self, username: &str) -> Option<&CiphertrustUser> {
        self.users.get(username)
    }

    /// The domain with this name or id. The root domain for an empty text.
    pub(crate) fn domain(&self, name_or_id: &str) -> Option<&Domain> {
        let wanted = if name_or_id.is_empty() { ROOT } else { name_or_id };
        self.domains.iter().find(|domain| domain.name == wanted || domain.id == wanted)
    }

    /// The kms object with this name or id, if the session may see it.
    pub(crate) fn find_kms(&self, session: &Session, name_or_id: &str) -> Option<&Kms> {
        self.seen_kms(session).find(|kms| kms.name == name_or_id || kms.id == name_or_id)
    }

    /// The kms objects that the session sees.
    pub(crate) fn seen_kms(&self, session: &Session) -> impl Iterator<Item = &Kms> {
        self.kms.iter().filter(move |kms| kms.is_seen_by(session))
    }

    /// The row with this id, if the session may see it. No other name of a key finds a row.
    pub(crate) fn row(&self, session: &Session, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id && row.kms.is_seen_by(session))
    }

    /// The same, or a 404.
    pub(crate) fn demand(&self, session: &Session, id: &str) -> Result<&Row, Failure> {
        self.row(session, id).ok_or_else(Failure::not_found)
    }

    /// The rows that the session sees.
    pub(crate) fn seen_rows(&self, session: &Session) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.kms.is_seen_by(session))
    }

    /// The row of a key under a kms object.
    pub(crate) fn row_of(&mut self, kms: &Kms, at: &KeyRef) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.kms.id == kms.id && row.at == *at)
    }
}
