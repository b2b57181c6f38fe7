//! The contract suite on a server that is not ours, a real account included: `make contract`.
//!
//! It changes nothing that was there before ([`fence`]), and leaves only keys that are pending deletion ([`sweep`]), also if it is broken off:
//! then the next run cleans up first. What departs from AWS's documents is a page ([`table`]).

mod fence;
mod sweep;
mod table;
mod tests;

use std::{panic::AssertUnwindSafe, path::PathBuf, time::Duration};

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use futures::FutureExt;

use super::{
    case::{Case, Clock},
    kms::{ABROAD, HOME, Kms},
};

pub(super) use self::fence::Fence;
use self::{
    sweep::{Found, look, sweep},
    table::{End, Findings},
};

/// Where the suite runs, and how.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The server; `None`: AWS itself.
    pub(super) endpoint: Option<String>,
    /// The account that the credentials have to be of.
    pub(super) account: Option<String>,
    pub(super) credentials: Credentials,
    /// How long to wait before each request, and before a case that deviated is run again.
    pub(super) pace: Duration,
    /// How often a case that deviates is run. AWS may show a change only after a while.
    pub(super) tries: usize,
    /// Where the page is written.
    pub(super) page: PathBuf,
}

/// A run.
struct Run {
    settings: Settings,
    kms: Kms,
    fence: Fence,
    /// Clients without the fence, for the cleaning up, by Region.
    brooms: [(&'static str, Client); 2],
    findings: Findings,
}

/// Runs these cases and writes the page. Keys are cleaned up whatever comes of the cases. An error says why it could not begin.
async fn run(settings: Settings, cases: impl IntoIterator<Item = &'static Case>) -> Result<Findings, String> {
    let mut run = Run::begin(settings).await?;
    let driven = AssertUnwindSafe(run.drive(cases)).catch_unwind().await;
    run.clean_up().await;
    let page = &run.settings.page;
    std::fs::create_dir_all(page.parent().expect("a folder")).map_err(|error| error.to_string())?;
    std::fs::write(page, run.findings.page()).map_err(|error| format!("{}: {error}", page.display()))?;
    driven.map_err(|_| "a case panicked; the keys were cleaned up".to_owned())?;
    Ok(run.findings)
}

impl Run {
    /// Finds out whose account it is, what is in it, and cleans up what an earlier run left.
    async fn begin(settings: Settings) -> Result<Self, String> {
        let brooms = [HOME, ABROAD].map(|region| (region, broom(&settings, region)));
        let fence = Fence::new(uuid::Uuid::new_v4().to_string(), settings.pace);
        let kms = Kms::elsewhere(settings.endpoint.clone(), settings.credentials.clone(), fence.clone()).await?;
        let account = kms.account().to_owned();
        if let Some(wanted) = settings.account.as_ref().filter(|wanted| **wanted != account) {
            return Err(format!("the credentials are of account {account}, and not of {wanted}; nothing was done"));
        }
        let mut place = format!("account {account}");
        if let Some(endpoint) = &settings.endpoint {
            place = format!("{endpoint} ({place})");
        }
        let mut run = Self { settings, kms, fence, brooms, findings: Findings { place, ..Findings::default() } };
        let found = run.look().await?;
        run.fence.keep_out(found.iter().flat_map(|found| found.theirs.clone()));
        run.sweep(&found).await;
        Ok(run)
    }

    async fn look(&self) -> Result<Vec<Found>, String> {
        let mut all = Vec::new();
        for (region, broom) in &self.brooms {
            all.push(look(broom).await.map_err(|why| format!("{region}: {why}"))?);
        }
        Ok(all)
    }

    /// Replicas first, so that their primaries can follow.
    async fn sweep(&mut self, found: &[Found]) {
        (self.findings.pending, self.findings.left) = (0, Vec::new());
        for ((_, broom), found) in self.brooms.iter().zip(found).rev() {
            let (pending, left) = sweep(broom, found).await;
            self.findings.pending += pending;
            self.findings.left.extend(left);
        }
    }

    async fn clean_up(&mut self) {
        match self.look().await {
            Ok(found) => self.sweep(&found).await,
            Err(why) => {
                self.findings.left.push(format!("the keys could not be listed: {why}; run make contract again, which cleans up first"));
            }
        }
    }

    async fn drive(&mut self, cases: impl IntoIterator<Item = &'static Case>) {
        for case in cases {
            let end = match (case.clock, case.needs) {
                (Clock::Moved, _) => End::NotRun("a clock that can be moved"),
                (Clock::Still, Some(needs)) => End::NotRun(needs),
                (Clock::Still, None) => self.try_case(case).await,
            };
            println!("{} {}", if matches!(end, End::Deviated(_)) { "deviates:" } else { "held:    " }, case.name);
            self.findings.put(case, end);
        }
    }

    async fn try_case(&mut self, case: &'static Case) -> End {
        let mut seen = String::new();
        for _ in 0..self.settings.tries {
            let driven = AssertUnwindSafe((case.drive)(&self.kms)).catch_unwind().await;
            self.free_aliases().await;
            seen = match driven {
                Ok(Ok(())) => return End::Held,
                Ok(Err(mismatch)) => mismatch.to_string(),
                Err(panic) => {
                    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                    format!("it panicked: {}", text.unwrap_or("no text"))
                }
            };
            tokio::time::sleep(self.settings.pace * 20).await;
        }
        End::Deviated(seen)
    }

    /// The next case may ask for the same names. What cannot be removed is found again at the end.
    async fn free_aliases(&self) {
        for (region, name) in self.fence.take_aliases() {
            for (_, broom) in self.brooms.iter().filter(|(known, _)| *known == region) {
                // A name that was refused is no alias.
                drop(broom.delete_alias().alias_name(&name).send().await);
            }
        }
    }
}

fn broom(settings: &Settings, region: &'static str) -> Client {
    let mut config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(settings.credentials.clone());
    config.set_endpoint_url(settings.endpoint.clone());
    Client::from_conf(config.build())
}
