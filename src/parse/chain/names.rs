//! Name constraints (RFC 5280, 4.2.1.10), for the names that servers have.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, GeneralSubtree, ParsedExtension};
use x509_parser::prelude::X509Certificate;

/// The names that a CA permits and excludes.
#[derive(Default)]
pub(super) struct Constraints {
    permitted: Subtrees,
    excluded: Subtrees,
}

#[derive(Default)]
struct Subtrees {
    dns: Vec<String>,
    /// Address and mask, of 4 or 16 bytes each.
    addresses: Vec<Box<[u8]>>,
}

/// The names of a certificate.
#[derive(Default)]
pub(super) struct Names {
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
    /// Mail addresses and URIs.
    has_others: bool,
}

impl Constraints {
    /// Those of a certificate that has some.
    pub(super) fn of(parsed: &X509Certificate<'_>) -> Option<Self> {
        parsed.extensions().iter().find_map(|it| match it.parsed_extension() {
            ParsedExtension::NameConstraints(it) => Some(Self {
                permitted: Subtrees::of(it.permitted_subtrees.as_deref()),
                excluded: Subtrees::of(it.excluded_subtrees.as_deref()),
            }),
            _ => None,
        })
    }

    /// Whether they allow `names`; `None` if that was not found out.
    pub(super) fn allow(&self, names: &Names) -> Option<bool> {
        let is_permitted = |name: &String| {
            self.permitted.dns.is_empty() || self.permitted.dns.iter().any(|it| holds(it, name))
        };
        let is_excluded = |name: &String| {
            self.excluded.dns.iter().any(|it| holds(it, name) || may_hold(it, name))
        };
        let is_address_permitted = |address: &IpAddr| {
            self.permitted.addresses.is_empty()
                || self.permitted.addresses.iter().any(|it| is_within(it, *address))
        };
        let is_address_excluded =
            |address: &IpAddr| self.excluded.addresses.iter().any(|it| is_within(it, *address));
        let dns = names.dns.iter().all(|it| is_permitted(it) && !is_excluded(it));
        let addresses =
            names.addresses.iter().all(|it| is_address_permitted(it) && !is_address_excluded(it));
        match dns && addresses {
            false => Some(false),
            // Of a mail address or a URI that is no right one, every constraint makes an error.
            true if names.has_others => None,
            true => Some(true),
        }
    }
}

impl Subtrees {
    fn of(subtrees: Option<&[GeneralSubtree<'_>]>) -> Self {
        let mut found = Self::default();
        for subtree in subtrees.unwrap_or_default() {
            match subtree.base {
                GeneralName::DNSName(name) => found.dns.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => found.addresses.push(bytes.into()),
                _ => {}
            }
        }
        found
    }
}

impl Names {
    pub(super) fn of(parsed: &X509Certificate<'_>) -> Self {
        let mut found = Self::default();
        let Ok(Some(names)) = parsed.subject_alternative_name() else { return found };
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(name) => found.dns.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => found.addresses.extend(address(bytes)),
                GeneralName::RFC822Name(_) | GeneralName::URI(_) => found.has_others = true,
                _ => {}
            }
        }
        found
    }
}

/// True if `name` is `constraint` or below it; one with a dot in front has only what is below.
fn holds(constraint: &str, name: &str) -> bool {
    match name.strip_suffix(constraint) {
        Some(before) => {
            before.is_empty()
                || before.ends_with('.')
                || constraint.is_empty()
                || constraint.starts_with('.')
        }
        None => false,
    }
}

/// True if a `*` in `name` may stand for the first label of `constraint`.
fn may_hold(constraint: &str, name: &str) -> bool {
    let rest = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_owned());
    name.starts_with('*') && rest(name).is_some_and(|it| rest(constraint) == Some(it))
}

fn is_within(constraint: &[u8], address: IpAddr) -> bool {
    let octets: Vec<u8> = match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    };
    let (network, mask) = constraint.split_at(constraint.len() / 2);
    network.len() == octets.len()
        && network.iter().zip(mask).zip(&octets).all(|((net, mask), own)| net & mask == own & mask)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(permitted: &[&str], excluded: &[&str], names: &[&str]) -> Option<bool> {
        let subtrees = |all: &[&str]| Subtrees {
            dns: all.iter().map(|it| (*it).to_owned()).collect(),
            ..Subtrees::default()
        };
        let constraints =
            Constraints { permitted: subtrees(permitted), excluded: subtrees(excluded) };
        let dns = names.iter().map(|it| (*it).to_owned()).collect();
        constraints.allow(&Names { dns, ..Names::default() })
    }

    #[test]
    fn names_are_below_or_not() {
        for (permitted, excluded, name, expected) in [
            (&["example.org"][..], &[][..], "example.org", true),
            (&["example.org"], &[], "a.b.example.org", true),
            (&["example.org"], &[], "badexample.org", false),
            (&["example.org"], &[], "*.example.org", true),
            (&[".example.org"], &[], "a.example.org", true),
            (&[".example.org"], &[], "example.org", false),
            (&[""], &[], "anything", true),
            (&["example.org"], &["b.example.org"], "b.example.org", false),
            (&[], &["b.example.org"], "*.example.org", false),
            (&[], &["b.example.org"], "a.example.org", true),
            (&[], &[""], "a", false),
        ] {
            assert_eq!(allow(permitted, excluded, &[name]), Some(expected), "{permitted:?} {name}");
        }
        assert_eq!(allow(&["example.org"], &[], &["example.org", "example.net"]), Some(false));
    }

    #[test]
    fn addresses_are_in_a_network_or_not() {
        let network: Box<[u8]> = [10, 1, 0, 0, 255, 255, 0, 0].into();
        let permitted = Subtrees { addresses: vec![network], ..Subtrees::default() };
        let constraints = Constraints { permitted, ..Constraints::default() };
        for (address, expected) in [("10.1.2.3", true), ("10.2.2.3", false), ("fd00::1", false)] {
            let names = Names { addresses: vec![address.parse().unwrap()], ..Names::default() };
            assert_eq!(constraints.allow(&names), Some(expected), "{address}");
        }
        let names = Names { has_others: true, ..Names::default() };
        assert_eq!(constraints.allow(&names), None);
    }
}
