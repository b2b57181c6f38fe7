//! The `keyward` program.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use keyward::cli::{Cli, Command, LookOptions, Options};
use keyward::manifests;

fn main() -> ExitCode {
    // This comes before anything that uses TLS. The TLS provider is chosen once for the process; otherwise the AWS SDK and kube would each
    // look for one. An error means that a provider is installed already, which cannot happen here.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return failed(&anyhow::anyhow!("a TLS provider is installed already"));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return misused(&usage),
    };
    match cli.command {
        Command::Controller(options) => controller(options),
        Command::Orphans(options) => looked(&options.look, keyward::run::orphans(&options)),
        Command::UninstallCheck(options) => looked(&options, keyward::run::uninstall_check(&options)),
        Command::Release(options) => told(keyward::run::release_all(&options)),
        Command::Crds => manifests::crds_yaml().and_then(|yaml| print(&yaml)),
        Command::Rbac(options) => manifests::rbac(&options.scope()).to_yaml().and_then(|yaml| print(&yaml)),
    }
    .unwrap_or_else(|error| failed(&error))
}

fn controller(options: Options) -> anyhow::Result<ExitCode> {
    keyward::telemetry::start(options.log_format, &options.log_level)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(keyward::run::controller(options));
    // Dropping the runtime would wait for blocking calls, such as a DNS query that gets no answer.
    runtime.shutdown_background();
    Ok(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = keyward::telemetry::causes(&*error), "keyward stops because of an error");
            ExitCode::FAILURE
        }
    })
}

/// Ends with 0 if nothing is left behind, 2 if something is, and 1 if not everything could be read.
fn looked(options: &LookOptions, answer: impl Future<Output = anyhow::Result<(String, u8)>>) -> anyhow::Result<ExitCode> {
    keyward::telemetry::start(options.log_format, &options.log_level)?;
    told(answer)
}

/// Prints what a question about the cluster comes to, and ends with its exit code.
fn told(answer: impl Future<Output = anyhow::Result<(String, u8)>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(answer);
    runtime.shutdown_background();
    let (text, code) = ended?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(code))
}

/// Prints the help, or what is wrong with the arguments. The latter ends with 1, because 2 says that something was found.
fn misused(usage: &clap::Error) -> ExitCode {
    // If the terminal is gone there is nobody to tell.
    let _ = usage.print();
    if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print(yaml: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(yaml.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Reports an error before the log is started.
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("keyward: {}", keyward::telemetry::causes(&**error));
    ExitCode::FAILURE
}
