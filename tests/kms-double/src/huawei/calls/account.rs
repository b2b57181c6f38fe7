//! `user-instances`, `user-quotas`.

use serde_json::json;

use crate::huawei::call::{Answer, Call};
use crate::world::Manager;

/// The maximum number of keys of a project, and of grants of a key, as documented for one cloud of this code line.
pub(super) const KEYS_MAX: usize = 100;

pub(super) fn instances(call: &Call<'_>) -> Answer {
    Answer::json(json!({ "instance_num": count(call) }))
}

pub(super) fn quotas(call: &Call<'_>) -> Answer {
    Answer::json(json!({
        "quotas": {
            "resources": [
                { "type": "CMK", "used": count(call), "quota": KEYS_MAX },
                { "type": "grant_per_CMK", "used": grants(call), "quota": KEYS_MAX },
            ],
        },
    }))
}

/// The number of grants of the key that has the most.
fn grants(call: &Call<'_>) -> usize {
    let project = &call.caller.project;
    let keys = call.world.seen_keys(&project.id, &project.region, call.seen);
    keys.map(|key| call.world.seen_grants(&key.at, call.seen).count()).max().unwrap_or_default()
}

/// The customer's keys. Keys that are pending deletion count too.
pub(super) fn count(call: &Call<'_>) -> usize {
    let project = &call.caller.project;
    let keys = call.world.seen_keys(&project.id, &project.region, call.seen);
    keys.filter(|key| key.manager == Manager::Customer).count()
}
