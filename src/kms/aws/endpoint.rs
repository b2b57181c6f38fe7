//! The endpoints of KMS and STS: those of the Region, which the SDK knows, or those that the provider names.
//!
//! A call of one service must never go to the endpoint of the other: a VPC endpoint serves one service.

use std::fmt;

use aws_config::SdkConfig;

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
    /// The settings of KMS's client.
    pub(super) fn kms(&self, config: &SdkConfig) -> SdkConfig {
        self.lead(config, self.kms.as_deref())
    }

    /// The settings of STS's client.
    pub(super) fn sts(&self, config: &SdkConfig) -> SdkConfig {
        self.lead(config, self.sts.as_deref())
    }

    /// A named endpoint is used as it is: the SDK does not combine it with FIPS or dual-stack.
    fn lead(&self, config: &SdkConfig, named: Option<&str>) -> SdkConfig {
        let config = config.to_builder();
        match named {
            Some(url) => config.endpoint_url(url),
            None => config.use_fips(self.fips).use_dual_stack(self.dual_stack),
        }
        .build()
    }

    /// Checks both. The error is for the person who configured them.
    pub(super) fn check(&self) -> Result<(), String> {
        for (field, url) in [("endpoint", &self.kms), ("stsEndpoint", &self.sts)] {
            if let Some(url) = url.as_deref().filter(|url| !is_url(url)) {
                return Err(format!("the {field} {url} is no URL; write it as https://host or https://host:port"));
            }
        }
        Ok(())
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

/// Whether the text is a URL with `http` or `https` and a host.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.and_then(|rest| rest.split('/').next()).is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::endpoint::{self as kms, ResolveEndpoint as _};
    use aws_sdk_sts::config::endpoint::{self as sts, ResolveEndpoint as _};

    use super::*;

    #[test]
    fn an_endpoint_is_a_url() {
        for url in ["https://kms.example.com", "http://127.0.0.1:4599", "https://kms.example.com/path"] {
            assert!(is_url(url), "{url}");
        }
        for other in ["", "kms.example.com", "https://", "ftp://kms.example.com", "https:///path", "https://a b"] {
            assert!(!is_url(other), "{other}");
        }
    }

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
        let sts = AwsEndpoints { sts: Some("sts.example.com".into()), ..AwsEndpoints::default() }.check().unwrap_err();
        assert_eq!(sts, "the stsEndpoint sts.example.com is no URL; write it as https://host or https://host:port");
    }
}
