//! The KMS double as a program of its own.
//!
//! stdout has only lines for a shell; logs go to stderr.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use jiff::SignedDuration;
use kms_double::{
    ACCESS_KEY, CIPHERTRUST_KMS, CIPHERTRUST_PASSWORD, CIPHERTRUST_USER, Double, Form, HUAWEI_ACCESS_KEY, HUAWEI_PROJECT, HUAWEI_REGION,
    HUAWEI_SECRET_KEY, NOT_SERVED, Options, SECRET_KEY, STS_NOT_SERVED,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A strict double of AWS KMS and STS, of Huawei Cloud KMS and IAM, and of `CipherTrust`, on 127.0.0.1.
///
/// When it is ready, it prints `export` lines with its address and with valid credentials for the vendors' clients. Those of AWS and of
/// `CipherTrust` are for account 111122223333.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, env = "KMS_DOUBLE_PORT", default_value_t = 0)]
    port: u16,

    /// Region to print for clients; the double itself serves every Region
    #[arg(long, env = "KMS_DOUBLE_REGION", default_value = "eu-west-1")]
    region: String,

    /// Refuse calls above AWS's default request quotas with `ThrottlingException`
    #[arg(long, env = "KMS_DOUBLE_QUOTAS")]
    quotas: bool,

    /// Milliseconds of real time during which reads show the state before a change
    #[arg(long, env = "KMS_DOUBLE_READ_LAG", value_name = "MS", default_value_t = 0)]
    read_lag: u64,

    /// Seconds on the double's clock that Creating, Updating and an on-demand rotation last
    #[arg(long, env = "KMS_DOUBLE_SETTLING", value_name = "SECONDS", default_value_t = 5)]
    settling: u32,

    /// Seconds on the double's clock between a key's deletion date and its deletion; AWS may take a day
    #[arg(long, env = "KMS_DOUBLE_DELETION_DELAY", value_name = "SECONDS", default_value_t = 0)]
    deletion_delay: u32,

    /// Seconds that the double's clock starts behind the real time, so that a deletion date can pass for a client too
    #[arg(long, env = "KMS_DOUBLE_CLOCK_BEHIND", value_name = "SECONDS", default_value_t = 0)]
    clock_behind: u32,

    /// Other forms of answers that the documents allow, separated by commas
    #[arg(long, env = "KMS_DOUBLE_FORMS", value_name = "FORM", value_delimiter = ',')]
    forms: Vec<Form>,

    /// End when stdin is closed, so that the double ends with the process that started it
    #[arg(long, env = "KMS_DOUBLE_EXIT_ON_STDIN_EOF")]
    exit_on_stdin_eof: bool,

    /// Port of `CipherTrust` on 127.0.0.1, over TLS; 0 takes a free one
    #[arg(long, env = "KMS_DOUBLE_CIPHERTRUST_PORT", value_name = "PORT", default_value_t = 0)]
    ciphertrust_port: u16,

    /// Milliseconds of real time that `CipherTrust` takes to read a key back from AWS
    #[arg(long, env = "KMS_DOUBLE_REFRESH_DELAY", value_name = "MS", default_value_t = 20)]
    refresh_delay: u64,

    /// Log level on stderr, such as `info` or `kms_double=debug`
    #[arg(long, env = "KMS_DOUBLE_LOG", default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_env_filter(EnvFilter::try_new(&cli.log)?)
        .init();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let double = Double::start(Options {
        port: cli.port,
        quotas: cli.quotas,
        read_lag: Duration::from_millis(cli.read_lag),
        settling: SignedDuration::from_secs(i64::from(cli.settling)),
        deletion_delay: SignedDuration::from_secs(i64::from(cli.deletion_delay)),
        clock_behind: SignedDuration::from_secs(i64::from(cli.clock_behind)),
        forms: cli.forms,
        checked: false,
        ciphertrust: true,
        ciphertrust_port: cli.ciphertrust_port,
        refresh_delay: Duration::from_millis(cli.refresh_delay),
        ..Options::default()
    })
    .await?;
    let _ca_file = export_ciphertrust(&double)?;
    print_huawei_exports(&double.endpoint());
    print_exports(&double.endpoint(), &cli.region);
    tracing::info!("not served, and denied to everybody, of KMS: {}; of STS: {}", NOT_SERVED.join(", "), STS_NOT_SERVED.join(", "));
    tracing::info!(endpoint = %double.endpoint(), "ready");
    tokio::select! {
        _ = terminate.recv() => tracing::info!("ending on SIGTERM"),
        _ = interrupt.recv() => tracing::info!("ending on SIGINT"),
        () = stdin_closed(), if cli.exit_on_stdin_eof => tracing::info!("ending because stdin was closed"),
    }
    double.stop().await;
    Ok(())
}

/// The `export` lines for AWS clients.
fn print_exports(endpoint: &str, region: &str) {
    println!("export AWS_ENDPOINT_URL={endpoint}");
    println!("export AWS_REGION={region}");
    println!("export AWS_DEFAULT_REGION={region}");
    println!("export AWS_ACCESS_KEY_ID={ACCESS_KEY}");
    println!("export AWS_SECRET_ACCESS_KEY={SECRET_KEY}");
    println!("export AWS_EC2_METADATA_DISABLED=true");
}

/// The `export` lines for clients of `CipherTrust`. The file is removed when the returned value is dropped.
fn export_ciphertrust(double: &Double) -> anyhow::Result<CaFile> {
    let file = CaFile::write(double.ca_pem())?;
    println!("export CIPHERTRUST_ADDRESS={}", double.ciphertrust_endpoint());
    println!("export CIPHERTRUST_USERNAME={CIPHERTRUST_USER}");
    println!("export CIPHERTRUST_PASSWORD={CIPHERTRUST_PASSWORD}");
    println!("export CIPHERTRUST_KMS={CIPHERTRUST_KMS}");
    println!("export CIPHERTRUST_CA_FILE={}", file.0.display());
    Ok(file)
}

/// A temporary file with the certificate of `CipherTrust`'s authority.
struct CaFile(PathBuf);

impl CaFile {
    fn write(pem: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("kms-double-ca-{}.pem", uuid::Uuid::new_v4().simple()));
        let written = File::create_new(&path).and_then(|mut file| file.write_all(pem.as_bytes()));
        written.with_context(|| format!("{} cannot be written; set TMPDIR", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the authority's certificate stays behind");
        }
    }
}

/// The `export` lines for clients of Huawei Cloud. Its projects belong to one Region, which is part of a variable's name.
fn print_huawei_exports(endpoint: &str) {
    let region = HUAWEI_REGION.to_uppercase().replace('-', "_");
    println!("export HUAWEICLOUD_SDK_AK={HUAWEI_ACCESS_KEY}");
    println!("export HUAWEICLOUD_SDK_SK={HUAWEI_SECRET_KEY}");
    println!("export HUAWEICLOUD_SDK_PROJECT_ID={HUAWEI_PROJECT}");
    println!("export HUAWEICLOUD_SDK_REGION_KMS_{region}={endpoint}");
    println!("export HUAWEICLOUD_SDK_IAM_ENDPOINT={endpoint}");
}

/// Waits until stdin ends, and ignores its content. It reads on its own thread, because such a read cannot be cancelled.
async fn stdin_closed() {
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let copied = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        tracing::debug!(?copied, "stdin ended");
        drop(ended);
    });
    // An error means that the sender was dropped, which is the expected signal.
    let _ended = end.await;
}
