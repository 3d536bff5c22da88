//! Kubeconfigs, each with one or two peculiarities: what client-go refuses is never taken for whole.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certwatch::domain::model::Reason;
use certwatch::parse::kubeconfig::{self, PemSource};
use certwatch::parse::pem;
use serde_json::Value;

use crate::common::node::{TEN_YEARS, YEAR};
use crate::common::pki::Authority as Ca;

/// As kubeadm writes it, with what is embedded in place of the words in capitals.
const TEXT: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: AUTHORITY
    server: https://10.0.0.11:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: CERTIFICATE
    client-key-data: KEY
";

/// What is found in the text, and what stands there instead.
const CHANGES: [(&str, &[&str]); 13] = [
    (
        "apiVersion: v1",
        &[
            "",
            "apiVersion: ''",
            "apiVersion: /",
            "apiVersion: /v1",
            "apiVersion: v2",
            "apiVersion: a/v1",
            "apiVersion: 1",
        ],
    ),
    (
        "kind: Config",
        &[
            "",
            "kind: ''",
            "kind: ~",
            "kind: List",
            "kind: config",
            "kind: 'Config'",
            "kind: [Config]",
        ],
    ),
    (
        "  name: kubernetes\n",
        &[
            "",
            "  name: 7\n",
            "  name: yes\n",
            "  name: 'yes'\n",
            "  name: ~\n",
            "  name: \"kubernetes\"\n",
            "  name: 010\n",
            "  name: kubernetes\n- name: kubernetes\n",
            "  name: kubernetes\n- name: b\n",
            "  name: kubernetes\n-\n",
        ],
    ),
    (
        "- name: kubernetes-admin\n  user",
        &[
            "- user",
            "- name: on\n  user",
            "- name: 1.5\n  user",
            "- name: 0x1F\n  user",
            "- name: 1e3\n  user",
            "- name: 2026-01-01\n  user",
            "- name: kubernetes-admin\n- name: kubernetes-admin\n  user",
            "- name: a\n- name: kubernetes-admin\n  user",
            "- ~\n- name: kubernetes-admin\n  user",
        ],
    ),
    (
        "    server: https://10.0.0.11:6443\n",
        &[
            "",
            "    server: ''\n",
            "    server: 7\n",
            "    server: true\n",
            "    server: 10.0.0.11\n",
            "    server: https://10.0.0.11:6443\n    insecure-skip-tls-verify: true\n",
            "    server: https://10.0.0.11:6443\n    insecure-skip-tls-verify: 'true'\n",
            "    server: https://10.0.0.11:6443\n    insecure-skip-tls-verify: yes\n",
            "    server: https://10.0.0.11:6443\n    unknown: {a: [1]}\n",
        ],
    ),
    (
        "AUTHORITY",
        &[
            "''",
            "~",
            "QUI",
            "'?'",
            "\"AUTHORITY\"",
            "AUTHORITY\n    certificate-authority: ca.crt",
            "!!str AUTHORITY",
            "!!binary AUTHORITY",
            "[AUTHORITY]",
            "{}",
        ],
    ),
    (
        "CERTIFICATE",
        &[
            "''",
            "~",
            "QUI",
            "QUJD",
            "' CERTIFICATE'",
            "CERTIFICATE=",
            "7",
            "CERTIFICATE\n    client-certificate: a.crt",
            "NO-CERT",
        ],
    ),
    (
        "KEY",
        &[
            "''",
            "~",
            "QUI",
            "QUJD",
            "AUTHORITY",
            "true",
            "KEY\n    client-key: a.key",
            "''\n    client-key: a.key",
            "KEY\n    tokenFile: 7",
            "KEY\n    as: [a]",
            "KEY\n    token: 7",
            "KEY\n    token: a",
        ],
    ),
    (
        "current-context: kubernetes-admin@kubernetes",
        &[
            "",
            "current-context: ''",
            "current-context: ~",
            "current-context: 7",
            "current-context: no",
        ],
    ),
    (
        "    user: kubernetes-admin\n",
        &[
            "",
            "    user: ~\n",
            "    user: 7\n",
            "    user: kubernetes-admin\n    namespace: 7\n",
            "    user: kubernetes-admin\n    namespace: a\n",
        ],
    ),
    (
        "users:\n",
        &[
            "users: ~\nusers:\n",
            "users: [{name: b}]\nothers:\n",
            "Users:\n",
            "'users':\n",
            "? users\n:\n",
            "preferences: {}\nusers:\n",
            "extensions: ~\nusers:\n",
        ],
    ),
    (
        "apiVersion",
        &[
            "# mine\napiVersion",
            "---\napiVersion",
            "%YAML 1.1\n---\napiVersion",
            "\u{feff}apiVersion",
            " apiVersion",
            "\tapiVersion",
            "---\n---\napiVersion",
            "...\n---\napiVersion",
        ],
    ),
    (
        "  user:\n    client",
        &[
            "  user: &a\n    client",
            "  user: !!map\n    client",
            "  user: {}\n  other:\n    client",
            "  user: ~\n  other:\n    client",
            "  user:\n    <<: {token: a}\n    client",
        ],
    ),
];

/// Whether it is refused, by certwatch or by client-go.
struct Verdict {
    /// For all its users.
    as_a_whole: bool,
    /// In one way or another.
    at_all: bool,
}

/// Each with what was changed in it.
fn corpus() -> Vec<(String, String)> {
    let ca = Ca::new("kubernetes", TEN_YEARS);
    let leaf = ca.leaf("kubernetes-admin", "", &[], YEAR);
    let embedded = [
        ("AUTHORITY", STANDARD.encode(&ca.pair.certificate)),
        ("CERTIFICATE", STANDARD.encode(leaf.certificate)),
        ("KEY", STANDARD.encode(&leaf.key)),
        ("NO-CERT", STANDARD.encode(leaf.key)),
    ];
    let all: Vec<(&str, &str)> =
        CHANGES.iter().flat_map(|(from, all)| all.iter().map(|to| (*from, *to))).collect();
    let mut changes: Vec<Vec<_>> = all.iter().map(|it| vec![*it]).collect();
    changes.push(Vec::new());
    for (number, one) in all.iter().enumerate() {
        let others = all[number..].iter().filter(|other| other.0 != one.0);
        changes.extend(others.map(|other| vec![*one, *other]));
    }
    let change = |text: String, (from, to): &(&str, &str)| text.replacen(from, to, 1);
    let embed = |text: String, (word, data): &(&str, String)| text.replace(word, data);
    let text =
        |changes: &[_]| embedded.iter().fold(changes.iter().fold(TEXT.to_owned(), change), embed);
    changes.iter().map(|changes| (format!("{changes:?}"), text(changes))).collect()
}

fn ours(text: &[u8]) -> Verdict {
    let Ok(read) = kubeconfig::read(text) else {
        return Verdict { as_a_whole: true, at_all: true };
    };
    let clusters = read.clusters.iter().map(|it| &it.ca);
    let sources = || clusters.clone().chain(read.users.iter().map(|it| &it.certificate));
    let is_bad = |source: &PemSource| match source {
        // None of them exists.
        PemSource::File(_) => true,
        PemSource::Inline(Err(_)) => true,
        PemSource::Inline(Ok(pem)) => {
            let blocks = pem::certificates(pem);
            blocks.is_empty()
                || blocks.iter().any(|it| !it.as_ref().is_ok_and(|it| it.fault.is_none()))
        }
    };
    let spoils_all =
        |source: &PemSource| matches!(source, PemSource::Inline(Err(Reason::BadBase64)));
    let has_key_file = read.users.iter().any(|it| it.key_file.is_some());
    let at_all = read.unusable.is_some() || has_key_file || sources().any(is_bad);
    Verdict { as_a_whole: sources().any(spoils_all), at_all }
}

fn of_client_go(texts: &[(String, String)]) -> BTreeMap<usize, (String, String)> {
    let dir = tempfile::tempdir().unwrap();
    for (number, (_, text)) in texts.iter().enumerate() {
        fs::write(dir.path().join(format!("{number}.kubeconfig")), text).unwrap();
    }
    let ran = Command::new(super::program(dir.path())).arg("kubeconfigs").arg(dir.path()).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let lines = String::from_utf8(ran.stdout).unwrap();
    let said = lines.lines().map(|line| {
        let said: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| said[name].as_str().unwrap().to_owned();
        let number = field("case").trim_end_matches(".kubeconfig").parse().unwrap();
        (number, (field("load"), field("use")))
    });
    said.collect()
}

#[test]
fn no_kubeconfig_is_whole_that_client_go_refuses() {
    let texts = corpus();
    let said = of_client_go(&texts);
    assert_eq!(said.len(), texts.len());
    let mut wrong = Vec::new();
    for (number, (load, used)) in &said {
        let (changes, text) = &texts[*number];
        let ours = ours(text.as_bytes());
        let is_refused = !load.is_empty() || !used.is_empty();
        if is_refused && !ours.at_all || ours.as_a_whole && !is_refused {
            wrong.push(format!(
                "[{}, {}] {load:?} {used:?} {changes}",
                ours.as_a_whole, ours.at_all
            ));
        }
    }
    let refused = said.values().filter(|(load, used)| !load.is_empty() || !used.is_empty()).count();
    println!("{} kubeconfigs, {refused} refused", texts.len());
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
}
