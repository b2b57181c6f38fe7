//! Counts what is left behind at each provider, for the metrics, about once a day.
//!
//! A count reads the tags of every key of the account. So the first count of a provider comes a while after the start, at a random time, and two counts never
//! run at the same time. While a count fails, the last one stays: a metric that says 0 because nothing could be read would be wrong.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Context, contained,
    key_provider::Connected,
    orphans::{Claims, Found, Search, find},
    waits,
};
use crate::{
    domain::{orphans::Why, rules::Rules},
    metrics::OrphanCounts,
};

/// The first count, and the next one after a failure, come after this part of the time between two counts, or up to twice as long.
const SOON: u32 = 24;
/// How much longer the time between two counts can become by jitter, as a share of it.
const JITTER: f64 = 0.2;

/// When the next count of a provider is due, and the account and Region of the last one.
#[derive(Debug)]
struct Due {
    at: Instant,
    covers: (String, String),
}

/// Counts for ever.
pub async fn count(context: &Context) {
    let every = context.settings.orphans_every;
    let (longest, shortest) = waits::ORPHANS_CHECK;
    let pause = (every / 100).clamp(shortest, longest);
    let mut due: HashMap<String, Due> = HashMap::new();
    loop {
        tokio::time::sleep(pause).await;
        let connected = context.providers.connected();
        due.retain(|name, _| connected.iter().any(|(known, _)| known == name) || context.providers.get(name).is_some());
        for (name, connected) in connected {
            let identity = &connected.identity;
            let covers = (identity.account.clone(), identity.region.clone());
            let known = due.entry(name.clone()).or_insert_with(|| Due { at: soon(every), covers: covers.clone() });
            if known.covers != covers {
                // What was counted elsewhere says nothing about this account.
                context.metrics.of_provider(&name).forget_orphans();
                *known = Due { at: soon(every), covers };
            }
            if known.at > Instant::now() {
                continue;
            }
            known.at =
                if counted(context, &name, &connected).await { after(every.mul_f64(1.0 + JITTER * fastrand::f64())) } else { soon(every) };
        }
    }
}

fn soon(every: Duration) -> Instant {
    after((every / SOON).mul_f64(1.0 + fastrand::f64()))
}

fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}

/// Counts what is left behind at one provider; whether that worked.
async fn counted(context: &Context, name: &str, connected: &Arc<Connected>) -> bool {
    let Some(provider) = context.providers.get(name) else { return false };
    // A provider that this version does not understand has no client.
    let Ok(provider) = provider.decoded() else { return false };
    let rules = Rules::new(name, provider, &connected.identity.account, &connected.identity.region);
    let cluster = &context.settings.cluster_id;
    let wanted = Search { client: &context.client, kms: &connected.kms, rules: &rules, cluster, claims: Claims::Own };
    let found = match contained(Box::pin(find(&wanted))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::warn!(provider = name, error = crate::telemetry::causes(&*error), "the keys without an object could not be counted");
            return false;
        }
        // It is logged.
        Err(_panicked) => return false,
    };
    let Found { keys, objects, aliases, unread, .. } = &found;
    for unread in unread {
        tracing::warn!(
            provider = name,
            count = unread.count,
            "not everything could be read to count the keys without an object: {}",
            unread.message
        );
    }
    let keys = keys.iter().filter(|key| key.why != Why::CreationUnderWay).count();
    let counts = OrphanCounts { keys, objects: objects.len(), aliases: aliases.len() };
    tracing::info!(provider = name, ?counts, "the keys without an object were counted");
    // The provider may have been deleted meanwhile.
    if context.providers.get(name).is_some() {
        context.metrics.of_provider(name).orphans(counts);
    }
    true
}
