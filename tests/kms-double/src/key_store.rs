//! A custom key store to create from outside of the wire protocols, because making a real one needs a cluster or a proxy.

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use crate::state::Inner;
use crate::world::{Connection, Origin, Store};

/// A custom key store of an account and Region.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyStore {
    /// Twelve digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// The friendly name, unique in the account and Region.
    pub name: String,
    /// `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`.
    pub origin: Origin,
    /// Whether it is connected. By default it is.
    #[serde(default = "connected")]
    pub connected: bool,
    /// The external keys that the proxy of an `EXTERNAL_KEY_STORE` knows. By default it knows every name.
    #[serde(default)]
    pub external_keys: Option<Vec<String>>,
}

impl KeyStore {
    /// A connected store.
    #[must_use]
    pub fn new(account: &str, region: &str, name: &str, origin: Origin) -> Self {
        let (account, region, name) = (account.to_owned(), region.to_owned(), name.to_owned());
        Self { account, region, name, origin, connected: true, external_keys: None }
    }

    /// Creates it, and returns its id.
    pub(crate) fn plant(&self, inner: &mut Inner) -> anyhow::Result<String> {
        ensure!(
            matches!(self.origin, Origin::AwsCloudHsm | Origin::ExternalKeyStore),
            "a key store is of origin AWS_CLOUDHSM or EXTERNAL_KEY_STORE"
        );
        let taken = inner.world.stores(&self.account, &self.region).any(|store| store.name == self.name);
        ensure!(!taken, "there is a key store {} already", self.name);
        let created = inner.pass_time();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let letters =
            |count: usize| random.chars().map(|c| if matches!(c, '0' | '1' | '8' | '9') { 'x' } else { c }).take(count).collect::<String>();
        let id = format!("cks-{}", random.chars().take(17).collect::<String>());
        let store = Store {
            id: id.clone(),
            name: self.name.clone(),
            origin: self.origin,
            connection: if self.connected { Connection::Connected } else { Connection::Disconnected },
            created,
            cluster: format!("cluster-{}", letters(11)),
            external: self.external_keys.as_ref().map(|keys| keys.iter().cloned().collect()),
        };
        inner.world.put_store(&self.account, &self.region, store);
        Ok(id)
    }
}

fn connected() -> bool {
    true
}
