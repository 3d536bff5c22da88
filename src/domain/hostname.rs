//! Which names a certificate is for, by the rules of Go (`VerifyHostname`).

use std::net::IpAddr;

/// True if one of `sans`, as in [`Certificate::sans`](super::model::Certificate::sans), is for `host`: an address is only
/// among the addresses, and a `*` stands for one whole label at the left.
pub fn covers(sans: &[Box<str>], host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let addresses = sans.iter().filter_map(|san| san.strip_prefix("IP:")?.parse().ok());
        return addresses
            .map(|it: IpAddr| it.to_canonical())
            .any(|it| it == address.to_canonical());
    }
    let host = host.to_ascii_lowercase();
    sans.iter().filter_map(|san| san.strip_prefix("DNS:")).any(|name| matches(name, &host))
}

fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let without_dot = host.strip_suffix('.').unwrap_or(host);
    if !is_name(without_dot, false) || !is_name(&pattern, true) {
        // What is no name is still the same as itself.
        return !["", "."].contains(&host) && pattern == host;
    }
    let (labels, wanted) = (pattern.split('.'), without_dot.split('.'));
    labels.clone().count() == wanted.clone().count()
        && labels
            .zip(wanted)
            .enumerate()
            .all(|(at, (label, wanted))| at == 0 && label == "*" || label == wanted)
}

fn is_name(name: &str, is_pattern: bool) -> bool {
    let is_label = |(at, label): (usize, &str)| {
        let is_wildcard = is_pattern && at == 0 && label == "*";
        is_wildcard
            || !label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name != "*" && name.split('.').enumerate().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_go_does() {
        let covers = |san: &str, host: &str| covers(&[san.into()], host);
        for (san, host) in [
            ("DNS:cp1", "CP1"),
            ("DNS:Cp1.Example.com", "cp1.example.com."),
            ("DNS:*.example.com", "cp1.example.com"),
            ("DNS:a_b", "a_b"),
            ("DNS:odd name", "odd name"),
            ("IP:10.0.0.1", "10.0.0.1"),
            ("IP:10.0.0.1", "::ffff:10.0.0.1"),
            ("IP:fd00::1", "[fd00:0:0::1]"),
        ] {
            assert!(covers(san, host), "{san} {host}");
        }
        for (san, host) in [
            ("DNS:cp1", "cp2"),
            ("DNS:10.0.0.1", "10.0.0.1"),
            ("DNS:*.example.com", "a.cp1.example.com"),
            ("DNS:*.example.com", "example.com"),
            ("DNS:c*.example.com", "cp1.example.com"),
            ("DNS:*", "cp1"),
            ("DNS:cp1.", "cp1"),
            ("DNS:-a.b", "-A.c"),
            ("URI:cp1", "cp1"),
            ("DNS:", ""),
        ] {
            assert!(!covers(san, host), "{san} {host}");
        }
    }
}
