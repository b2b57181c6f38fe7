//! `LocalStack`, started at most once in this test process, and once more for tests that move its clock.
//!
//! It ends with this process, however that comes about: its launcher reads a pipe that only we hold open, and stops at end of file.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    time::Duration,
};

use serde::Deserialize;

/// The first start installs `LocalStack` into an environment of its own, which takes minutes on a slow line.
const READY_WITHIN: Duration = Duration::from_mins(15);

/// A running `LocalStack`.
pub(crate) struct LocalStack {
    /// Base address, such as `http://127.0.0.1:4566`.
    pub(crate) endpoint: String,
    /// The Python interpreter of its environment, which also has `boto3`.
    pub(crate) python: String,
    /// Holds the pipe on the launcher's standard input.
    _launcher: Child,
}

/// The line that the launcher prints once the server answers.
#[derive(Deserialize)]
struct Ready {
    endpoint: String,
    python: String,
}

/// The `LocalStack` of this process whose clock stands as the machine's; the first call starts it.
///
/// # Panics
///
/// When it does not start, in every test that asks for it.
pub(crate) fn shared() -> &'static LocalStack {
    static SHARED: OnceLock<Result<LocalStack, String>> = OnceLock::new();
    started(&SHARED)
}

/// A second one, whose clock its holder may move.
///
/// All its accounts share one clock. A test that moves the clock must not share it with a key that is pending for another test.
///
/// # Panics
///
/// As [`shared`] does.
pub(crate) fn with_a_clock_to_move() -> MutexGuard<'static, &'static LocalStack> {
    static MOVED: OnceLock<Result<LocalStack, String>> = OnceLock::new();
    static HOLDER: OnceLock<Mutex<&'static LocalStack>> = OnceLock::new();
    let holder = HOLDER.get_or_init(|| Mutex::new(started(&MOVED)));
    // A test that failed while it held the server left accounts behind that no other test uses.
    holder.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The failure is kept too: a second start would fail as well, after another wait.
fn started(cell: &'static OnceLock<Result<LocalStack, String>>) -> &'static LocalStack {
    match cell.get_or_init(start) {
        Ok(localstack) => localstack,
        Err(failure) => panic!("LocalStack did not start: {failure}"),
    }
}

/// The folder of the programs of its environment, which has the AWS CLI. It starts nothing.
pub(crate) fn programs() -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/localstack/venv");
    let output = Command::new(&venv).stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("its environment");
    assert!(output.status.success(), "{}: {}", venv.display(), output.status);
    let python = PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim());
    python.parent().expect("a folder").to_owned()
}

impl LocalStack {
    /// Moves its clock ahead by whole days, and lets the keys die that are due then.
    pub(crate) async fn pass_days(&self, days: i64) -> reqwest::Result<()> {
        // The client needs a TLS provider even for plain HTTP. If this test is the first of its process, there is none yet.
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = format!("{}/_double/clock", self.endpoint);
        let ahead = serde_json::json!({ "advanceSeconds": days * 24 * 60 * 60 });
        reqwest::Client::new().post(clock).json(&ahead).send().await?.error_for_status()?;
        Ok(())
    }
}

fn start() -> Result<LocalStack, String> {
    let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/localstack/run");
    let mut child = Command::new(&launcher)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", launcher.display()))?;
    let stdout = child.stdout.take().ok_or("its standard output is not piped")?;
    let line = first_line(stdout)?;
    let Ready { endpoint, python } = serde_json::from_str(&line).map_err(|error| format!("its first line is {line:?}: {error}"))?;
    Ok(LocalStack { endpoint, python, _launcher: child })
}

/// The first line, and a thread that reads on: a launcher that writes more must not block on a full pipe.
fn first_line(stdout: ChildStdout) -> Result<String, String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens after the first line.
            let _ = send.send(line);
        }
    });
    receive.recv_timeout(READY_WITHIN).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => {
            format!("no line within {} s", READY_WITHIN.as_secs())
        }
        mpsc::RecvTimeoutError::Disconnected => "it ended before it was ready".to_owned(),
    })
}
