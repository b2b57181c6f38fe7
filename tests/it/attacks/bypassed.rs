//! Every row, written past admission: the API server in memory has no schema, no rules and no rights.

use std::sync::Mutex;

use super::{
    Ends, rows,
    world::{World, all},
};
use crate::support::scene::Scene;

/// Shows S3.
#[tokio::test]
async fn every_attack_past_admission_is_harmless() {
    let attacks = rows::all();
    let world = Box::pin(World::new(Scene::new("mallory").await)).await;
    let left_alone = Mutex::new(Vec::new());
    let client = world.scene.client.clone();
    let mut wrong = all(&attacks, async |attack| {
        let stored = world.act(&client, attack).await?;
        if attack.bypassed == Ends::LeftAlone {
            left_alone.lock().unwrap().push(stored.clone());
        }
        world.ended(&client, attack, &stored, attack.bypassed).await
    })
    .await;
    wrong.extend(world.harm(&left_alone.into_inner().unwrap()).await);
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
