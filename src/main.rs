//! The `keyward` program.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use keyward::cli::{Cli, Command, Options};
use keyward::manifests;

fn main() -> ExitCode {
    // Before anything that could speak TLS: the provider is chosen once for the process, and the AWS SDK and kube
    // would otherwise each look for one. An error says that there is one already, which cannot be here.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return failed(&anyhow::anyhow!("there is another TLS provider already"));
    }
    match Cli::parse().command {
        Command::Controller(options) => controller(options),
        Command::Crds => manifests::crds_yaml().and_then(|yaml| print(&yaml)),
        Command::Rbac { namespace } => manifests::rbac(&namespace).to_yaml().and_then(|yaml| print(&yaml)),
    }
    .unwrap_or_else(|error| failed(&error))
}

fn controller(options: Options) -> anyhow::Result<ExitCode> {
    keyward::telemetry::start(options.log_format, &options.log_level)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(keyward::run::controller(options));
    // Not by dropping it: that waits for blocking calls, such as a name that a dead DNS server does not resolve.
    runtime.shutdown_background();
    Ok(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = keyward::telemetry::causes(&*error), "keyward ends with a failure");
            ExitCode::FAILURE
        }
    })
}

fn print(yaml: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(yaml.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// For what goes wrong before there is a log.
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("keyward: {}", keyward::telemetry::causes(&**error));
    ExitCode::FAILURE
}
