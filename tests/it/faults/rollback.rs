//! A cluster that is put back, and an operator that dies while it takes a key up: what the object says then is no wish to delete its key.
//!
//! A chapter of the test in [`restored`](super::restored), whose control plane can be put back.
//!
//! Shows S8.

use kms_double::{KeyState, Options};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    eventually,
    operator::{Operator, Post, WITHIN},
    scene::{Scene, message},
};

/// Kills the operator, puts the database back, and starts the API server anew, so that its lists show the old state as well.
async fn put_back(control_plane: &'static ControlPlane, operator: &mut Operator) {
    operator.kill();
    control_plane.restore().await;
    control_plane.restart().await;
}

async fn asks(scene: &Scene, name: &str, days: impl Into<Value>) {
    scene.spec(name, json!({ "deletionScheduleDays": days.into() })).await;
}

fn schedules(scene: &Scene) -> usize {
    scene.calls("ScheduleKeyDeletion").into_iter().filter(|call| call.took_effect).count()
}

/// Objects from before a restore ask for a deletion, after one restore and after two: with the wish from the backup, and with an edit on top of it.
pub async fn no_restore_is_an_edge(control_plane: &'static ControlPlane, post: &Post, mut operator: Operator) {
    // Lists and watches of the chapters before go on from revisions that are not reached again yet.
    operator.kill();
    control_plane.restart().await;
    operator = post.start();
    let scene = Scene::on(control_plane, post, "rollback", Options::default(), json!({ "resyncSeconds": 86_400 })).await;
    let names = ["edited", "withdrawn", "dies"];
    for name in names {
        scene.create(name, json!({})).await;
        scene.until_ready(name, "True", "Available").await;
    }
    asks(&scene, "withdrawn", 7).await;
    scene.until_ready("withdrawn", "True", "DeletionScheduled").await;
    scene.look("withdrawn").await;
    control_plane.snapshot().await;
    // What the backup does not know: an edit, and a wish that was taken back.
    scene.spec("edited", json!({ "description": "second" })).await;
    scene.until_ready("edited", "True", "Available").await;
    asks(&scene, "withdrawn", Value::Null).await;
    scene.until_ready("withdrawn", "True", "Available").await;
    assert_eq!(schedules(&scene), 1);

    let mut shown = Vec::new();
    for times in 1..=2 {
        put_back(control_plane, &mut operator).await;
        // Its generation is the one that the edit had, and in the next line one that no mark had.
        asks(&scene, "edited", 7).await;
        asks(&scene, "edited", 6 + times).await;
        operator = post.start();
        for name in ["edited", "withdrawn"] {
            let object = scene.until_ready(name, "False", "RollbackSuspected").await;
            scene.look_at_all(name).await;
            scene.until_ready(name, "False", "RollbackSuspected").await;
            assert_eq!(scene.key(name).await.state, KeyState::Enabled, "{name} after {times}: {}", message(&object));
            shown.push((name, object));
        }
        assert_eq!(schedules(&scene), 1, "after {times}: {}", operator.tail());
    }
    // A person who reads the hold can still go on.
    let (name, object) = shown.swap_remove(2);
    scene.confirm(&object).await;
    scene.until_ready(name, "True", "DeletionScheduled").await;
    assert_eq!(schedules(&scene), 2);
    a_take_up_that_dies_is_none(&scene, post, operator).await;
}

/// A new object takes the key of its name up. The operator is killed after the object has the word on record and before the key has it.
async fn a_take_up_that_dies_is_none(scene: &Scene, post: &Post, mut operator: Operator) {
    for at_first in [json!({}), json!({ "deletionScheduleDays": 7 })] {
        scene.delete("dies").await;
        scene.until_gone("dies").await;
        let before = scene.now();
        scene.double.inject(kms_double::Fault::on("TagResource", kms_double::FaultAction::Hang));
        scene.create("dies", at_first.clone()).await;
        eventually("the mark is on its way", WITHIN, async || {
            let tried = scene.calls("TagResource").into_iter().any(|call| call.seq > before);
            if tried { Ok(()) } else { Err(operator.tail()) }
        })
        .await;
        operator.kill();
        scene.double.clear_faults();
        asks(scene, "dies", 7).await;
        operator = post.start();
        scene.until_ready("dies", "False", "NotSeenLive").await;
        scene.look_at_all("dies").await;
        scene.until_ready("dies", "False", "NotSeenLive").await;
        assert_eq!((schedules(scene), scene.key("dies").await.state), (2, KeyState::Enabled), "{at_first}");
    }
}
