//! A provider's rules, as the administrator wrote them: which namespaces, which keys, which tags and aliases.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sha2::{Digest, Sha256};

use super::{deletion::budget::is_id, limits::Limits, observed::Key, ownership::Tags, reserved::is_reserved_tag};
use crate::api::{
    KeyProvider, KeyProviderSpec,
    key_provider::{Adoption, AdoptionFrom, Allow, DeletionGuard, Namespaces, NamespacesFrom, ProviderType},
    mark,
};

/// What a round knows about its provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Name of the `KeyProvider`.
    pub name: String,
    /// Its type.
    pub provider: ProviderType,
    /// The account of its credentials, as the KMS reported it.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// Its endpoint, as [`endpoint`] names it.
    pub endpoint: String,
    /// As whom AWS sees Keyward: the principal of the credentials. `None`: that is not known, because another program calls AWS.
    pub principal: Option<String>,
    /// Which existing keys may be adopted.
    pub adoption: Adoption,
    /// What may be set on keys.
    pub allow: Allow,
    /// Tags of every key, below those of its object.
    pub default_tags: Tags,
    /// Keys of the tags that are or were default tags.
    pub default_tag_keys: BTreeSet<String>,
    /// What must be true before a deletion.
    pub guard: DeletionGuard,
    /// The id of the stop of all deletions through the provider; empty if it cannot be read. `None`: they are not stopped.
    pub trip: Option<String>,
    /// The maximum age of a KMS's copy of a key on which a change may rest. `None`: the KMS has no copies.
    pub max_staleness: Option<SignedDuration>,
}

impl Rules {
    /// The rules of a provider whose identity is known.
    #[must_use]
    pub fn new(name: &str, provider: &KeyProvider, account: &str, region: &str) -> Self {
        let spec = &provider.spec;
        let book = provider.status.as_ref().and_then(|status| status.deletions.as_ref());
        Self {
            name: name.into(),
            provider: spec.type_,
            account: account.into(),
            region: region.into(),
            endpoint: endpoint(spec),
            principal: None,
            adoption: spec.adoption.clone(),
            allow: spec.allow.clone(),
            default_tags: default_tags(spec),
            default_tag_keys: provider.status.iter().flat_map(|status| &status.default_tag_keys).cloned().collect(),
            guard: spec.deletion_guard.clone(),
            trip: book.and_then(|book| book.tripped.as_ref()).map(|trip| if is_id(&trip.id) { trip.id.clone() } else { String::new() }),
            max_staleness: spec
                .cipher_trust
                .as_ref()
                .map(|cipher_trust| SignedDuration::from_secs(i64::from(cipher_trust.max_staleness_seconds))),
        }
    }

    /// What the KMS accepts.
    #[must_use]
    pub const fn limits(&self) -> &'static Limits {
        Limits::of(self.provider)
    }

    /// The least and the most days of a waiting period that the provider accepts.
    #[must_use]
    pub fn window(&self) -> (i32, i32) {
        let (least, most) = self.limits().window;
        (least.max(self.guard.minimum_schedule_days), most)
    }

    /// Whether all deletions through the provider are stopped.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.trip.is_some() || self.guard.max_per_hour <= 0
    }

    /// Whether the KMS's copy of the key is too old to base a change on.
    #[must_use]
    pub fn stale(&self, key: &Key) -> bool {
        self.max_staleness.zip(key.age).is_some_and(|(most, age)| age > most)
    }

    /// Whether an object of `namespace` may adopt the key.
    #[must_use]
    pub fn admits_adoption(&self, namespace: &str, arn: &str, tags: &Tags) -> bool {
        match self.adoption.from {
            AdoptionFrom::None => false,
            AdoptionFrom::Tagged => tags.get(mark::ADOPT).is_some_and(|admitted| admitted == namespace),
            AdoptionFrom::Rules => {
                let any = |patterns: &[String], text: &str| patterns.iter().any(|pattern| matches(pattern, text));
                self.adoption.rules.iter().any(|rule| any(&rule.namespaces, namespace) && any(&rule.keys, arn))
            }
        }
    }

    /// Whether the mark of this other cluster does not prevent an adoption.
    #[must_use]
    pub fn admits_cluster(&self, cluster: &str) -> bool {
        self.adoption.from_clusters.iter().any(|admitted| admitted == cluster)
    }

    /// Whether objects may set a tag with this key.
    #[must_use]
    pub fn allows_tag(&self, key: &str) -> bool {
        self.allow.tag_keys.iter().any(|pattern| matches(pattern, key))
    }

    /// The tags that a key is to have: the default tags, and over them those of its object.
    #[must_use]
    pub fn tags_with(&self, own: &Tags) -> Tags {
        let mut tags = self.default_tags.clone();
        tags.extend(own.clone());
        tags
    }

    /// A digest of the default tags. `None`: there are none.
    #[must_use]
    pub fn default_tags_digest(&self) -> Option<String> {
        // A text with a length before each part is the same for the same tags only.
        let text = |(key, value): (&String, &String)| format!("{}:{key}{}:{value}", key.len(), value.len());
        let all: String = self.default_tags.iter().map(text).collect();
        (!all.is_empty()).then(|| URL_SAFE_NO_PAD.encode(Sha256::digest(all)))
    }

    /// Whether a tag with this key may be removed from a key on which Keyward put it.
    #[must_use]
    pub fn lets_remove_tag(&self, key: &str) -> bool {
        !is_reserved_tag(key) && (self.allows_tag(key) || self.default_tag_keys.contains(key))
    }

    /// Whether objects may set this alias, written without `alias/`.
    #[must_use]
    pub fn allows_alias(&self, alias: &str) -> bool {
        self.allow.aliases.iter().any(|pattern| matches(pattern, alias))
    }
}

/// The default tags of a provider, without those that admission should have refused.
#[must_use]
pub fn default_tags(spec: &KeyProviderSpec) -> Tags {
    let tags = spec.default_tags.iter().flatten().filter(|(key, _)| !is_reserved_tag(key));
    tags.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The KMS's own endpoint of the Region.
pub const DEFAULT_ENDPOINT: &str = "default";

/// Where a provider asks for keys: the host and the port of its URL, and for `CipherTrust` the KMS and the domain as well. Two providers of
/// one account and Region whose texts differ may have different keys. Objects show the text in their status, so it has no user, password,
/// path or query of the URL.
#[must_use]
pub fn endpoint(spec: &KeyProviderSpec) -> String {
    let of = |url: Option<&str>| url.map_or(DEFAULT_ENDPOINT, host).to_owned();
    match spec.type_ {
        ProviderType::Aws => of(spec.aws.as_ref().and_then(|aws| aws.endpoint.as_deref())),
        ProviderType::Huawei => of(spec.huawei.as_ref().and_then(|huawei| huawei.endpoint.as_deref())),
        ProviderType::CipherTrust => spec.cipher_trust.as_ref().map_or_else(String::new, |cipher_trust| {
            let domain = cipher_trust.domain.as_deref().filter(|domain| !domain.is_empty());
            let domain = domain.map_or_else(String::new, |domain| format!(" in domain {domain}"));
            format!("{}, KMS {}{domain}", host(&cipher_trust.url), cipher_trust.kms)
        }),
    }
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Whether objects of a namespace with these labels may use a provider. `None`: the namespace does not exist.
#[must_use]
pub fn admits_namespace(namespaces: &Namespaces, name: &str, labels: Option<&BTreeMap<String, String>>) -> bool {
    match namespaces.from {
        NamespacesFrom::All => true,
        NamespacesFrom::Names => namespaces.names.iter().flatten().any(|admitted| admitted == name),
        NamespacesFrom::Selector => namespaces.selector.as_ref().zip(labels).is_some_and(|(selector, labels)| selects(selector, labels)),
    }
}

/// A label selector as the API conventions define it: all parts must match, an empty selector matches everything, and an unknown operator
/// matches nothing.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|wanted| {
            let value = labels.get(&wanted.key);
            let listed = value.is_some_and(|value| wanted.values.iter().flatten().any(|known| known == value));
            match wanted.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Whether `text` matches `pattern`, in which `*` matches any number of characters, including none.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part).and_then(|at| text.get(at + part.len()..)) {
            Some(after) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::managed_key::LONGEST_WORD;

    #[test]
    fn an_endpoint_is_named_without_secrets() {
        let spec = |value: serde_json::Value| -> KeyProviderSpec {
            let mut spec = serde_json::json!({ "namespaces": { "from": "All" } });
            spec.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            serde_json::from_value(spec).unwrap()
        };
        let aws =
            |endpoint: Option<&str>| spec(serde_json::json!({ "type": "AWS", "aws": { "region": "eu-west-1", "endpoint": endpoint } }));
        for (url, named) in [
            (None, "default"),
            (Some("https://vpce-1.kms.eu-west-1.vpce.amazonaws.com"), "vpce-1.kms.eu-west-1.vpce.amazonaws.com"),
            (Some("http://127.0.0.1:4599/path?token=secret#part"), "127.0.0.1:4599"),
            (Some("https://user:secret@kms.example.com:8443/"), "kms.example.com:8443"),
            (Some("https://user:sec@ret@kms.example.com"), "kms.example.com"),
            (Some("https://[::1]:443"), "[::1]:443"),
            (Some("kms.example.com?secret"), "kms.example.com"),
        ] {
            assert_eq!(endpoint(&aws(url)), named, "{url:?}");
        }
        let huawei = serde_json::json!({ "region": "r", "projectId": "p", "endpoint": "https://kms.example.com", "credentialsSecretRef": { "name": "s" } });
        assert_eq!(endpoint(&spec(serde_json::json!({ "type": "Huawei", "huawei": huawei }))), "kms.example.com");
        let cipher_trust = |domain: Option<&str>| {
            let cipher_trust = serde_json::json!({
                "url": "https://cm.example.com/", "kms": "prod", "region": "r", "domain": domain, "credentialsSecretRef": { "name": "s" },
            });
            endpoint(&spec(serde_json::json!({ "type": "CipherTrust", "cipherTrust": cipher_trust })))
        };
        assert_eq!(cipher_trust(None), "cm.example.com, KMS prod");
        assert_eq!(cipher_trust(Some("")), "cm.example.com, KMS prod");
        assert_eq!(cipher_trust(Some("shop")), "cm.example.com, KMS prod in domain shop");
    }

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a*a", "a", false),
            ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:111122223333:key/1", true),
            ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:444455556666:key/1", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_namespace_is_admitted_by_name_or_by_label() {
        let by = |from, names: Option<&[&str]>, selector: Option<serde_json::Value>| Namespaces {
            from,
            names: names.map(|names| names.iter().map(|&name| name.into()).collect()),
            selector: selector.map(|value| serde_json::from_value(value).unwrap()),
        };
        let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
        let admits = |namespaces: &Namespaces| admits_namespace(namespaces, "shop", Some(&labels));
        assert!(admits(&by(NamespacesFrom::All, None, None)));
        assert!(admits(&by(NamespacesFrom::Names, Some(&["shop"]), None)));
        assert!(!admits(&by(NamespacesFrom::Names, Some(&["bank"]), None)));
        for (selector, expected) in [
            (serde_json::json!({ "matchLabels": { "team": "shop" } }), true),
            (serde_json::json!({ "matchLabels": { "team": "bank" } }), false),
            (serde_json::json!({ "matchExpressions": [{ "key": "team", "operator": "In", "values": ["shop"] }] }), true),
            (serde_json::json!({ "matchExpressions": [{ "key": "team", "operator": "NotIn", "values": ["shop"] }] }), false),
            (serde_json::json!({ "matchExpressions": [{ "key": "tier", "operator": "Exists" }] }), false),
            (serde_json::json!({ "matchExpressions": [{ "key": "tier", "operator": "DoesNotExist" }] }), true),
            (serde_json::json!({ "matchExpressions": [{ "key": "team", "operator": "Like", "values": ["shop"] }] }), false),
        ] {
            assert_eq!(admits(&by(NamespacesFrom::Selector, None, Some(selector.clone()))), expected, "{selector}");
        }
        assert!(!admits_namespace(&by(NamespacesFrom::Selector, None, Some(serde_json::json!({}))), "gone", None));
    }

    #[test]
    fn default_tags_are_below_those_of_the_object_and_only_their_keys_may_be_removed() {
        let provider: KeyProvider = serde_json::from_value(serde_json::json!({
            "apiVersion": "keyward.dev/v1alpha1", "kind": "KeyProvider", "metadata": { "name": "aws" },
            "spec": {
                "type": "AWS", "aws": { "region": "eu-west-1" }, "namespaces": { "from": "All" }, "allow": { "tagKeys": ["team"] },
                "defaultTags": { "cost": "42", "team": "platform", "keyward-uid": "u", "aws:x": "y" },
            },
            "status": { "defaultTagKeys": ["cost", "former", "keyward-uid"] },
        }))
        .unwrap();
        let rules = Rules::new("aws", &provider, "111122223333", "eu-west-1");
        let tags = |all: &[(&str, &str)]| all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Tags>();
        assert_eq!(rules.tags_with(&tags(&[("team", "shop")])), tags(&[("cost", "42"), ("team", "shop")]));
        let removable = ["cost", "former", "team", "theirs", "keyward-uid", "aws:x"].map(|key| rules.lets_remove_tag(key));
        assert_eq!(removable, [true, true, true, false, false, false]);

        let digest = |all: &[(&str, &str)]| Rules { default_tags: tags(all), ..rules.clone() }.default_tags_digest();
        assert_eq!(digest(&[]), None);
        let digests = [digest(&[("a", "bc")]), digest(&[("ab", "c")]), digest(&[("a", "b"), ("c", "")]), digest(&[("a", "")])];
        assert_eq!(digests.iter().collect::<BTreeSet<_>>().len(), digests.len());
        assert!(digests.iter().flatten().all(|digest| digest.len() <= LONGEST_WORD));
    }
}
