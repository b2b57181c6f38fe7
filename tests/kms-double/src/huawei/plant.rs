//! Creates Huawei keys from outside of the wire protocol.

use super::calls::ALIAS_PREFIX;
use super::spec::{self, AES_256};
use crate::admin::Plant;
use crate::state::Inner;
use crate::world::{Alias, Key, KeyRef, Origin};

/// Creates the key that `plant` describes. Its alias, with or without the prefix, becomes the key's own name. With [`crate::Manager::Aws`],
/// an alias that ends in `/default` makes a default key.
pub(crate) fn plant(inner: &mut Inner, plant: &Plant) -> anyhow::Result<KeyRef> {
    let now = inner.pass_time();
    // The default of a plant is AWS's name for the same value.
    let spec = if plant.spec == "SYMMETRIC_DEFAULT" { AES_256 } else { &plant.spec };
    let spec = spec::find(spec).ok_or_else(|| anyhow::anyhow!("there is no key spec {spec}"))?;
    let usage = plant.usage.as_deref().or(spec.usages.first().copied()).filter(|usage| spec.usages.contains(usage));
    let usage = usage.ok_or_else(|| anyhow::anyhow!("keys of {} are for {:?}", spec.name, spec.usages))?;
    anyhow::ensure!(matches!(plant.origin, Origin::AwsKms | Origin::External), "the origin of a key is kms or external");
    anyhow::ensure!(!plant.multi_region, "plant a single key and call replicate");
    let at = KeyRef { account: plant.account.clone(), region: plant.region.clone(), id: uuid::Uuid::new_v4().to_string() };
    let bare = plant.alias.as_deref().map(|alias| alias.strip_prefix(ALIAS_PREFIX).unwrap_or(alias));
    let name = format!("{ALIAS_PREFIX}{}", bare.unwrap_or(&at.id));
    anyhow::ensure!(inner.world.alias(&at.account, &at.region, &name).is_none(), "{name} is taken");
    let mut key = Key::new(at.clone(), now, spec.name, usage, plant.origin);
    key.manager = plant.manager;
    key.built_in_name = Some(name.clone());
    if let Some(state) = plant.state {
        key.force(state, now);
    }
    inner.world.add(key);
    let alias = Alias { name: name.clone(), target: at.id.clone(), created: now, updated: now };
    inner.world.put_alias(&at.account, &at.region, &name, Some(alias));
    Ok(at)
}
