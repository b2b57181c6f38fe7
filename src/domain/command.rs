//! The commands that messages print, for people to run as they stand.
//!
//! Their field manager is `keyward-cli`, because Flux removes what a manager named `kubectl` sets.

use super::ownership::Owner;
use crate::api::annotation;

/// Sets an annotation of an object.
#[must_use]
pub fn annotate(Owner { namespace, name, .. }: &Owner, annotation: &str, value: &str) -> String {
    format!("kubectl annotate --overwrite --field-manager=keyward-cli -n {namespace} managedkey {name} {annotation}={value}")
}

/// Removes an annotation of an object.
#[must_use]
pub fn without(Owner { namespace, name, .. }: &Owner, annotation: &str) -> String {
    format!("kubectl annotate --field-manager=keyward-cli -n {namespace} managedkey {name} {annotation}-")
}

/// Has an object looked at now.
#[must_use]
pub fn look(owner: &Owner) -> String {
    annotate(owner, annotation::RECONCILE_REQUESTED_AT, NOW)
}

/// Changes an object. `spec` is JSON.
#[must_use]
pub fn patch(Owner { namespace, name, .. }: &Owner, spec: &str) -> String {
    format!("kubectl patch --field-manager=keyward-cli -n {namespace} managedkey {name} --type=merge -p '{{\"spec\":{spec}}}'")
}

/// Removes a finalizer of an object, by its place in the list. The API server refuses it if another finalizer is there by now.
#[must_use]
pub fn remove_finalizer(Owner { namespace, name, .. }: &Owner, at: usize, finalizer: &str) -> String {
    let path = format!("\"path\":\"/metadata/finalizers/{at}\"");
    format!(
        "kubectl patch --field-manager=keyward-cli -n {namespace} managedkey {name} --type=json \
         -p '[{{\"op\":\"test\",{path},\"value\":\"{finalizer}\"}},{{\"op\":\"remove\",{path}}}]'"
    )
}

/// Sets an annotation of a provider.
#[must_use]
pub fn annotate_provider(name: &str, annotation: &str, value: &str) -> String {
    format!("kubectl annotate --overwrite --field-manager=keyward-cli keyprovider {name} {annotation}={value}")
}

/// Has a provider looked at now.
#[must_use]
pub fn look_at_provider(name: &str) -> String {
    annotate_provider(name, annotation::RECONCILE_REQUESTED_AT, NOW)
}

/// Changes a provider. `spec` is JSON.
#[must_use]
pub fn patch_provider(name: &str, spec: &str) -> String {
    format!("kubectl patch --field-manager=keyward-cli keyprovider {name} --type=merge -p '{{\"spec\":{spec}}}'")
}

/// A text that is another one each second, by the shell of the person.
const NOW: &str = "\"$(date +%s)\"";
