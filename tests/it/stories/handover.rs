//! Aliases that go from one object to another.
//!
//! Shows S3.

use kms_double::{Entry, Options};
use serde_json::json;

use crate::support::{
    scene::{Scene, message},
    vendor::Vendor,
};

/// Objects with a key each, and an alias each of the same name. What wakes them is what the others do: the regular read comes too late.
async fn with(vendor: &'static Vendor, name: &str, objects: &[&str]) -> Scene {
    let scene = Scene::of(vendor, name, Options::default(), json!({ "resyncSeconds": 600 })).await;
    for object in objects {
        scene.create(object, json!({ "aliases": [of(&scene, object)] })).await;
    }
    for object in objects {
        scene.until_ready(object, "True", "Available").await;
    }
    scene
}

/// An alias that no other scene has.
fn of(scene: &Scene, object: &str) -> String {
    format!("{}-{object}", scene.namespace)
}

async fn declare(scene: &Scene, object: &str, aliases: &[&str]) {
    let aliases: Vec<_> = aliases.iter().map(|alias| of(scene, alias)).collect();
    scene.spec(object, json!({ "aliases": aliases })).await;
}

async fn until_as_declared(scene: &Scene, object: &str, alias: Option<&str>) {
    let synced = scene.until(object, "Synced", |object| {
        let status = object.status.as_ref().unwrap();
        let is_true = |kind: &str| status.conditions.iter().any(|known| known.type_ == kind && known.status == "True");
        is_true("Synced") && is_true("Ready") && status.observed_generation == object.metadata.generation
    });
    synced.await;
    let aliases: Vec<_> = scene.key(object).await.aliases.into_iter().filter(|alias| !alias.starts_with("alias/keyward/")).collect();
    let expected: Vec<_> = alias.iter().map(|alias| format!("alias/{}", of(scene, alias))).collect();
    assert_eq!(aliases, expected, "{object}");
}

/// How many aliases were moved; none was taken away, where the KMS moves them.
fn moves(scene: &Scene) -> Option<usize> {
    let done = |operation: &str| scene.calls(operation).iter().filter(|call: &&Entry| call.took_effect).count();
    let operation = scene.vendor.operations.move_alias?;
    assert_eq!(done(scene.vendor.operations.remove_alias), 0, "an alias was on no key for a moment");
    Some(done(operation))
}

pub async fn two_objects_swap_their_aliases_and_three_pass_them_on(vendor: &'static Vendor) {
    let scene = with(vendor, "swap", &["blue", "green", "red"]).await;
    declare(&scene, "blue", &["green"]).await;
    declare(&scene, "green", &["blue"]).await;
    until_as_declared(&scene, "blue", Some("green")).await;
    until_as_declared(&scene, "green", Some("blue")).await;
    assert!(moves(&scene).is_none_or(|moves| moves == 2), "{:?}", moves(&scene));

    for (object, alias) in [("blue", "blue"), ("green", "red"), ("red", "green")] {
        declare(&scene, object, &[alias]).await;
    }
    for (object, alias) in [("blue", "blue"), ("green", "red"), ("red", "green")] {
        until_as_declared(&scene, object, Some(alias)).await;
    }
    assert!(moves(&scene).is_none_or(|moves| moves == 5), "{:?}", moves(&scene));
}

pub async fn an_alias_is_handed_over_whichever_object_is_changed_first(vendor: &'static Vendor) {
    let scene = with(vendor, "hand-over", &["blue", "green"]).await;
    // The one that takes it comes first: it says who has the alias, and takes it once that object lets go.
    declare(&scene, "green", &["blue"]).await;
    let object = scene.until_ready("green", "False", "AliasTaken").await;
    if vendor.operations.move_alias.is_some() {
        assert!(
            message(&object).contains("ManagedKey blue declares it; remove it from spec.aliases there, and it is moved"),
            "{}",
            message(&object)
        );
    }
    declare(&scene, "blue", &[]).await;
    until_as_declared(&scene, "green", Some("blue")).await;
    until_as_declared(&scene, "blue", None).await;

    // The one that lets it go comes first.
    declare(&scene, "green", &[]).await;
    declare(&scene, "blue", &["blue"]).await;
    until_as_declared(&scene, "blue", Some("blue")).await;
    until_as_declared(&scene, "green", None).await;
    if let Some(operation) = vendor.operations.move_alias {
        assert_eq!(scene.calls(operation).iter().filter(|call| call.took_effect).count(), 2);
        scene.until_event("blue", "AliasMoved").await;
    }
}

/// An alias that was let go is removed even if no object takes it over. An alias that its object still declares, or has from elsewhere,
/// stays.
pub async fn an_alias_that_nobody_takes_goes_and_one_that_was_not_let_go_stays(vendor: &'static Vendor) {
    let scene = with(vendor, "let-go", &["blue", "green"]).await;
    declare(&scene, "green", &[]).await;
    until_as_declared(&scene, "green", None).await;

    let (blue, theirs) = (scene.key("blue").await, format!("alias/{}", of(&scene, "theirs")));
    scene.double.point_alias(&theirs, &blue.arn).unwrap();
    scene.double.ciphertrust_sync();
    declare(&scene, "green", &["theirs"]).await;
    let object = scene.until_ready("green", "False", "AliasTaken").await;
    if vendor.operations.move_alias.is_some() {
        assert!(message(&object).contains("ManagedKey blue did not put it there"), "{}", message(&object));
    }
    scene.look_at_all("blue").await;
    scene.look_at_all("green").await;
    assert!(scene.key("blue").await.aliases.contains(&theirs));
    if let Some(operation) = vendor.operations.move_alias {
        assert!(scene.calls(operation).is_empty());
    }
}
