//! Where a KMS is: the URL of an endpoint, and the addresses that a KMS can have.
//!
//! Every request to an endpoint has credentials. So an endpoint has one spelling, which a person reads as the program does; it is `https`, except on
//! loopback; and it is never at an address where only the machine itself answers, such as instance metadata. The rules of the CRD say the same. They are
//! checked again here, because an object can be older than the rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Addresses of instance metadata and the like that are not link-local: of Alibaba, Azure and Oracle.
const MACHINE_V4: [Ipv4Addr; 3] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// The first 32 bits of networks that only have instance metadata and the like: of AWS (`fd00:ec2::254`, `fd00:ec2::23`) and Google.
const MACHINE_V6: [[u16; 2]; 2] = [[0xfd00, 0x0ec2], [0xfd20, 0x00ce]];

/// The URL of an endpoint that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kms) struct Endpoint(Url);

/// Why a text is no endpoint. It ends a sentence that begins with the name of the field. The text itself is not shown: a password may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::kms) enum NoEndpoint {
    /// It is no URL, or has parts or a spelling that an endpoint does not have.
    #[error(
        "is no URL of an endpoint; write it as https://host, https://host:port or https://host/path, with a host name in ASCII or an IP address in its \
         usual form"
    )]
    Form,
    /// Plain HTTP to another machine.
    #[error("is http, which would send credentials in plain text; write it with https (http is accepted for 127.0.0.1 and [::1] only)")]
    Plain,
    /// An address where no KMS is.
    #[error("is an address that no KMS has, such as a link-local one or that of instance metadata; name the host of the KMS")]
    Address,
}

impl Endpoint {
    /// Reads a URL as a person wrote it.
    pub(in crate::kms) fn read(text: &str) -> Result<Self, NoEndpoint> {
        // Without `@`, `\`, `?`, `#`, `%`, blanks and letters beyond ASCII, a URL has a host, a port and a path, and nothing that only looks like one.
        let only = |text: &str, others: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(NoEndpoint::Form)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !only(authority, "-._:[]") || !only(path, "-._~/") {
            return Err(NoEndpoint::Form);
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if port.is_some_and(|port| port.is_empty() || port.starts_with('0')) {
            return Err(NoEndpoint::Form);
        }
        let url = Url::parse(text).map_err(|_| NoEndpoint::Form)?;
        let address = literal(host, url.host_str().ok_or(NoEndpoint::Form)?)?;
        match address {
            Some(address) if is_forbidden(address) || translated(address).is_some() => Err(NoEndpoint::Address),
            _ if url.scheme() == "https" || address.is_some_and(|address| address.is_loopback()) => Ok(Self(url)),
            _ => Err(NoEndpoint::Plain),
        }
    }

    /// The URL.
    pub(in crate::kms) const fn url(&self) -> &Url {
        &self.0
    }

    /// Whether requests are in plain text, which stays on this machine. They must not go through a proxy, which would get them as they are.
    pub(in crate::kms) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

/// The address that a host is; `None`: it is a name. `written` is the host as it is written, `read` as the URL standard reads it: `0x7f.1` and `127.0.0.1` are
/// one host to the standard, and only the second is accepted.
fn literal(written: &str, read: &str) -> Result<Option<IpAddr>, NoEndpoint> {
    if let Some(address) = read.strip_prefix('[').and_then(|read| read.strip_suffix(']')) {
        return address.parse().map(|address| Some(IpAddr::V6(address))).map_err(|_| NoEndpoint::Form);
    }
    if !written.eq_ignore_ascii_case(read) || written.split('.').any(str::is_empty) {
        return Err(NoEndpoint::Form);
    }
    Ok(read.parse().ok().map(IpAddr::V4))
}

/// Whether no KMS can have this address: it is link-local, instance metadata, multicast, or not the address of a machine at all. Loopback and private
/// addresses are not among them: VPC endpoints and appliances have private ones.
pub(in crate::kms) fn is_forbidden(address: IpAddr) -> bool {
    match (address, translated(address)) {
        (IpAddr::V4(v4), _) | (_, Some(v4)) => {
            v4.octets()[0] == 0 || v4.is_link_local() || v4.octets()[0] >= 224 || MACHINE_V4.contains(&v4)
        }
        (IpAddr::V6(v6), None) => {
            let [first, second, ..] = v6.segments();
            // Global unicast addresses (RFC 4291) and unique local ones (RFC 4193).
            let is_of_a_machine = v6.is_loopback() || (0x2000..0x4000).contains(&first) || v6.is_unique_local();
            !is_of_a_machine || MACHINE_V6.contains(&[first, second])
        }
    }
}

/// The IPv4 address to which an IPv6 address leads: mapped (RFC 4291), translated by NAT64 (RFC 6052), or tunnelled by 6to4 (RFC 3056).
fn translated(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => of(high, low),
        // Addresses of this form are not in use any more. `::` and `::1` have it too, and lead nowhere else.
        [0, 0, 0, 0, 0, 0, high, low] if !v6.is_unspecified() && v6 != Ipv6Addr::LOCALHOST => of(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_the_machine_itself_is_no_address_of_a_kms() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fec0::1",
            "100::1",
            "64:ff9b:1::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert!(is_forbidden(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "52.94.0.1",
            "169.253.0.1",
            "::1",
            "fd12:3456::1",
            "2a05:d018::1",
            "::ffff:10.0.0.1",
            "64:ff9b::52.94.0.1",
        ] {
            assert!(!is_forbidden(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_plain_endpoint_is_known() {
        assert!(Endpoint::read("http://127.0.0.1:4599").unwrap().is_plain());
        assert!(!Endpoint::read("https://127.0.0.1:4599").unwrap().is_plain());
    }
}
