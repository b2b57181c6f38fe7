//! The real `keyward` program as a child process, and its log.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::eventually;

/// How long the program may take for what it does in well under a second on a quiet machine.
const WITHIN: Duration = Duration::from_mins(1);

/// A running `keyward`. It is killed when dropped, and when this process dies.
pub struct Program {
    /// Right before it was started.
    pub started: Timestamp,
    child: Killed,
    log: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts `keyward controller` with the rights of `kubeconfig`, on a free port of loopback, with further flags.
    pub fn controller(kubeconfig: &Path, flags: &[&str]) -> Self {
        Self::listening(kubeconfig, "127.0.0.1:0", flags)
    }

    /// The same, on a certain address.
    pub fn listening(kubeconfig: &Path, address: &str, flags: &[&str]) -> Self {
        Self::within(kubeconfig, address, flags, &[])
    }

    /// The same, with further variables of the environment.
    pub fn within(kubeconfig: &Path, address: &str, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = tied(Path::new(env!("CARGO_BIN_EXE_keyward")));
        command.args(["controller", "--listen", address, "--log-format", "json"]);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYWARD_")) {
            command.env_remove(name);
        }
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"] {
            command.env_remove(proxy);
        }
        command.envs(environment.iter().copied());
        command.args(flags).env("KUBECONFIG", kubeconfig).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Timestamp::now();
        let mut child = Killed(command.spawn().expect("setpriv, of util-linux, is there"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (BufReader::new(child.0.stderr.take().unwrap()).lines(), log.clone());
        // Ends with the program, which closes its end of the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line)));
        Self { started, child, log }
    }

    /// Waits for the first log line with this message.
    pub async fn logged(&self, message: &str) -> Value {
        eventually(&format!("the log line {message:?}"), WITHIN, async || {
            let log = self.log.lock().unwrap();
            let found = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["message"] == message);
            found.ok_or_else(|| log.join("\n"))
        })
        .await
    }

    /// The whole log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// What it answers to a GET of `path`: status and body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let starts = self.logged("keyward starts").await;
        let answer = reqwest::get(format!("http://{}{path}", starts["address"].as_str().unwrap())).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Sends it a signal: `TERM`, `KILL`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.0.id(), name);
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let Self { child, log, .. } = self;
        eventually("the end of keyward", within, async || match child.0.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(log.lock().unwrap().join("\n")),
        })
        .await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of keyward:\n{}", self.log());
        }
    }
}

/// What `keyward` with these arguments says, with the rights of `kubeconfig`. It runs until it ends by itself.
pub async fn told(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let mut command = tied(Path::new(env!("CARGO_BIN_EXE_keyward")));
    command.env_clear().envs([("AWS_EC2_METADATA_DISABLED", "true")]).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(arguments).env("KUBECONFIG", kubeconfig).stdin(Stdio::null());
    // Off the test's runtime, in which the KMS may run.
    tokio::task::spawn_blocking(move || command.output().expect("setpriv, of util-linux, is there")).await.unwrap()
}

/// A child that is killed when this is dropped, even if it is stopped.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command for a program that dies with the thread that starts it, also when that is killed: `setpriv` asks the
/// kernel for it, and then becomes the program.
pub fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Sends a signal to a process that the caller started.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "cannot send {name} to {pid}");
}

/// Runs the test of that name alone, in a process with this environment and no other. True in that process.
pub fn alone(test: &str, environment: &[(&str, &str)]) -> bool {
    written_alone(test, environment).is_none()
}

/// The same. `None` in that process; the caller gets what the process wrote to stderr.
pub fn written_alone(test: &str, environment: &[(&str, &str)]) -> Option<String> {
    const MARK: &str = "KEYWARD_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return None;
    }
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", test, "--nocapture"]).env_clear().env(MARK, "1").envs(environment.iter().copied());
    let output = program.output().unwrap();
    let (told, written) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{written}");
    Some(written.into_owned())
}
