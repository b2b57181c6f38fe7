//! The operations that only read: kms objects, rows, rotations, aliases.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Call, Reply, put};
use crate::aws::Operation as Aws;
use crate::ciphertrust::appliance::Kms;
use crate::ciphertrust::cloud::time;
use crate::ciphertrust::failure::Failure;
use crate::ciphertrust::query;

pub(super) fn list_kms(call: &mut Call<'_>) -> Answer {
    let meets = |kms: &&Kms, name: &str, value: &str| {
        Ok(match name {
            "id" => kms.id == value,
            "name" => kms.name == value,
            "account_id" => kms.account == value,
            "cloud_name" => value == "aws",
            _ => value == "active",
        })
    };
    let appliance = &call.inner.appliance;
    let known = ["id", "name", "account_id", "cloud_name", "status"];
    let found = query::filter(appliance.seen_kms(call.session), &call.request.query, &known, meets)?;
    let objects = found.into_iter().map(|kms| kms.show(appliance.since)).collect();
    Ok(Reply { status: 200, body: query::page(objects, &call.request.query)? })
}

pub(super) fn get_kms(call: &mut Call<'_>) -> Answer {
    let appliance = &call.inner.appliance;
    // A name is not accepted here. Only bodies accept a name or an id.
    let kms = appliance.find_kms(call.session, call.id()).filter(|kms| kms.id == call.id()).ok_or_else(Failure::not_found)?;
    Ok(Reply { status: 200, body: kms.show(appliance.since) })
}

pub(super) fn list_keys(call: &mut Call<'_>) -> Answer {
    let rows = call.inner.appliance.seen_rows(call.session);
    let found = query::filter(rows, &call.request.query, query::OF_KEYS, |row, name, value| query::meets(row, name, value))?;
    let objects = found.into_iter().map(crate::ciphertrust::row::Row::show).collect();
    Ok(Reply { status: 200, body: query::page(objects, &call.request.query)? })
}

pub(super) fn get_key(call: &mut Call<'_>) -> Answer {
    Ok(Reply { status: 200, body: call.row()?.show() })
}

/// AWS's own answer, read live, with times in CCKM's format.
pub(super) fn rotation_status(call: &mut Call<'_>) -> Answer {
    let row = call.row()?;
    let mut status = call.on(&row.at, Aws::GetKeyRotationStatus, json!({}))?;
    for date in ["NextRotationDate", "OnDemandRotationStartDate"] {
        if let Some(at) = time(status.get(date)) {
            put(&mut status, date, json!(at));
        }
    }
    Ok(Reply { status: 200, body: status })
}

/// The key's material, oldest first, read live.
pub(super) fn list_rotations(call: &mut Call<'_>) -> Answer {
    let row = call.row()?;
    let listed = call.on(&row.at, Aws::ListKeyRotations, json!({ "IncludeKeyMaterial": "ALL_KEY_MATERIAL", "Limit": 1000 }))?;
    let listed = listed.get("Rotations").and_then(Value::as_array).cloned().unwrap_or_default();
    let show = |mut rotation: Value| {
        let date: Option<Timestamp> = time(rotation.get("RotationDate"));
        if let Some(date) = date {
            put(&mut rotation, "RotationDate", json!(date));
        }
        let id: String = rotation.get("KeyMaterialId").and_then(Value::as_str).unwrap_or_default().chars().take(32).collect();
        json!({
            "uri": format!("kylo:{}:cckm:aws-key-rotation:{id}", row.kms.domain.path()),
            "id": id,
            "account": format!("kylo:kylo:admin:accounts:{}", row.kms.domain.path()),
            "createdAt": date.unwrap_or(row.created),
            "updatedAt": date.unwrap_or(row.created),
            "kms_id": row.kms.id,
            "key_source": "",
            "key_material_origin": row.material_origin(),
            "aws_param": rotation,
        })
    };
    let meets = |rotation: &Value, name: &str, value: &str| {
        Ok(rotation.get("aws_param").and_then(|aws| aws.get(name)).and_then(Value::as_str) == Some(value))
    };
    let known = ["ImportState", "KeyMaterialState", "RotationType", "KeyMaterialId"];
    let found = query::filter(listed.into_iter().map(show), &call.request.query, &known, meets)?;
    Ok(Reply { status: 200, body: query::page(found, &call.request.query)? })
}

/// Whether an alias is free. Only the request is documented. We chose the answer: 200 if it is free, 409 if not, like the answer of a
/// creation.
pub(super) fn verify_alias(call: &mut Call<'_>) -> Answer {
    let name = call.body()?.required("alias")?;
    let kms = call.kms()?;
    let region = call.place()?;
    let full = format!("alias/{name}");
    if call.inner.world.alias(kms.account, &region, &full).is_some() {
        return Err(Failure::alias_exists(name));
    }
    Ok(Reply { status: 200, body: json!({ "alias": name, "message": format!("alias {name} is available") }) })
}
