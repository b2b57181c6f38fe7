//! Reads what is left behind at one provider: keys of this cluster that no object has, objects whose key is gone, and claim aliases without a key.
//!
//! It only reads. The client that [`list`] makes refuses every request that changes something. A key is on the list only if it was itself read again after the
//! search, and never because something could not be read. The keys are read before the objects: an object is older than its key, so no key seems to have no
//! object only because the object is new.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, bail};
use futures::{StreamExt, stream};
use kube::{Api, Client, Resource, api::ListParams};

use super::{
    account::same_account,
    key_provider::{self, ReadOnly},
    watched::{Undecodable, Watched},
};
use crate::{
    api::{KeyProvider, ManagedKey, mark},
    domain::{
        candidates::{UnmarkedKey, Window, could_be},
        failure::{Failure, FailureKind},
        memory::Attempt,
        observed::{Facet, Facets, Key},
        orphans::{
            CLAIMS, Holder, Holds, LostKey, MarkedKey, ObjectName, OpenCreation, Orphan, Pointer, Report, StrayAlias, Totals, Unread,
            UnreadKind, Why, claims_of, is_stray, last_owner, unheld,
        },
        ownership::is_of,
        rules::Rules,
    },
    kms::{AnyKms, Kms, Listing},
};

/// How many keys are read at the same time.
const READS: usize = 8;
/// How many objects are listed in one request.
const PAGE: u32 = 500;

/// What to search for.
#[derive(Clone, Debug)]
pub struct Query {
    /// The cluster id in the marks.
    pub cluster_id: String,
    /// The operator's namespace, with the Secrets of providers.
    pub namespace: String,
    /// The name of the `KeyProvider`.
    pub provider: String,
    /// How long after it was begun a creation may have made a key.
    pub attempt_wait: jiff::SignedDuration,
}

/// Where to search, and for whose keys.
pub(super) struct Search<'a> {
    pub(super) client: &'a Client,
    pub(super) kms: &'a AnyKms,
    /// The rules of its `KeyProvider`, with its account and Region.
    pub(super) rules: &'a Rules,
    pub(super) cluster: &'a str,
    /// Whose claim aliases are looked at.
    pub(super) claims: Claims,
}

/// Claim aliases to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claims {
    /// Those of this cluster.
    Own,
    /// Those of every cluster. This reads the keys of the other clusters too.
    OfAll,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) keys: Vec<FoundKey>,
    pub(super) objects: Vec<LostKey>,
    pub(super) aliases: Vec<StrayAlias>,
    pub(super) unread: Vec<Unread>,
    holders: Vec<Holder>,
}

/// A key that no object has.
#[derive(Debug)]
pub(super) struct FoundKey {
    key: Key,
    pub(super) why: Why,
    /// The object that its marks name, if that exists.
    object: Option<ObjectName>,
}

/// Lists what is left behind at a provider, with the provider's own credentials.
///
/// # Errors
/// The provider cannot be used, or the API server or the KMS does not answer.
pub async fn list(client: Client, query: &Query) -> anyhow::Result<Report> {
    let name = &query.provider;
    let read = Api::<Watched<KeyProvider>>::all(client.clone()).get_opt(name).await;
    let Some(read) = read.with_context(|| format!("KeyProvider {name} could not be read"))? else {
        bail!("KeyProvider {name} does not exist; kubectl get keyproviders lists those that exist");
    };
    let provider = read
        .into_decoded()
        .map_err(|undecodable| anyhow::anyhow!("this version of Keyward does not understand KeyProvider {name}: {}", undecodable.error))?;
    let ReadOnly { kms, identity } = key_provider::read_only(&client, &query.namespace, name, &provider)
        .await
        .map_err(|unusable| anyhow::anyhow!("KeyProvider {name} cannot be used: {}", unusable.note.message))?;
    let rules = Rules::new(name, &provider, &identity.account, &identity.region);
    let search = Search { client: &client, kms: &kms, rules: &rules, cluster: &query.cluster_id, claims: Claims::OfAll };
    let found = find(&search).await?;
    report(&search, found, query.attempt_wait).await
}

/// Reads all keys of the account and Region, then all objects.
pub(super) async fn find(search: &Search<'_>) -> anyhow::Result<Found> {
    let Search { kms, rules, cluster, claims, .. } = search;
    same_account(kms, &rules.account).await?;
    let Listing { found: marked, denied } = kms.marked(cluster).await.context("the keys could not be listed")?;
    let prefix = if *claims == Claims::Own { claims_of(cluster) } else { CLAIMS.to_owned() };
    let pointers = kms.aliases_under(&prefix).await.context("the aliases could not be listed")?;
    let holders = holders(search).await.context("the ManagedKeys could not be listed")?;
    let mut unread = Doubts::default();
    for failure in &denied {
        unread.key(failure);
    }
    // An object that names another provider has no key of this one.
    let may_hold = |holder: &&Holder| holder.holds == Holds::Unread && (holder.provider.is_empty() || holder.provider == search.rules.name);
    for holder in holders.iter().filter(may_hold) {
        unread.object(format!("this version of Keyward does not understand ManagedKey {}", holder.object()));
    }
    let objects = lost(search, &marked, &holders, &mut unread).await?;
    let (keys, marked) = free(search, marked, &holders, &mut unread).await?;
    let aliases = stray(search, pointers, &marked, &mut unread).await?;
    // In another account all keys would seem to be gone.
    same_account(kms, &rules.account).await?;
    Ok(Found { keys, objects, aliases, unread: unread.counted(), holders })
}

/// Every object, live.
async fn holders(search: &Search<'_>) -> kube::Result<Vec<Holder>> {
    let api = Api::<Watched<ManagedKey>>::all(search.client.clone());
    let read = |object: &Watched<ManagedKey>| {
        object.decoded().map_or_else(|why| not_understood(object, why), |object| Holder::of(object, search.rules))
    };
    let mut page = ListParams::default().limit(PAGE);
    let mut holders = Vec::new();
    loop {
        let list = api.list(&page).await?;
        holders.extend(list.items.iter().map(read));
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(holders),
        }
    }
}

fn not_understood(object: &Watched<ManagedKey>, why: &Undecodable) -> Holder {
    let metadata = object.meta();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Holder {
        namespace: text(&metadata.namespace),
        name: text(&metadata.name),
        uid: text(&metadata.uid),
        provider: why.provider.clone().unwrap_or_default(),
        declared: None,
        holds: Holds::Unread,
    }
}

/// The keys that no object has, each read again, and all keys that still have the mark.
async fn free(
    search: &Search<'_>,
    marked: Vec<MarkedKey>,
    holders: &[Holder],
    unread: &mut Doubts,
) -> anyhow::Result<(Vec<FoundKey>, Vec<MarkedKey>)> {
    let suspects: HashSet<String> = unheld(&marked, holders).into_iter().map(|(key, ..)| key.reference.clone()).collect();
    let mut marked = marked;
    marked.retain(|key| !suspects.contains(&key.reference));
    let mut read = read_all(search.kms, suspects, unread).await?;
    marked.extend(read.iter().filter_map(|(reference, key)| {
        let tags = key.as_ref()?.tags.clone().filter(|tags| is_of(search.cluster, tags))?;
        Some(MarkedKey { reference: reference.clone(), tags })
    }));
    let mut found = Vec::new();
    for (tagged, why, holder) in unheld(&marked, holders) {
        // A key that seems free only now, because the marks of another one changed meanwhile, is found by the next search.
        let Some(Some(key)) = read.remove(&tagged.reference) else { continue };
        // A key that an object has or names is in use, by whatever reference.
        if holders.iter().any(|holder| holder.names(&key)) {
            continue;
        }
        found.push(FoundKey { key, why, object: holder.map(Holder::object) });
    }
    Ok((found, marked))
}

/// Reads keys with their tags; `None`: the KMS has no such key. A key whose read is denied is noted and left out.
async fn read_all(
    kms: &AnyKms,
    references: impl IntoIterator<Item = String>,
    unread: &mut Doubts,
) -> anyhow::Result<HashMap<String, Option<Key>>> {
    let read = |reference: String| async move {
        let read = match kms.read(&reference, Facets::TAGS.with(Facet::Aliases)).await {
            Ok(Some(reading)) => reading.whole().map(Some),
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        };
        (reference, read)
    };
    let mut reads = stream::iter(references.into_iter().collect::<Vec<_>>()).map(read).buffer_unordered(READS);
    let mut all = HashMap::new();
    while let Some((reference, read)) = reads.next().await {
        match read {
            Ok(key) => _ = all.insert(reference, key),
            // It was deleted between the two requests of the read.
            Err(failure) if failure.kind == FailureKind::NotFound => _ = all.insert(reference, None),
            Err(failure) if is_of_one_key(&failure) => unread.key(&failure),
            Err(failure) => return Err(failure).context("a key could not be read"),
        }
    }
    Ok(all)
}

/// Whether a failure says nothing about other keys.
fn is_of_one_key(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Denied | FailureKind::Invalid | FailureKind::Conflict | FailureKind::Faulted | FailureKind::Unknown)
}

/// The objects of this provider whose key the KMS does not find.
async fn lost(search: &Search<'_>, marked: &[MarkedKey], holders: &[Holder], unread: &mut Doubts) -> anyhow::Result<Vec<LostKey>> {
    let known: HashSet<&str> = marked.iter().map(|key| key.reference.as_str()).collect();
    let (mut asked, mut held) = (Vec::new(), 0_usize);
    for holder in holders.iter().filter(|holder| holder.provider == search.rules.name) {
        let Holds::Key { references, elsewhere, lost } = &holder.holds else { continue };
        if references.iter().any(|reference| known.contains(reference.as_str())) {
            held += 1;
        } else if let Some(why) = elsewhere {
            unread.object(why.clone());
        } else {
            asked.push(lost);
        }
    }
    let mut denied = Doubts::default();
    let read = read_all(search.kms, asked.iter().map(|lost| lost.key.clone()), &mut denied).await?;
    if let Some(failure) = denied.keys.first() {
        unread.objects.extend(denied.keys.iter().map(|_| format!("the key of an object could not be read: {failure}")));
    }
    let other = read.iter().find_map(|(reference, key)| {
        let cluster = key.as_ref()?.tags.as_ref()?.get(mark::CLUSTER).filter(|cluster| *cluster != search.cluster)?;
        Some((reference, cluster))
    });
    // With the id of another cluster, all keys of that one would be listed.
    if let Some((key, cluster)) = other.filter(|_| held == 0) {
        bail!(
            "no ManagedKey of KeyProvider {} has a key with the mark of cluster {}, and key {key} has the mark of cluster {cluster}; check --cluster-id",
            search.rules.name,
            search.cluster
        );
    }
    let is_gone = |lost: &&LostKey| read.get(&lost.key).is_some_and(Option::is_none);
    Ok(asked.into_iter().filter(is_gone).cloned().collect())
}

/// The claim aliases that lead to no key with the mark of their cluster.
async fn stray(search: &Search<'_>, pointers: Vec<Pointer>, marked: &[MarkedKey], unread: &mut Doubts) -> anyhow::Result<Vec<StrayAlias>> {
    let known: HashSet<&str> = marked.iter().map(|key| key.reference.as_str()).collect();
    let is_known = |pointer: &Pointer| pointer.key.as_deref().is_some_and(|key| known.contains(key));
    let suspects: Vec<Pointer> = pointers.into_iter().filter(|pointer| !is_known(pointer)).collect();
    let references: HashSet<String> = suspects.iter().filter_map(|pointer| pointer.key.clone()).collect();
    let read = read_all(search.kms, references, unread).await?;
    let stray = |Pointer { alias, key }: Pointer| {
        let Some(reference) = key else { return Some(StrayAlias { alias, key: None }) };
        match read.get(&reference) {
            Some(None) => Some(StrayAlias { alias, key: None }),
            Some(Some(key)) if key.tags.as_ref().is_some_and(|tags| is_stray(&alias, tags)) => {
                Some(StrayAlias { alias, key: Some(key.arn.clone()) })
            }
            // It has the mark by now, or it could not be read, which is noted.
            Some(Some(_)) | None => None,
        }
    };
    Ok(suspects.into_iter().filter_map(stray).collect())
}

/// Completes what was found by what only a person needs: costs, and the keys that open creations may have made.
async fn report(search: &Search<'_>, found: Found, attempt_wait: jiff::SignedDuration) -> anyhow::Result<Report> {
    let Found { keys, objects, aliases, mut unread, holders } = found;
    let (creating, free): (Vec<_>, Vec<_>) = keys.into_iter().partition(|found| found.why == Why::CreationUnderWay);
    let creations = creations(search, &creating, &holders, attempt_wait, &mut unread).await?;
    let keys = stream::iter(free).map(|found| orphan(search, found)).buffer_unordered(READS).collect().await;
    let report = Report {
        cluster: search.cluster.to_owned(),
        provider: search.rules.name.clone(),
        type_: search.rules.provider.as_str().to_owned(),
        account: search.rules.account.clone(),
        region: search.rules.region.clone(),
        keys,
        objects,
        aliases,
        creations,
        unread,
        totals: Totals::default(),
    };
    Ok(report.complete())
}

async fn orphan(search: &Search<'_>, FoundKey { key, why, object }: FoundKey) -> Orphan {
    let tags = key.tags.clone().unwrap_or_default();
    let (owner_mark, owner_uid) = (tags.get(mark::OWNER).cloned(), tags.get(mark::UID).cloned());
    let aliases = key.aliases.iter().flatten().chain(&key.name).map(String::as_str);
    let last_owner = owner_mark.as_deref().and_then(|mark| last_owner(search.cluster, mark, aliases));
    Orphan {
        message: why.sentence(object.as_ref()),
        cost_per_month: cost(search, &key).await,
        key: key.arn,
        key_id: key.id,
        state: key.state.into(),
        creation_time: key.creation_time,
        deletion_date: key.deletion_date,
        last_owner,
        owner_mark,
        owner_uid,
        reason: why,
    }
}

/// What the KMS bills for a key each month; `None`: not known.
async fn cost(search: &Search<'_>, key: &Key) -> Option<u32> {
    let price = search.rules.limits().price?;
    if key.state.is_pending() {
        return Some(0);
    }
    match search.kms.rotations(&key.arn).await {
        Ok(rotations) => Some(price.of_rotated(rotations.0.len())),
        Err(failure) => {
            tracing::warn!(key = key.arn, error = &failure as &dyn std::error::Error, "the rotations of a key could not be read");
            None
        }
    }
}

/// The creations of this provider whose outcome is not on record, if a key may be theirs.
async fn creations(
    search: &Search<'_>,
    marked: &[FoundKey],
    holders: &[Holder],
    attempt_wait: jiff::SignedDuration,
    unread: &mut Vec<Unread>,
) -> anyhow::Result<Vec<OpenCreation>> {
    let here = |attempt: &Attempt| match attempt {
        Attempt::At { account, region, .. } => (account, region) == (&search.rules.account, &search.rules.region),
        Attempt::Unreadable => true,
    };
    let is_marked = |holder: &Holder| marked.iter().any(|found| found.object.as_ref() == Some(&holder.object()));
    let open: Vec<(&Holder, &Attempt)> = holders
        .iter()
        .filter_map(|holder| if let Holds::Creation(attempt) = &holder.holds { Some((holder, attempt)) } else { None })
        .filter(|(holder, attempt)| holder.provider == search.rules.name && here(attempt) || is_marked(holder))
        .collect();
    // Reading all keys once more is worth it only if a creation has a time to compare them with.
    let unmarked: Vec<UnmarkedKey> = if open.iter().any(|(_, attempt)| matches!(attempt, Attempt::At { .. })) {
        let Listing { found, denied } = search.kms.unmarked().await.context("the keys without an owner's mark could not be listed")?;
        if let Some(first) = denied.first().filter(|_| unread.iter().all(|known| known.kind != UnreadKind::Keys)) {
            unread.push(Unread { kind: UnreadKind::Keys, count: denied.len(), message: first.message.clone() });
        }
        found.into_iter().map(Into::into).collect()
    } else {
        Vec::new()
    };
    let candidates = |(holder, attempt): (&Holder, &Attempt)| {
        let object = holder.object();
        let ours = marked.iter().filter(|found| found.object.as_ref() == Some(&object));
        let mut marked_keys: Vec<String> = ours.map(|found| found.key.id.clone()).collect();
        marked_keys.sort_unstable();
        let (begun, unmarked_keys) = match attempt {
            Attempt::At { time, .. } => {
                let found = could_be(&unmarked, &holder.owner(search.cluster), Window::of_attempt(*time, attempt_wait));
                (Some(*time), found.into_iter().map(|key| key.id.clone()).collect())
            }
            Attempt::Unreadable => (None, Vec::new()),
        };
        OpenCreation { object, begun, marked_keys, unmarked_keys }
    };
    let all = open.into_iter().map(candidates);
    Ok(all.filter(|creation| !(creation.marked_keys.is_empty() && creation.unmarked_keys.is_empty())).collect())
}

/// What could not be read, as messages.
#[derive(Debug, Default)]
struct Doubts {
    keys: Vec<String>,
    objects: Vec<String>,
}

impl Doubts {
    fn key(&mut self, failure: &Failure) {
        self.keys.push(failure.message.clone());
    }

    fn object(&mut self, message: String) {
        self.objects.push(message);
    }

    fn counted(self) -> Vec<Unread> {
        let of = |kind, mut messages: Vec<String>| {
            let count = messages.len();
            // Keys are read in no order.
            messages.sort_unstable();
            messages.into_iter().next().map(|message| Unread { kind, count, message })
        };
        of(UnreadKind::Keys, self.keys).into_iter().chain(of(UnreadKind::Objects, self.objects)).collect()
    }
}
