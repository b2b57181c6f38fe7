//! Custom key stores: `DescribeCustomKeyStores`, `ConnectCustomKeyStore`, `DisconnectCustomKeyStore`, and which store a new key is made in.
//!
//! Calls cannot make a store, because that needs a cluster or a proxy. [`crate::Double::plant_key_store`] does.

use serde_json::{Value, json};

use super::describe::seconds;
use super::page::{Paging, page};
use crate::aws::call::{Answer, Call, nothing};
use crate::aws::failure::Failure;
use crate::world::{Connection, Origin, Store, Stored};

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let id = call.members.sized("CustomKeyStoreId", 1, 64)?;
    let name = call.members.sized("CustomKeyStoreName", 1, 256)?;
    if id.is_some() && name.is_some() {
        return Err(Failure::validation("Provide either the CustomKeyStoreId or the CustomKeyStoreName, but not both"));
    }
    let stores = call.world.stores(&call.caller.account, &call.caller.region);
    let stores: Vec<&Store> =
        stores.filter(|store| id.is_none_or(|id| store.id == id) && name.is_none_or(|name| store.name == name)).collect();
    if let Some(asked) = id.or(name).filter(|_| stores.is_empty()) {
        return Err(unknown(asked));
    }
    let paging = Paging { list: "CustomKeyStores", default: 100, max: 1000 };
    page(call.members, call.operation, paging, stores.into_iter(), |store| store.id.clone(), show)
}

/// The store is connecting for some time. A store that is connected stays so.
pub(super) fn connect(call: &mut Call<'_>) -> Answer {
    let store = named(call)?;
    if store.connection == Connection::Disconnected {
        let until = call.now.checked_add(call.settling).unwrap_or(call.now);
        let (account, region) = (&call.caller.account, &call.caller.region);
        call.world.connect_store(account, region, &store.id, Connection::Connecting(until), call.now);
    }
    Ok(nothing())
}

/// Its keys are unavailable at once.
pub(super) fn disconnect(call: &mut Call<'_>) -> Answer {
    let store = named(call)?;
    if store.connection == Connection::Disconnected {
        return Err(invalid_state(&store));
    }
    let (account, region) = (&call.caller.account, &call.caller.region);
    call.world.connect_store(account, region, &store.id, Connection::Disconnected, call.now);
    Ok(nothing())
}

/// Where a new key of this origin is to be stored. None for the origins of KMS's own keys.
pub(super) fn read(call: &Call<'_>, origin: Origin) -> Result<Option<Stored>, Failure> {
    let id = call.members.sized("CustomKeyStoreId", 1, 64)?;
    let external = read_external(call)?;
    let word = json!(origin);
    let word = word.as_str().unwrap_or_default();
    let custom = matches!(origin, Origin::AwsCloudHsm | Origin::ExternalKeyStore);
    if external.is_some() && origin != Origin::ExternalKeyStore {
        return Err(Failure::validation(format!("XksKeyId cannot be given when Origin is {word}")));
    }
    let id = match (id, custom) {
        (None, false) => return Ok(None),
        (None, true) => return Err(Failure::validation(format!("CustomKeyStoreId is required when Origin is {word}"))),
        (Some(_), false) => return Err(Failure::validation(format!("CustomKeyStoreId cannot be given when Origin is {word}"))),
        (Some(id), true) => id,
    };
    let store = find(call, id)?;
    if store.origin != origin {
        return Err(Failure::validation(format!("Custom key store {id} has no keys of Origin {word}")));
    }
    check_connected(&store)?;
    if origin == Origin::AwsCloudHsm {
        return Ok(Some(Stored { store: store.id, cluster: Some(store.cluster), external: None }));
    }
    let external = external.ok_or_else(|| Failure::validation(format!("XksKeyId is required when Origin is {word}")))?;
    if store.external.as_ref().is_some_and(|known| !known.contains(external)) {
        return Err(Failure::new("XksKeyNotFoundException", format!("The external key {external} does not exist")));
    }
    let keys = call.world.all_keys().filter(|key| key.at.account == call.caller.account && key.at.region == call.caller.region);
    let used = |stored: &Stored| stored.store == store.id && stored.external.as_deref() == Some(external);
    if keys.filter_map(|key| key.stored.as_ref()).any(used) {
        return Err(Failure::new("XksKeyAlreadyInUseException", format!("The external key {external} belongs to another KMS key")));
    }
    Ok(Some(Stored { store: store.id, cluster: None, external: Some(external.to_owned()) }))
}

/// The store with this id.
pub(super) fn find(call: &Call<'_>, id: &str) -> Result<Store, Failure> {
    let found = call.world.stores(&call.caller.account, &call.caller.region).find(|store| store.id == id);
    found.cloned().ok_or_else(|| unknown(id))
}

/// A store works only while it is connected.
pub(super) fn check_connected(store: &Store) -> Result<(), Failure> {
    if store.connection == Connection::Connected { Ok(()) } else { Err(invalid_state(store)) }
}

fn named(call: &Call<'_>) -> Result<Store, Failure> {
    find(call, call.members.required("CustomKeyStoreId", 1, 64)?)
}

fn read_external<'a>(call: &Call<'a>) -> Result<Option<&'a str>, Failure> {
    match call.members.sized("XksKeyId", 1, 128)? {
        Some(id) if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) => {
            Err(Failure::constraint(id, "XksKeyId", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_.]+$"))
        }
        id => Ok(id),
    }
}

fn show(store: &Store) -> Value {
    let mut entry = json!({
        "CustomKeyStoreId": store.id,
        "CustomKeyStoreName": store.name,
        "CustomKeyStoreType": store.origin,
        "ConnectionState": state_name(store.connection),
        "CreationDate": seconds(store.created),
    });
    let Some(members) = entry.as_object_mut() else {
        return entry;
    };
    if store.origin == Origin::AwsCloudHsm {
        members.insert("CloudHsmClusterId".to_owned(), json!(store.cluster));
        members.insert("TrustAnchorCertificate".to_owned(), json!("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"));
    } else {
        let proxy = json!({
            "Connectivity": "PUBLIC_ENDPOINT",
            "AccessKeyId": "ABCDE12345670EXAMPLE".replace(['0', '1'], "A"),
            "UriEndpoint": "https://xks.example.com",
            "UriPath": "/kms/xks/v1",
        });
        members.insert("XksProxyConfiguration".to_owned(), proxy);
    }
    entry
}

fn state_name(connection: Connection) -> &'static str {
    match connection {
        Connection::Connected => "CONNECTED",
        Connection::Connecting(_) => "CONNECTING",
        Connection::Disconnected => "DISCONNECTED",
    }
}

fn unknown(named: &str) -> Failure {
    Failure::new("CustomKeyStoreNotFoundException", format!("Custom key store {named} does not exist"))
}

fn invalid_state(store: &Store) -> Failure {
    let (id, state) = (&store.id, state_name(store.connection));
    Failure::new("CustomKeyStoreInvalidStateException", format!("Custom key store {id} is {state}"))
}
