//! Every row, written past admission: straight into the storage of a real API server, where no schema, no rule and no right is asked.

use std::sync::Mutex;

use keyward::{api::publish_to::PublishKind, manifests::rbac};

use super::{
    Ends,
    admitted::logged,
    rows,
    world::{Way, World, all},
};
use crate::{
    publishing::grant,
    support::{control_plane::shared, scene::Scene, storage::Storage},
};

/// Shows S3.
#[tokio::test]
async fn every_attack_past_admission_is_harmless() {
    let attacks = rows::all();
    let world = Box::pin(World::new(Scene::real("stored").await)).await;
    // Without the right to publish, nothing could go wrong there.
    grant(&world.scene, PublishKind::ConfigMap, &rbac::publish_right(PublishKind::ConfigMap).rule.verbs).await;
    let storage = Storage::of(shared());
    let way = Way::Bypassed(&storage);
    let left_alone = Mutex::new(Vec::new());
    let mut wrong = all(&attacks, async |attack| {
        let stored = world.act(way, attack).await?;
        if attack.bypassed == Ends::LeftAlone {
            left_alone.lock().unwrap().push(stored.clone());
        }
        world.ended(way, attack, &stored, attack.bypassed).await
    })
    .await;
    wrong.extend(world.harm(&left_alone.into_inner().unwrap()).await);
    wrong.extend(logged(&world.scene.namespace));
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
