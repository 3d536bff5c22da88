//! A server that is asked for the certificate it presents: where it is, and how TLS begins there.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Serialize, Serializer};

/// A host and a port. The host is a name in lower case, or an address.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostPort {
    /// Without the brackets of an IPv6 address.
    pub host: Box<str>,
    /// Never 0.
    pub port: u16,
}

/// What is said in clear text before TLS begins.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// Nothing.
    #[default]
    None,
    /// The `SSLRequest` of PostgreSQL.
    Postgres,
    /// STARTTLS of SMTP (RFC 3207).
    Smtp,
}

impl HostPort {
    /// Reads `host:port`, `192.0.2.1:443` or `[2001:db8::1]:443`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| is_number && *port > 0)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.to_string(),
            None => host_name(host).filter(|host| !host.contains(':'))?,
        };
        Some(Self { host: host.into(), port })
    }
}

/// A DNS name in lower case, or an address in its usual form; `None` for what is neither.
pub(crate) fn host_name(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = text.len() <= 253
        && text.split('.').all(is_label)
        // An address with a slip in it is no name.
        && !text.rsplit('.').next().is_some_and(is_number);
    is_name.then(|| text.to_ascii_lowercase())
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Serialize for HostPort {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl StartTls {
    /// What the servers at this port expect.
    pub(crate) fn of_port(port: u16) -> Self {
        match port {
            25 | 587 => Self::Smtp,
            5432 => Self::Postgres,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_read_and_nothing_else() {
        for (text, shown) in [
            ("Nginx.example.com:443", "nginx.example.com:443"),
            ("my_db:5432", "my_db:5432"),
            ("192.0.2.1:65535", "192.0.2.1:65535"),
            ("[2001:DB8:0::1]:1", "[2001:db8::1]:1"),
        ] {
            assert_eq!(HostPort::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "cp1",
            ":443",
            "cp1:",
            "cp1:0",
            "cp1:65536",
            "cp1:+1",
            "cp1:https",
            "2001:db8::1:443",
            "[cp1]:443",
            "[192.0.2.1]:443",
            "[::1",
            "a/b:1",
            "./a:1",
            "https://cp1:443",
            "*.example.com:443",
            "a..b:1",
            "a.:1",
            "-a:1",
            "192.0.2:443",
            "bücher.example:443",
            "a b:1",
        ] {
            assert_eq!(HostPort::parse(text), None, "{text}");
        }
    }
}
