//! Fuzzing of what strangers write: a property is tried on inputs that are a few edits away from good ones.
//!
//! `make fuzz` runs every target for a while; `cargo test` runs each for a moment. The stable toolchain is enough. Engines that follow coverage, such as
//! libFuzzer, build everything once more with flags of their own, and reach only what is public; these parsers are private.
//!
//! | environment | |
//! |---|---|
//! | `FUZZ_MILLIS` | how long each target runs, in milliseconds |
//! | `FUZZ_FIRST` | the first seed; without it `make fuzz` begins anywhere |
//! | `FUZZ_SEED` | runs one execution alone: the one that a failure names |

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::Value;

/// How long a target runs in `cargo test`, in milliseconds.
const MOMENT: u64 = 100;
/// The most edits of one input: what fails stays short enough to be read.
const EDITS: usize = 4;
/// What is put into a text.
const ODD: [&str; 24] = [
    "",
    ".",
    ":",
    "/",
    "-",
    "@",
    " ",
    "\0",
    "\n",
    "\"",
    "{",
    "0",
    "-1",
    "9007199254740993",
    "99999999999999999999",
    "A",
    "ä",
    "\u{1F511}",
    "live",
    "held-",
    "null",
    "alias/",
    "arn:",
    "kms:",
];

/// Tries the property again and again, each time with another seed, and says how often. An execution that fails tells the seed that repeats it.
pub(crate) fn fuzz(target: &str, property: impl Fn(&mut Rng)) {
    let number =
        |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is {text}, which is no number")));
    let (millis, seed) = (number("FUZZ_MILLIS"), number("FUZZ_SEED"));
    // In `cargo test` it is the same seeds each time.
    let first = seed.or_else(|| number("FUZZ_FIRST")).unwrap_or_else(|| millis.map_or(0, |_| Rng::new().u64(..u64::MAX / 2)));
    let (began, budget) = (Instant::now(), Duration::from_millis(millis.unwrap_or(MOMENT)));
    let mut executions = 0;
    while executions == 0 || seed.is_none() && began.elapsed() < budget {
        let this = first + executions;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(&mut Rng::with_seed(this)))) {
            println!("fuzz: {target} fails at execution {}; repeat it with `make fuzz TARGET={target} SEED={this}`", executions + 1);
            resume_unwind(panic);
        }
        executions += 1;
    }
    println!("fuzz: {target}: {executions} executions in {:.1} s, seeds from {first}", began.elapsed().as_secs_f64());
}

/// One of them.
pub(crate) fn one<'a, T: ?Sized>(rng: &mut Rng, of: &[&'a T]) -> &'a T {
    rng.choice(of).copied().expect("something to choose from")
}

/// A text that is at most a few edits away from a good one.
pub(crate) fn text(rng: &mut Rng, good: &[&str]) -> String {
    let mut text: Vec<char> = one(rng, good).chars().collect();
    for _ in 0..rng.usize(..=EDITS) {
        let (from, to) = (rng.usize(..=text.len()), rng.usize(..=text.len()));
        let range = from.min(to)..from.max(to);
        let replacement: Vec<char> = match rng.u8(..6) {
            0 => Vec::new(),
            1 => [&text[range.clone()], &text[range.clone()]].concat(),
            2 => one(rng, good).chars().skip(range.start).collect(),
            3 => {
                text[range.clone()].iter().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
            }
            _ => one(rng, &ODD).chars().collect(),
        };
        // Most edits are small: one that replaces half of a text is seldom read at all.
        let range = if rng.bool() { range.start..range.start + usize::from(range.start < text.len()) } else { range };
        text.splice(range, replacement);
    }
    text.into_iter().collect()
}

/// The body of an answer that is at most a few edits away from a good one, in its members or, now and then, in its letters.
pub(crate) fn body(rng: &mut Rng, good: &[Value]) -> String {
    let mut value = rng.choice(good).cloned().unwrap_or_default();
    if rng.u8(..4) == 0 {
        return text(rng, &[&value.to_string()]);
    }
    for _ in 0..rng.usize(..=EDITS) {
        edit(rng, &mut value);
    }
    value.to_string()
}

/// Changes a value somewhere inside.
fn edit(rng: &mut Rng, value: &mut Value) {
    match value {
        Value::Object(members) if !members.is_empty() && rng.u8(..8) > 0 => {
            let name = rng.choice(members.keys()).cloned().unwrap_or_default();
            match rng.u8(..8) {
                0 => _ = members.remove(&name),
                1 => {
                    let moved = members.remove(&name).unwrap_or_default();
                    members.insert(text(rng, &[&name]), moved);
                }
                2 => {
                    let other = rng.choice(members.values()).cloned().unwrap_or_default();
                    members.insert(name, other);
                }
                _ => members.get_mut(&name).into_iter().for_each(|member| edit(rng, member)),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.u8(..8) > 0 => {
            let at = rng.usize(..items.len());
            match rng.u8(..4) {
                0 => _ = items.remove(at),
                1 => items.push(items[at].clone()),
                _ => edit(rng, &mut items[at]),
            }
        }
        Value::String(old) if rng.bool() => *old = text(rng, &[old]),
        other => *other = odd(rng, other),
    }
}

/// A value of another kind, or out of any range.
fn odd(rng: &mut Rng, old: &Value) -> Value {
    match rng.u8(..12) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 => Value::Array(Vec::new()),
        3 => Value::Object(serde_json::Map::new()),
        4 => (-1).into(),
        5 => i64::MAX.into(),
        6 => u64::MAX.into(),
        7 => 1e300.into(),
        8 => rng.i64(-3..10).into(),
        9 => Value::Array(vec![old.clone()]),
        10 => old.to_string().into(),
        _ => text(rng, &ODD).into(),
    }
}
