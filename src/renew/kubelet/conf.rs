//! The pair of a kubelet.conf, line by line: all else in the file stays as it is, to the byte.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const CERTIFICATE: [&str; 2] = ["client-certificate", "client-certificate-data"];
const KEY: [&str; 2] = ["client-key", "client-key-data"];

/// A client certificate and its key, each a key and a value of a kubeconfig. It is not `Debug`: it
/// may hold a private key.
pub(super) struct UserCredentials {
    certificate: (&'static str, String),
    key: (&'static str, String),
}

impl UserCredentials {
    /// The pair within a kubeconfig of kubeadm's.
    pub(super) fn of(kubeconfig: &str) -> Option<Self> {
        let value = |wanted: &str| {
            let of_line = |line| field(line).filter(|(key, _)| *key == wanted);
            kubeconfig.lines().find_map(of_line).map(|(_, value)| value.trim().to_owned())
        };
        let is_given = |value: &String| !value.is_empty();
        Some(Self {
            certificate: (CERTIFICATE[1], value(CERTIFICATE[1]).filter(is_given)?),
            key: (KEY[1], value(KEY[1]).filter(is_given)?),
        })
    }

    /// Both in one file, as the kubelet keeps them.
    pub(super) fn in_file(path: &Path) -> Self {
        let path = path.to_string_lossy().into_owned();
        Self { certificate: (CERTIFICATE[0], path.clone()), key: (KEY[0], path) }
    }

    /// The certificate in PEM, if it is in the pair itself.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.certificate.1).ok()
    }
}

/// `text` with another pair; `None` if it does not have exactly one.
pub(super) fn with_pair(text: &str, pair: &UserCredentials) -> Option<String> {
    let (mut certificates, mut keys) = (0, 0);
    let replaced = text.lines().map(|line| {
        let key = field(line).filter(|(_, value)| is_whole(value)).map_or("", |(key, _)| key);
        let new = if CERTIFICATE.contains(&key) {
            certificates += 1;
            &pair.certificate
        } else if KEY.contains(&key) {
            keys += 1;
            &pair.key
        } else {
            return format!("{line}\n");
        };
        let before = &line[..line.len() - line.trim_start_matches([' ', '-']).len()];
        format!("{before}{}: {}\n", new.0, new.1)
    });
    let replaced = replaced.collect();
    (certificates == 1 && keys == 1).then_some(replaced)
}

/// True unless the value stands in the lines below, which would be left behind.
fn is_whole(value: &str) -> bool {
    !value.trim().is_empty() && !value.trim().starts_with(['>', '|'])
}

/// A line's key and value.
fn field(line: &str) -> Option<(&str, &str)> {
    line.trim_start_matches([' ', '-']).split_once(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "clusters:\n- cluster:\n    server: https://me:6443 # mine\n  name: a\nusers:\n\
        - name: system:node:n\n  user:\n    client-certificate-data: QUJD\n    client-key-data: S0VZ\n";

    #[test]
    fn only_the_pair_changes_and_comes_back() {
        let pair = UserCredentials::in_file(Path::new("/k/current.pem"));
        let named = with_pair(CONF, &pair).unwrap();
        let expected = CONF
            .replace("client-certificate-data: QUJD", "client-certificate: /k/current.pem")
            .replace("client-key-data: S0VZ", "client-key: /k/current.pem");
        assert_eq!(named, expected);
        let embedded = UserCredentials::of(CONF).unwrap();
        assert_eq!(embedded.certificate().unwrap(), b"ABC");
        assert_eq!(with_pair(&named, &embedded).unwrap(), CONF);
    }

    #[test]
    fn a_pair_that_is_not_there_is_not_made_up() {
        assert!(UserCredentials::of("unknown command").is_none());
        assert!(UserCredentials::of("client-certificate-data: QUJD\nclient-key-data:\n").is_none());
        let pair = UserCredentials::of(CONF).unwrap();
        assert!(with_pair("users: []\n", &pair).is_none());
        assert!(with_pair(&format!("{CONF}{CONF}"), &pair).is_none(), "whose pair is it?");
        // The value in further lines would stay behind.
        let folded = CONF.replace("S0VZ", ">-\n      S0VZ");
        assert!(with_pair(&folded, &pair).is_none());
    }

    #[test]
    fn the_first_field_of_an_entry_may_be_the_pairs() {
        let user = "- user:\n    client-key: a\n    client-certificate: a\n";
        let pair = UserCredentials::in_file(Path::new("b"));
        assert_eq!(with_pair(user, &pair).unwrap(), user.replace(": a", ": b"));
    }
}
