//! Measures what Keyward costs at scale: calls, writes, time and memory, from creation until steady and at rest.
//!
//! This is not a test, because the numbers depend on the machine. `make bench` prints a table and writes `target/bench/scale.json`, a list
//! of name, value and unit. One API server and the KMS double run together with the operator, on loopback. `KEYWARD_BENCH_OBJECTS` sets the
//! sizes, by default `1000,10000`, and `KEYWARD_BENCH_PROVIDERS` the KMS, by default `aws,ciphertrust,huawei`. Sizes above 1,000 are
//! measured only with AWS.
//!
//! The first part creates keys with AWS's default request quotas and default settings, alone and together with another program that uses
//! half of each quota. The last part measures how soon a key is enabled again after its deletion was withdrawn, while calls for other keys
//! wait, at default settings. `KEYWARD_BENCH_OBJECTS=` (empty) runs only these two parts, and `KEYWARD_BENCH_QUOTAS=` (empty) skips the
//! first part.

// The servers are those of the tests. Not all of their functions are used here.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_precision_loss, missing_docs)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};
use keyward::api::{ConditionType, ManagedKey, condition};
use kms_double::{ACCESS_KEY, Entry, Fault, FaultAction, KeyState, Options};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use support::{
    control_plane::ControlPlane,
    eventually,
    operator::{Operator, Post},
    scene::Scene,
    vendor::{self, Vendor},
};

/// How long convergence may take before the benchmark stops with an error.
const WITHIN: Duration = Duration::from_mins(15);
/// How long the operator is observed at rest. Each key is read about three times in this time: at once, because its provider is edited, and
/// every 30 seconds.
const REST: Duration = Duration::from_mins(1);
/// The largest size at which every KMS is measured. The growth with more objects does not depend on the KMS.
const COMPARED: usize = 1000;
/// The budgets of the operator at AWS, by name. The other figures are for comparison.
const BUDGETS: &[(&str, f64)] = &[
    ("kms calls per object, create to steady", 6.0),
    ("api writes per object, create to steady", 3.0),
    ("kms reads per look at rest", 2.0),
    ("api writes per look at rest", 0.0),
    ("calls about 30 others hang: p99", 2.0),
    ("200 others wait for a quota: p99", 2.0),
    ("60 keys: until all are ready", 14.0),
    ("60 keys: kms calls per key", 6.0),
    ("60 keys: throttled", 0.0),
    ("200 keys: until all are ready", 42.0),
    ("200 keys: kms calls per key", 6.0),
    ("200 keys: throttled", 0.0),
    ("60 keys, half taken: until all are ready", 26.4),
    ("first key among 1,000 others: throttled", 0.0),
];
/// The budgets for peak memory, by number of objects, in MiB.
const MEMORY_BUDGETS: &[(usize, f64)] = &[(1000, 26.0), (10_000, 75.0)];

fn main() {
    let sizes = std::env::var("KEYWARD_BENCH_OBJECTS").unwrap_or_else(|_| "1000,10000".into());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let providers = std::env::var("KEYWARD_BENCH_PROVIDERS").unwrap_or_else(|_| "aws,ciphertrust,huawei".into());
    let mut figures = Vec::new();
    if std::env::var("KEYWARD_BENCH_QUOTAS").as_deref() != Ok("") {
        let mut quotas = runtime.block_on(quotas());
        quotas.extend(runtime.block_on(survey()));
        print(QUOTAS, &[("aws", quotas.clone())]);
        figures.extend(quotas.into_iter().map(|(figure, value, unit)| (format!("aws, default quotas, {figure}"), value, unit)));
    }
    for size in sizes.split(',').filter(|size| !size.trim().is_empty()) {
        let objects = size.trim().parse().unwrap_or_else(|_| panic!("KEYWARD_BENCH_OBJECTS has {size:?}, which is no number"));
        let mut columns = Vec::new();
        for name in providers.split(',').map(str::trim) {
            let vendor = match name {
                "aws" => &vendor::AWS,
                "ciphertrust" => &vendor::CIPHER_TRUST,
                "huawei" => &vendor::HUAWEI,
                _ => panic!("KEYWARD_BENCH_PROVIDERS has {name:?}, which is none of aws, ciphertrust, huawei"),
            };
            if objects <= COMPARED || name == "aws" {
                columns.push((name, runtime.block_on(measure(objects, vendor))));
            }
        }
        print(objects, &columns);
        for (name, column) in columns {
            figures.extend(column.into_iter().map(|(figure, value, unit)| (format!("{name}, {objects} objects: {figure}"), value, unit)));
        }
    }
    let rescues = runtime.block_on(rescues());
    print(RESCUES, &[("aws", rescues.clone())]);
    figures.extend(rescues.into_iter().map(|(figure, value, unit)| (format!("aws, {RESCUES} rescues: {figure}"), value, unit)));
    let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&target).unwrap();
    let list: Vec<Value> = figures.iter().map(|(name, value, unit)| json!({ "name": name, "value": value, "unit": unit })).collect();
    std::fs::write(target.join("scale.json"), serde_json::to_string_pretty(&list).unwrap()).unwrap();
}

type Figure = (&'static str, f64, &'static str);

/// Prints a table with a column for each KMS.
fn print(objects: usize, columns: &[(&str, Vec<Figure>)]) {
    let title = match objects {
        QUOTAS => "under AWS's default quotas, default settings".into(),
        RESCUES => format!("{objects} rescues"),
        objects => format!("{objects} objects"),
    };
    print!("\n{title:<44}");
    for (name, _) in columns {
        print!("{name:>12}");
    }
    println!();
    let Some((_, first)) = columns.first() else { return };
    for (row, (name, _, unit)) in first.iter().enumerate() {
        print!("  {name:<42}");
        for (_, column) in columns {
            print!("{:>12.2}", column[row].1);
        }
        println!(" {unit}{}", budget(name, objects).map_or_else(String::new, |budget| format!("  (AWS: at most {budget})")));
    }
}

fn budget(figure: &str, objects: usize) -> Option<f64> {
    let memory = MEMORY_BUDGETS.iter().find(|(of, _)| figure.starts_with("peak memory") && *of == objects).map(|(_, budget)| *budget);
    memory.or_else(|| BUDGETS.iter().find(|(of, _)| *of == figure).map(|(_, budget)| *budget))
}

async fn measure(objects: usize, vendor: &'static Vendor) -> Vec<Figure> {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap().with_crds().unwrap()));
    let post = Post::new(control_plane).await;
    let scene = Scene::at(control_plane, &post, vendor, "bench", Options::default(), json!({ "resyncSeconds": 3600 })).await;
    eprintln!("creating {objects} objects");
    stream::iter(0..objects)
        .for_each_concurrent(16, |number| {
            let scene = &scene;
            async move {
                scene.create(&format!("key-{number}"), json!({ "autoRotation": true, "tags": { "team": "shop" } })).await;
            }
        })
        .await;

    eprintln!("waiting for {objects} keys");
    let writes_before = writes(control_plane, &post);
    let started = Instant::now();
    let operator = post.start_with(&["--log-level", "warn", "--consistency", "2s"]);
    eventually("all objects are ready", WITHIN, async || {
        // The full list is read only when the KMS has all keys.
        let keys = scene.double.keys().len();
        let ready = if keys < objects { 0 } else { ready(&scene).await };
        if ready == objects { Ok(()) } else { Err(format!("{keys} keys, {ready} ready\n{}", operator.tail())) }
    })
    .await;
    let converged = started.elapsed();
    // Steady: every key was read after its change.
    eventually("the read after the change", WITHIN, async || {
        // At AWS the first read was for a key that did not exist yet.
        let first = usize::from(vendor.operations.first == vendor.operations.look);
        let looks = looks(&scene, calls(&scene).iter());
        if looks >= (1 + first) * objects { Ok(()) } else { Err(format!("{looks} looks")) }
    })
    .await;
    let calls_made = calls(&scene).len();
    let made = writes(control_plane, &post).since(&writes_before);
    let (cpu, memory) = (cpu_seconds(operator.id()), peak_mib(operator.id()));

    eprintln!("watching at rest for {} s", REST.as_secs());
    scene.provide(&scene.provider, json!({ "resyncSeconds": 30 })).await;
    let (ledger, writes_at_rest) = (scene.double.ledger().len(), writes(control_plane, &post));
    tokio::time::sleep(REST).await;
    let rest: Vec<Entry> = calls(&scene).into_iter().filter(|call| usize::try_from(call.seq).is_ok_and(|seq| seq > ledger)).collect();
    let looks = looks(&scene, rest.iter()).max(1);
    let idle = writes(control_plane, &post).since(&writes_at_rest);
    let memory_at_rest = peak_mib(operator.id());
    drop(operator);

    let per = |count: usize, of: usize| count as f64 / of as f64;
    vec![
        ("kms calls per object, create to steady", per(calls_made, objects), "calls"),
        ("api writes per object, create to steady", per(made.objects, objects), "writes"),
        ("api events per object, create to steady", per(made.events, objects), "events"),
        ("time to converge", converged.as_secs_f64(), "s"),
        ("cpu, create to steady", cpu, "s"),
        ("peak memory, create to steady", memory, "MiB"),
        ("kms reads per look at rest", per(rest.len(), looks), "calls"),
        ("api writes per look at rest", per(idle.objects + idle.events, looks), "writes"),
        ("looks at rest", looks as f64, "looks"),
        ("peak memory at rest", memory_at_rest, "MiB"),
    ]
}

/// Counts the reads of keys among these calls. `CipherTrust` answers several reads with one list, which names each key. A new client, for
/// example after an edit of the provider, finds a key by its ARN.
fn looks<'a>(scene: &Scene, calls: impl Iterator<Item = &'a Entry>) -> usize {
    let named = |call: &Entry, name: &str| call.params.get(name).map_or(0, |ids| ids.as_array().map_or(1, Vec::len));
    let listed = |call: &Entry| named(call, "id") + named(call, "arn");
    calls.map(|call| if call.operation == scene.vendor.operations.look { 1 } else { listed(call) }).sum()
}

/// Marks the figures with AWS's own quotas. It is used instead of a number of objects.
const QUOTAS: usize = 0;

/// Measures how long it takes to create keys within AWS's default request quotas at default settings, how many calls it needs, and how many
/// are throttled.
async fn quotas() -> Vec<Figure> {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap().with_crds().unwrap()));
    let post = Post::new(control_plane).await;
    // The default flags. The tests use shorter times.
    let flags = ["--log-level", "warn", "--consistency", "10s", "--missing-after", "5m", "--attempt-wait", "15m"];
    let operator = post.start_with(&flags);
    let run = async |name: &str, keys: usize, half_taken: bool| {
        let options = Options { quotas: true, ..Options::default() };
        let scene = Scene::on(control_plane, &post, name, options, json!({ "quotaSharePercent": null, "resyncSeconds": null })).await;
        // The process creates nothing in its first seconds, and nothing before it has read the marks of all keys. Neither depends on
        // quotas.
        scene.create("first", json!({})).await;
        scene.until_ready("first", "True", "Available").await;
        let calls = || scene.operator_calls().into_iter().filter(|call| *call.service != *"sts").collect::<Vec<_>>();
        let (before, throttled_before) = (calls().len(), throttled(&scene));
        eprintln!("making {keys} keys within AWS's quotas{}", if half_taken { ", half of which another program takes" } else { "" });
        let other = half_taken.then(|| {
            let person = scene.person();
            tokio::spawn(async move {
                let mut pace = tokio::time::interval(Duration::from_millis(400));
                loop {
                    pace.tick().await;
                    // It is sent at a fixed pace, whatever the answers are. The SDK repeats throttled calls.
                    let (key, alias) = (person.create_key(), person.create_alias().alias_name("alias/other").target_key_id("alias/other"));
                    tokio::spawn(async move { drop(tokio::join!(key.send(), alias.send())) });
                }
            })
        });
        let started = Instant::now();
        let parameters = json!({ "autoRotation": true, "tags": { "team": "shop" } });
        let create = async |number| {
            scene.create(&format!("key-{number}"), parameters.clone()).await;
        };
        stream::iter(0..keys).for_each_concurrent(16, create).await;
        eventually("all objects are ready", WITHIN, async || {
            let ready = ready(&scene).await;
            if ready > keys { Ok(()) } else { Err(format!("{ready} ready\n{}", operator.tail())) }
        })
        .await;
        let took = started.elapsed().as_secs_f64();
        if let Some(other) = other {
            other.abort();
        }
        // The read after the change.
        let looked = async || {
            let calls = calls();
            let looks = calls.iter().filter(|call| call.operation == "DescribeKey").count();
            if looks >= 2 * (keys + 1) { Ok(calls.len()) } else { Err(format!("{looks} looks")) }
        };
        let after = eventually("the read after the change", WITHIN, looked).await;
        let first_s_own_look = 1;
        (took, (after - before - first_s_own_look) as f64 / keys as f64, (throttled(&scene) - throttled_before) as f64)
    };
    let (few, few_calls, few_throttled) = run("few", 60, false).await;
    let (many, many_calls, many_throttled) = run("many", 200, false).await;
    let (shared, shared_calls, shared_throttled) = run("shared", 60, true).await;
    vec![
        ("60 keys: until all are ready", few, "s"),
        ("60 keys: kms calls per key", few_calls, "calls"),
        ("60 keys: throttled", few_throttled, "calls"),
        ("200 keys: until all are ready", many, "s"),
        ("200 keys: kms calls per key", many_calls, "calls"),
        ("200 keys: throttled", many_throttled, "calls"),
        ("60 keys, half taken: until all are ready", shared, "s"),
        ("60 keys, half taken: kms calls per key", shared_calls, "calls"),
        ("60 keys, half taken: throttled", shared_throttled, "calls"),
    ]
}

/// The number of unowned keys in the account, to measure the cost of a search by marks.
const STRANGERS: usize = 1000;

/// Measures the cost of reading the marks of all keys of an account once, before the first key is created, within AWS's default request
/// quotas.
async fn survey() -> Vec<Figure> {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap().with_crds().unwrap()));
    let post = Post::new(control_plane).await;
    let operator = post.start_with(&["--log-level", "warn"]);
    let options = Options { quotas: true, ..Options::default() };
    let scene = Scene::on(control_plane, &post, "survey", options, json!({ "quotaSharePercent": null, "resyncSeconds": null })).await;
    for _ in 0..STRANGERS {
        scene.plant_outside(None);
    }
    eprintln!("making a key in an account with {STRANGERS} others");
    let started = Instant::now();
    scene.create("first", json!({})).await;
    eventually("the key is ready", WITHIN, async || if ready(&scene).await == 1 { Ok(()) } else { Err(operator.tail()) }).await;
    let read = scene.operator_calls().into_iter().filter(|call| ["ListKeys", "ListResourceTags"].contains(&&*call.operation)).count();
    vec![
        ("first key among 1,000 others: until ready", started.elapsed().as_secs_f64(), "s"),
        ("first key among 1,000 others: marks read by", read as f64, "calls"),
        ("first key among 1,000 others: throttled", throttled(&scene) as f64, "calls"),
    ]
}

/// The operator's calls that the KMS throttled.
fn throttled(scene: &Scene) -> usize {
    scene.operator_calls().iter().filter(|call| call.result == "ThrottlingException").count()
}

/// The number of keys that are brought back in each situation.
const RESCUES: usize = 50;

/// Measures how soon a key is enabled again after its deletion was withdrawn, one key after the other, while calls for other keys hang or
/// wait.
async fn rescues() -> Vec<Figure> {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap().with_crds().unwrap()));
    let post = Post::new(control_plane).await;
    let operator = post.start_with(&["--log-level", "warn"]);
    let waiting = async |scene: &Scene, what: &str, count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("{what}-{number}")).collect();
        join_all(names.iter().map(async |name| scene.create(name, json!({})).await)).await;
        names
    };
    let pending = async |scene: &Scene| {
        let names = waiting(scene, "pending", RESCUES).await;
        for (spec, reason) in [(json!({}), "Available"), (json!({ "deletionScheduleDays": 7 }), "DeletionScheduled")] {
            join_all(names.iter().map(async |name| scene.spec(name, spec.clone()).await)).await;
            for name in &names {
                scene.until_ready(name, "True", reason).await;
            }
        }
        names
    };
    let times = async |scene: &Scene, names: &[String]| {
        let mut times = Vec::new();
        for name in names {
            let key = scene.key(name).await.arn;
            let asked = Instant::now();
            scene.spec(name, json!({ "deletionScheduleDays": null })).await;
            while scene.double.key(&key).unwrap().state != KeyState::Enabled {
                assert!(asked.elapsed() < WITHIN, "{name} is not back\n{}", operator.tail());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times.push(asked.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[times.len() * 99 / 100])
    };

    eprintln!("bringing {RESCUES} keys back while calls about 30 others hang");
    let hanging = Scene::on(control_plane, &post, "hang", Options::default(), json!({})).await;
    let names = pending(&hanging).await;
    let others = waiting(&hanging, "other", 30).await;
    for name in &others {
        hanging.until_ready(name, "True", "Available").await;
        let key = hanging.key(name).await.arn;
        hanging.double.inject(Fault::on("*", FaultAction::Hang).for_key(&key).for_caller(ACCESS_KEY));
    }
    join_all(others.iter().map(async |name| hanging.spec(name, json!({ "description": "hangs" })).await)).await;
    let (hang_median, hang_most) = times(&hanging, &names).await;

    eprintln!("bringing {RESCUES} keys back while 200 objects wait for the quota of another provider");
    let lively = Scene::on(control_plane, &post, "lively", Options::default(), json!({})).await;
    let names = pending(&lively).await;
    let crowded = Scene::on(control_plane, &post, "crowded", Options::default(), json!({ "quotaSharePercent": 1 })).await;
    waiting(&crowded, "key", 200).await;
    let (wait_median, wait_most) = times(&lively, &names).await;
    vec![
        ("calls about 30 others hang: median", hang_median, "s"),
        ("calls about 30 others hang: p99", hang_most, "s"),
        ("200 others wait for a quota: median", wait_median, "s"),
        ("200 others wait for a quota: p99", wait_most, "s"),
    ]
}

/// The operator's calls of the KMS.
fn calls(scene: &Scene) -> Vec<Entry> {
    scene.double.ledger().into_iter().filter(|call| !["sts", "huawei-iam"].contains(&&*call.service) && call.access_key.is_some()).collect()
}

async fn ready(scene: &Scene) -> usize {
    let mut ready = 0;
    let mut parameters = ListParams::default().limit(500);
    let api: Api<ManagedKey> = scene.keys();
    loop {
        let page = api.list(&parameters).await.unwrap();
        let is_ready = |object: &&ManagedKey| {
            let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            condition::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True")
        };
        ready += page.items.iter().filter(is_ready).count();
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return ready,
        }
    }
}

/// The writes of the operator, from the API server's audit log.
#[derive(Clone, Copy, Default)]
struct Writes {
    objects: usize,
    events: usize,
}

impl Writes {
    fn since(&self, before: &Self) -> Self {
        Self { objects: self.objects - before.objects, events: self.events - before.events }
    }
}

fn writes(control_plane: &ControlPlane, post: &Post) -> Writes {
    let user = format!("system:serviceaccount:{}:{}", post.namespace, keyward::manifests::NAME);
    let mut writes = Writes::default();
    for line in std::fs::read_to_string(&control_plane.audit_log).unwrap().lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let wrote = ["create", "update", "patch", "delete"].contains(&text("/verb"));
        if !wrote || text("/user/username") != user || text("/stage") != "ResponseComplete" {
            continue;
        }
        match text("/objectRef/resource") {
            "managedkeys" => writes.objects += 1,
            "events" => writes.events += 1,
            _ => {}
        }
    }
    writes
}

/// CPU time of a process so far, in seconds.
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // Fields are counted after the command, because the command may contain spaces. utime and stime are the 14th and 15th fields.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].into_iter().map(|at| fields[at].parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}

/// The peak memory of a process, in MiB.
fn peak_mib(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
