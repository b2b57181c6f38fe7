//! The endpoints of KMS and STS: those of the Region, which the SDK knows, or those that the provider names.
//!
//! A call of one service must never go to the endpoint of the other: a VPC endpoint serves one service.

use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_kms::config::SharedHttpClient;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};

use crate::kms::{endpoint::Endpoint, names::Names};

/// The endpoints of KMS and STS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsEndpoints {
    /// The endpoint of KMS; `None`: that of the Region.
    pub kms: Option<String>,
    /// The endpoint of STS; `None`: that of the Region.
    pub sts: Option<String>,
    /// Whether to use the FIPS endpoints of the Region.
    pub fips: bool,
    /// Whether to use the dual-stack endpoints of the Region.
    pub dual_stack: bool,
}

impl AwsEndpoints {
    /// Reads both URLs. The error is for the person who configured them.
    pub(super) fn read(&self, region: &str) -> Result<Endpoints, String> {
        // The Region is a part of the host that the SDK takes if no endpoint is named.
        let fits = !region.is_empty() && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits {
            return Err(format!("spec.aws.region {region:?} is not one of AWS; correct it"));
        }
        let read = |field: &str, url: &Option<String>| {
            url.as_deref().map(Endpoint::read).transpose().map_err(|why| format!("spec.aws.{field} {why}"))
        };
        let Self { kms, sts, fips, dual_stack } = self;
        Ok(Endpoints { kms: read("endpoint", kms)?, sts: read("stsEndpoint", sts)?, fips: *fips, dual_stack: *dual_stack })
    }
}

/// The same, of which every URL may be called.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    kms: Option<Endpoint>,
    sts: Option<Endpoint>,
    fips: bool,
    dual_stack: bool,
}

impl Endpoints {
    /// The settings of KMS's client. `direct` is a client without a proxy.
    pub(super) fn kms(&self, config: &SdkConfig, direct: &SharedHttpClient) -> SdkConfig {
        self.lead(config, self.kms.as_ref(), direct)
    }

    /// The settings of STS's client.
    pub(super) fn sts(&self, config: &SdkConfig, direct: &SharedHttpClient) -> SdkConfig {
        self.lead(config, self.sts.as_ref(), direct)
    }

    /// A named endpoint is used as it is: the SDK does not combine it with FIPS or dual-stack.
    fn lead(&self, config: &SdkConfig, named: Option<&Endpoint>, direct: &SharedHttpClient) -> SdkConfig {
        let config = config.to_builder();
        let url = |endpoint: &Endpoint| endpoint.url().as_str().trim_end_matches('/').to_owned();
        match named {
            Some(endpoint) if endpoint.is_plain() => config.endpoint_url(url(endpoint)).http_client(direct.clone()),
            Some(endpoint) => config.endpoint_url(url(endpoint)),
            None => config.use_fips(self.fips).use_dual_stack(self.dual_stack),
        }
        .build()
    }
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.addresses(name).await.map_err(ResolveDnsError::new) })
    }
}

/// All four settings, to tell clients apart.
impl fmt::Display for AwsEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kms, sts, fips, dual_stack } = self;
        let url = |named: &Option<String>| named.clone().unwrap_or_default();
        write!(f, "{} {} {fips} {dual_stack}", url(kms), url(sts))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::endpoint::{self as kms, ResolveEndpoint as _};
    use aws_sdk_sts::config::endpoint::{self as sts, ResolveEndpoint as _};

    use super::*;

    /// The endpoints of a Region, KMS's and STS's, by the rules that the SDK has.
    async fn of_the_region(region: &str, fips: bool, dual_stack: bool) -> (String, String) {
        let params = kms::Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build().unwrap();
        let at_kms = kms::DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
        let params = sts::Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build().unwrap();
        let at_sts = sts::DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
        (at_kms.url().to_owned(), at_sts.url().to_owned())
    }

    /// The hosts are those of AWS's pages of endpoints: an SDK that knows a partition no longer, or another host, fails here.
    #[tokio::test]
    async fn each_partition_has_its_own_hosts() {
        for (region, suffix) in [
            ("eu-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("us-gov-west-1", "amazonaws.com"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov"),
        ] {
            let at = |service: &str| format!("https://{service}.{region}.{suffix}");
            assert_eq!(of_the_region(region, false, false).await, (at("kms"), at("sts")));
        }
        let fips = of_the_region("us-gov-west-1", true, false).await;
        // STS of that partition is FIPS at its plain name.
        assert_eq!(fips, ("https://kms-fips.us-gov-west-1.amazonaws.com".into(), "https://sts.us-gov-west-1.amazonaws.com".into()));
        let both = of_the_region("eu-west-1", false, true).await;
        assert_eq!(both, ("https://kms.eu-west-1.api.aws".into(), "https://sts.eu-west-1.api.aws".into()));
    }

    #[test]
    fn it_is_said_which_endpoint_is_wrong() {
        let sts = |url: &str| AwsEndpoints { sts: Some(url.into()), ..AwsEndpoints::default() }.read("eu-west-1").unwrap_err();
        assert!(sts("sts.example.com").starts_with("spec.aws.stsEndpoint is no URL of an endpoint; write it as https://host"));
        assert!(!sts("https://user:hush@sts.example.com").contains("hush"), "a password in it is not shown");
    }

    #[test]
    fn a_region_that_would_be_another_host_is_none() {
        for region in ["", "eu-west-1.evil.example", "eu-west-1/", "eu-west-1@evil", "eu-west-1#", "EU", "ë"] {
            assert!(AwsEndpoints::default().read(region).unwrap_err().contains("is not one of AWS"), "{region}");
        }
    }
}
