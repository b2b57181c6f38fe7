//! Converts rows of CCKM to the types of the domain.
//!
//! If a required member is missing, or a value is not known, the row cannot be used. Everything else stays unknown: nothing is guessed. A
//! date or a state can be in two places; the documented one, inside `aws_param`, counts.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::id::{Arn, CckmId};
use crate::{
    api::managed_key::{KeyTemplate, RotationType},
    domain::{
        observed::{self, Facets, Key, KeyPolicy, MultiRegion, Rotation, State},
        ownership::Tags,
    },
};

/// How many seconds the clocks of one appliance may differ.
const SKEW: i64 = 60;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

fn missing(member: &str) -> Unusable {
    Unusable(format!("it has no {member}"))
}

/// The members of CCKM's row of a key that matter. Any of them may be missing or null.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    id: Option<String>,
    region: Option<String>,
    gone: Option<bool>,
    #[serde(rename = "createdAt")]
    created_at: Option<String>,
    synced_at: Option<String>,
    key_state: Option<String>,
    deletion_date: Option<String>,
    aws_param: Param,
}

/// CCKM's copy of what AWS says about the key.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Param {
    #[serde(rename = "AWSAccountId")]
    account: Option<String>,
    arn: Option<String>,
    key_manager: Option<String>,
    key_state: Option<String>,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    origin: Option<String>,
    description: Option<String>,
    creation_date: Option<String>,
    deletion_date: Option<String>,
    alias: Option<Vec<String>>,
    tags: Option<Vec<Tag>>,
    policy: Option<Value>,
    key_rotation_enabled: Option<bool>,
    rotation_period_in_days: Option<i32>,
    next_rotation_date: Option<String>,
    multi_region: Option<bool>,
    multi_region_configuration: Option<Configuration>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    tag_key: String,
    #[serde(default)]
    tag_value: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Configuration {
    multi_region_key_type: Option<String>,
    primary_key: Option<Relative>,
    replica_keys: Option<Vec<Relative>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Relative {
    arn: Option<String>,
}

impl Row {
    /// CCKM's id.
    pub(super) fn id(&self) -> Result<CckmId, Unusable> {
        let id = text(self.id.as_ref(), "id")?;
        CckmId::parse(&id).ok_or_else(|| Unusable(format!("its id is {id}")))
    }

    /// CCKM's id as it came; empty if there is none.
    pub(super) fn id_text(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    /// The ARN as it came; empty if there is none.
    pub(super) fn arn_text(&self) -> &str {
        self.aws_param.arn.as_deref().unwrap_or_default()
    }

    /// The ARN. Region and account of the row have to agree with it.
    pub(super) fn arn(&self) -> Result<Arn, Unusable> {
        let arn = text(self.aws_param.arn.as_ref(), "Arn")?;
        let arn = Arn::parse(&arn).ok_or_else(|| Unusable(format!("its Arn is {arn}")))?;
        for (member, found, expected) in
            [("region", self.region.as_ref(), &arn.region), ("AWSAccountId", self.aws_param.account.as_ref(), &arn.account)]
        {
            if let Some(found) = found.filter(|found| !found.is_empty() && *found != expected) {
                return Err(Unusable(format!("its {member} is {found}, but its Arn is {arn}")));
            }
        }
        Ok(arn)
    }

    /// Whether CCKM found that AWS no longer has the key.
    pub(super) fn is_gone(&self) -> bool {
        self.gone == Some(true)
    }

    /// When CCKM last read the row from AWS; if it never did since it made the row, when it made it.
    pub(super) fn synced_at(&self) -> Result<Timestamp, Unusable> {
        let text =
            [&self.synced_at, &self.created_at].into_iter().flatten().find(|text| !text.is_empty()).ok_or_else(|| missing("synced_at"))?;
        instant(text)
    }

    /// How old the row is by that clock, in whole seconds. A time far ahead of the clock was written by a wrong clock. Then the age is not
    /// known, and the row counts as too old until it is refreshed.
    pub(super) fn age(&self, now: Timestamp) -> Result<SignedDuration, Unusable> {
        let seconds = now.duration_since(self.synced_at()?).as_secs();
        Ok(SignedDuration::from_secs(if seconds < -SKEW { i64::MAX } else { seconds.max(0) }))
    }

    /// Whether CCKM read the row from AWS again after `from`. Behind a load balancer, an older row may come back; it counts as newer only
    /// if `from` was ahead of the clock, and so wrong.
    pub(super) fn is_newer(&self, from: Timestamp, now: Timestamp) -> Result<bool, Unusable> {
        let synced_at = self.synced_at()?;
        let wrong = now.duration_since(from).as_secs() < -SKEW;
        Ok(if wrong { synced_at != from } else { synced_at > from })
    }

    /// The state.
    pub(super) fn state(&self) -> Result<State, Unusable> {
        let state = filled(self.aws_param.key_state.as_ref()).or(filled(self.key_state.as_ref())).ok_or_else(|| missing("KeyState"))?;
        match state {
            "Creating" => Ok(State::Creating),
            "Enabled" => Ok(State::Enabled),
            "Disabled" => Ok(State::Disabled),
            "PendingDeletion" => Ok(State::PendingDeletion),
            "PendingImport" => Ok(State::PendingImport),
            "PendingReplicaDeletion" => Ok(State::PendingReplicaDeletion),
            "Unavailable" => Ok(State::Unavailable),
            "Updating" => Ok(State::Updating),
            other => Err(Unusable(format!("its KeyState is {other}"))),
        }
    }

    /// When AWS will delete the key; only while the deletion is pending.
    pub(super) fn deletion_date(&self) -> Result<Option<Timestamp>, Unusable> {
        if self.state()? != State::PendingDeletion {
            return Ok(None);
        }
        time(filled(self.aws_param.deletion_date.as_ref()).or(filled(self.deletion_date.as_ref())))
    }

    /// The tags. The documents do not say whether CCKM leaves out an empty list, so a missing list means no tags: otherwise a key without
    /// tags could not be adopted.
    pub(super) fn tags(&self) -> Tags {
        let tags = self.aws_param.tags.iter().flatten();
        tags.map(|tag| (tag.tag_key.clone(), tag.tag_value.clone().unwrap_or_default())).collect()
    }

    /// The aliases, with `alias/`. A missing list means none, as with tags.
    pub(super) fn aliases(&self) -> Vec<String> {
        let whole = |alias: &String| if alias.starts_with("alias/") { alias.clone() } else { format!("alias/{alias}") };
        self.aws_param.alias.iter().flatten().map(whole).collect()
    }

    /// The key policy, which CCKM tells as an object. A text is read as well.
    fn policy(&self) -> KeyPolicy {
        match &self.aws_param.policy {
            Some(Value::String(text)) if !text.is_empty() => KeyPolicy::Text(text.clone()),
            Some(Value::Object(members)) if !members.is_empty() => KeyPolicy::Text(json!(members).to_string()),
            _ => KeyPolicy::Untold,
        }
    }

    /// The key. Its age is that of the row, by the clock of the server, which answered at `now`.
    pub(super) fn key(&self, now: Timestamp) -> Result<Key, Unusable> {
        let (arn, param) = (self.arn()?, &self.aws_param);
        let state = self.state()?;
        // The id tells it as well (AWS KMS Developer Guide, "How multi-Region keys work").
        let multi_region = param.multi_region.unwrap_or_else(|| arn.as_str().contains(":key/mrk-"));
        Ok(Key {
            id: self.id()?.as_str().to_owned(),
            account: arn.account.clone(),
            region: arn.region.clone(),
            arn: arn.as_str().to_owned(),
            state,
            deletion_date: self.deletion_date()?,
            kind: KeyTemplate {
                spec: param.customer_master_key_spec.clone().unwrap_or_default(),
                usage: param.key_usage.clone().unwrap_or_default(),
                origin: param.origin.clone().unwrap_or_default(),
                multi_region,
                ..KeyTemplate::default()
            },
            customer_managed: match filled(param.key_manager.as_ref()) {
                // Nobody can tag a key that AWS manages.
                Some("CUSTOMER") | None => true,
                Some("AWS") => false,
                Some(other) => return Err(Unusable(format!("its KeyManager is {other}"))),
            },
            multi_region: match (multi_region, &param.multi_region_configuration) {
                (true, Some(configuration)) => configuration.read()?,
                (true, None) | (false, _) => None,
            },
            description: param.description.clone(),
            creation_time: time(filled(param.creation_date.as_ref()))?,
            age: Some(self.age(now)?),
            // AWS shows rotation as off while the deletion is pending.
            name: None,
            rotation: if state.is_pending() { None } else { self.rotation()? },
            rotations: None,
            tags: Some(self.tags()),
            aliases: Some(self.aliases()),
            policy: Some(self.policy()),
            unread: Facets::NONE,
        })
    }

    /// Rotation, if the row tells all of it. Some versions of CCKM do not tell the period; then AWS has to be asked.
    fn rotation(&self) -> Result<Option<Rotation>, Unusable> {
        let param = &self.aws_param;
        let period_days = param.rotation_period_in_days.filter(|days| *days > 0);
        Ok(match (param.key_rotation_enabled, period_days) {
            (Some(false), _) => Some(Rotation::default()),
            (Some(true), Some(_)) => {
                Some(Rotation { enabled: true, period_days, next: time(filled(param.next_rotation_date.as_ref()))?, ..Rotation::default() })
            }
            _ => None,
        })
    }
}

impl Configuration {
    /// `None`: CCKM does not tell it.
    fn read(&self) -> Result<Option<MultiRegion>, Unusable> {
        let arn = |key: &Relative| filled(key.arn.as_ref()).map(str::to_owned);
        match self.multi_region_key_type.as_deref() {
            Some("PRIMARY") => Ok(Some(MultiRegion::Primary(self.replica_keys.iter().flatten().filter_map(arn).collect()))),
            Some("REPLICA") => Ok(self.primary_key.as_ref().and_then(arn).map(MultiRegion::Replica)),
            Some(other) => Err(Unusable(format!("its MultiRegionKeyType is {other}"))),
            None => Ok(None),
        }
    }
}

/// The answer to `get-key-rotation-status`, in the form that AWS gives it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RotationStatus {
    key_rotation_enabled: Option<bool>,
    rotation_period_in_days: Option<i32>,
    next_rotation_date: Option<String>,
    on_demand_rotation_start_date: Option<String>,
}

impl RotationStatus {
    pub(super) fn read(&self) -> Result<Rotation, Unusable> {
        let enabled = self.key_rotation_enabled.ok_or_else(|| missing("KeyRotationEnabled"))?;
        let rotating_since = time(filled(self.on_demand_rotation_start_date.as_ref()))?;
        if !enabled {
            return Ok(Rotation { rotating_since, ..Rotation::default() });
        }
        let period_days = self.rotation_period_in_days.filter(|days| *days > 0);
        Ok(Rotation { enabled, period_days, next: time(filled(self.next_rotation_date.as_ref()))?, rotating_since, ..Rotation::default() })
    }
}

/// A rotation in CCKM's list. The list also has the first material of the key, which has no date.
#[derive(Debug, Deserialize)]
pub(super) struct Rotated {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    aws_param: RotatedParam,
}

/// CCKM's copy of what AWS says about a rotation.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RotatedParam {
    key_material_id: Option<String>,
    rotation_date: Option<String>,
    rotation_type: Option<String>,
}

impl Rotated {
    /// What tells the entry from the others.
    pub(super) fn id_text(&self) -> &str {
        let Self { id, aws_param: RotatedParam { key_material_id, rotation_date, rotation_type: _ } } = self;
        [id, key_material_id, rotation_date].into_iter().find_map(|text| filled(text.as_ref())).unwrap_or_default()
    }

    /// The rotation; `None` for an entry without a date.
    pub(super) fn read(&self) -> Result<Option<observed::Rotated>, Unusable> {
        let kind = match self.aws_param.rotation_type.as_deref() {
            Some("AUTOMATIC") => Some(RotationType::Automatic),
            Some("ON_DEMAND") => Some(RotationType::OnDemand),
            _ => None,
        };
        Ok(time(filled(self.aws_param.rotation_date.as_ref()))?.map(|date| observed::Rotated { date, kind }))
    }
}

/// An AWS account in CCKM, which calls it a KMS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(rename = "account_id")]
    pub(super) number: String,
    #[serde(default)]
    pub(super) regions: Option<Vec<String>>,
    #[serde(default)]
    pub(super) status: Option<String>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) total: u64,
    pub(super) resources: Option<Vec<T>>,
}

fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn instant(text: &str) -> Result<Timestamp, Unusable> {
    text.parse().map_err(|_| Unusable(format!("a time in it is {text}")))
}

/// A time in whole seconds. Fractions differ between answers about the same moment, and a status must not change because of them.
fn whole(time: Timestamp) -> Result<Timestamp, Unusable> {
    Timestamp::from_second(time.as_second()).map_err(|_| Unusable(format!("a time in it is {time}")))
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, Unusable> {
    text.map(|text| whole(instant(text)?)).transpose()
}

fn text(text: Option<&String>, member: &str) -> Result<String, Unusable> {
    text.filter(|text| !text.is_empty()).cloned().ok_or_else(|| missing(member))
}

#[cfg(test)]
mod tests;
