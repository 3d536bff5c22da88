//! Which requests go through a proxy, and which one the environment names.
//!
//! The rules are those of Go's `httpproxy`, by which the kubelet and the container runtime of this node go, and
//! curl's `ALL_PROXY`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The port of a proxy whose URL has none.
const PORT: u16 = 80;

/// How many bits all addresses of IPv6 that stand for one of IPv4 have in common.
const MAPPED: u8 = 96;

/// An HTTP proxy. It is neither `Debug` nor `Display`: it may hold a password.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Proxy {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    login: Option<String>,
}

impl Proxy {
    /// Reads `http://[user[:password]@]host[:port]`; without a scheme it is `http://` too. `None` for all
    /// else, such as a SOCKS proxy.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = match url.trim().split_once("://") {
            Some((scheme, rest)) => Some(rest).filter(|_| scheme.eq_ignore_ascii_case("http"))?,
            None => url.trim(),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (login, authority) = match rest.rsplit_once('@') {
            Some((login, authority)) => (Some(decode(login)?), authority),
            None => (None, rest),
        };
        let (host, port) = split_port(authority)?;
        let is_address = host.parse::<IpAddr>().is_ok();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_host = (1..=253).contains(&host.len()) && host.chars().all(is_name);
        let port = port.unwrap_or(PORT);
        (port != 0 && (is_address || is_host)).then(|| Self { host: host.to_owned(), port, login })
    }

    /// True if it has a user or password.
    pub(crate) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// The value of `Proxy-Authorization` (RFC 7617), a secret.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.login.as_ref().map(|login| format!("Basic {}", STANDARD.encode(login)))
    }
}

/// `user:password`, from the form that it has in a URL.
fn decode(login: &str) -> Option<String> {
    let mut parts = login.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = (part.get(..2)?, part.get(2..)?);
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?);
        bytes.extend(rest.as_bytes());
    }
    if !bytes.contains(&b':') {
        bytes.push(b':');
    }
    let login = String::from_utf8(bytes).ok()?;
    (!login.chars().any(char::is_control)).then_some(login)
}

/// `host`, `host:port`, `[address]` or `[address]:port`; a bare address of IPv6 is a host.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let port = |digits: &str| {
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_plain)
    };
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(digits) => Some((host, Some(port(digits)?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, digits)) if !digits.contains(':') => Some((host, Some(port(digits)?))),
        _ => Some((authority, None)),
    }
}

/// The variable of the environment that names a proxy for https, or else http, and what it holds. An
/// empty one is as good as none.
pub(crate) fn variable(
    is_tls: bool,
    get: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    let [upper, lower] = match is_tls {
        true => ["HTTPS_PROXY", "https_proxy"],
        false => ["HTTP_PROXY", "http_proxy"],
    };
    let filled = |name: &str| get(name).filter(|value| !value.trim().is_empty());
    // In a CGI program a stranger sets HTTP_PROXY, by a header (httpoxy).
    let is_strangers = |name: &str| name == "HTTP_PROXY" && filled("REQUEST_METHOD").is_some();
    [upper, lower, "ALL_PROXY", "all_proxy"]
        .into_iter()
        .filter(|name| !is_strangers(name))
        .find_map(|name| Some((name, filled(name)?)))
}

/// The entries of `NO_PROXY`.
pub(crate) fn exceptions(get: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let list = ["NO_PROXY", "no_proxy"].into_iter().filter_map(get).find(|list| !list.is_empty());
    list.unwrap_or_default().split(',').map(str::to_owned).collect()
}

/// Who is reached without a proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Exception {
    /// `*`
    All,
    /// `10.0.0.0/8`
    Network(IpAddr, u8),
    /// `192.0.2.1`, `[2001:db8::1]:443`
    Address(IpAddr, Option<u16>),
    /// `example.org`, which stands for what is below it as well, and `.example.org` or `*.example.org`, which
    /// stand for that alone; each may have a port.
    Name {
        /// In lower case, with a dot before it.
        suffix: String,
        /// The name itself as well.
        itself: bool,
        /// This port alone.
        port: Option<u16>,
    },
}

impl Exception {
    /// Reads an entry; `None` if it can mean nobody.
    pub(crate) fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            return network(address.parse().ok()?, bits);
        }
        let (host, port) = split_exception(&entry)?;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let name = host.strip_prefix('.').unwrap_or(host);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let itself = !host.starts_with('.');
        let is_name = !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain);
        is_name.then(|| Self::Name { suffix: format!(".{name}"), itself, port })
    }

    /// True if `host` at `port` is meant: a name or an address, without brackets. Names are not
    /// looked up, and one that ends with a dot is another than the same without.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        match self {
            Self::All => true,
            Self::Network(network, bits) => address.is_some_and(|it| is_in(it, *network, *bits)),
            Self::Address(meant, at) => {
                address == Some(*meant) && at.is_none_or(|meant| meant == port)
            }
            Self::Name { suffix, itself, port: at } => {
                let is_meant = host.ends_with(suffix.as_str()) || *itself && host == suffix[1..];
                address.is_none() && is_meant && at.is_none_or(|meant| meant == port)
            }
        }
    }
}

/// One of mapped addresses, such as `::ffff:10.0.0.0/104`, is one of IPv4.
fn network(address: IpAddr, bits: &str) -> Option<Exception> {
    let most = if address.is_ipv4() { 32 } else { 128 };
    let is_plain = bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = bits.parse().ok().filter(|bits| is_plain && *bits <= most)?;
    Some(match address.to_canonical() {
        mapped @ IpAddr::V4(_) if most == 128 && bits >= MAPPED => {
            Exception::Network(mapped, bits - MAPPED)
        }
        _ => Exception::Network(address, bits),
    })
}

/// `host`, `host:port`, `host:`, `[host]:port` or `[host]:`, and a bare address of IPv6. Brackets without a
/// colon after them mean nothing to Go, nor does a port that no URL is written with.
fn split_exception(entry: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match entry.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => match entry.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, port),
            _ => return Some((entry, None)),
        },
    };
    match port.parse::<u16>() {
        Ok(number) if number.to_string() == port => Some((host, Some(number))),
        _ => port.is_empty().then_some((host, None)),
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |ours: u128, theirs: u128, width: u8| {
        let away = u32::from(width - bits.min(width));
        ours.checked_shr(away).unwrap_or(0) == theirs.checked_shr(away).unwrap_or(0)
    };
    match (address, network) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
            same(u128::from(ours.to_bits()), u128::from(theirs.to_bits()), 32)
        }
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.to_bits(), theirs.to_bits(), 128),
        _ => false,
    }
}

/// True for this host itself, which no proxy stands before. Go goes through the proxy for `LOCALHOST` and
/// `localhost.`; what stays on this host may be in clear text, so that is not followed.
pub(crate) fn is_local(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;
