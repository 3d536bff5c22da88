//! What a file holds is told by its content, and nothing in a searched place is passed over in silence.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::common::node::{Node, TEN_YEARS, YEAR};
use super::common::pki::{Authority, Days, kubeconfig};
use super::common::run::{check_json, codes, rows};

const EXPIRED: Days = Days(-400, -5);

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

/// The rows of files whose path ends with `tail`.
fn of<'a>(document: &'a Value, tail: &str) -> Vec<&'a Value> {
    rows(document).iter().filter(|row| row["path"].as_str().unwrap().ends_with(tail)).collect()
}

/// The rows that are not OK are those of `paths` alone.
fn only(document: &Value, below: &str) {
    let others: Vec<_> = rows(document)
        .iter()
        .filter(|row| row["severity"] != "ok" && !row["path"].as_str().unwrap().contains(below))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_kubeconfig_is_read_however_it_is_written() {
    let ca = Authority::new("kubernetes", TEN_YEARS);
    let plain = kubeconfig(
        "https://192.0.2.1:6443",
        &ca.pair.certificate,
        "jane",
        &ca.leaf("jane", "", &[], EXPIRED),
    );
    let value: Value = as_value(&plain);
    let json = serde_json::to_string(&value).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let indented: String = plain.lines().map(|line| format!("  {line}\n")).collect();
    let quoted: String = plain
        .lines()
        .map(|line| match line.split_once(':') {
            Some((key, rest)) if !line.starts_with([' ', '-']) => format!("'{key}':{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("plain", plain.clone().into()),
        ("crlf", plain.replace('\n', "\r\n").into()),
        ("bom", format!("\u{feff}{plain}").into()),
        ("json", json.clone().into()),
        ("json-bom", format!("\u{feff}{json}").into()),
        ("json-blank", format!("\n\n   {pretty}").into()),
        ("json-tabs", pretty.replace("  ", "\t").into()),
        (
            "flow",
            json.replace('"', "")
                .replace(":", ": ")
                .replace(": //", "://")
                .replace(": 6443", ":6443")
                .into(),
        ),
        ("indented", indented.into()),
        ("quoted", quoted.into()),
        ("blank-lines", format!("\n \n{plain}").into()),
        ("start", format!("---\n{plain}").into()),
        ("start-comment", format!("# mine\n--- # mine\n{plain}...\n").into()),
        ("empty-first", format!("---\n---\n{plain}").into()),
        ("directive", format!("%YAML 1.1\n---\n{plain}").into()),
        ("second", format!("{plain}--- # another\nusers: 7\n").into()),
        ("pem-comment", format!("# -----BEGIN CERTIFICATE-----\n{plain}").into()),
        ("utf16le", utf16(&plain, u16::to_le_bytes)),
        ("utf16be", utf16(&plain, u16::to_be_bytes)),
        ("utf16le-bom", utf16(&format!("\u{feff}{plain}"), u16::to_le_bytes)),
        ("utf16be-bom", utf16(&format!("\u{feff}{json}"), u16::to_be_bytes)),
    ];
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    node.write("srv/kc/empty", "");
    for (name, bytes) in &forms {
        fs::write(node.path(&format!("etc/kubernetes/team-{name}.conf")), bytes).unwrap();
        fs::write(node.path(&format!("srv/kc/{name}.kubeconfig")), bytes).unwrap();
    }
    let found = check_json(root.path(), &[]).0;
    let named = check_json(root.path(), &["/srv/kc"]).0;
    for (name, _) in &forms {
        assert_eq!(codes(&found, &format!("team-{name}.conf")), ["expired"], "{name}");
        assert_eq!(codes(&named, &format!("/{name}.kubeconfig")), ["expired"], "{name}");
    }
    only(&found, "/team-");
}

/// The YAML of the fixture as a value, without another library.
fn as_value(plain: &str) -> Value {
    let field = |key: &str| {
        let line = plain.lines().find(|line| line.trim_start().starts_with(&format!("{key}: ")));
        line.unwrap().split_once(": ").unwrap().1.to_owned()
    };
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kubernetes", "cluster": {
            "server": field("server"),
            "certificate-authority-data": field("certificate-authority-data"),
        }}],
        "users": [{"name": "jane", "user": {
            "client-certificate-data": field("client-certificate-data"),
            "client-key-data": field("client-key-data"),
        }}],
    })
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_unknown_and_other_settings_are_silent() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let plain = node.read("etc/kubernetes/admin.conf");
    for (name, text) in [
        ("broken", plain.replace("users:", "users: [")),
        ("map", plain.replace("- name: kubernetes-admin\n  user:", "  jane:")),
        ("cut", plain[..plain.len() / 2].replace("kind", "\tkind") + "\n\t- {"),
    ] {
        node.write(&format!("etc/kubernetes/team-{name}.conf"), &text);
    }
    node.write("etc/kubernetes/cloud.conf", "[Global]\nauth-url = https://x\n# users: none\n");
    node.write(
        "etc/kubernetes/audit.yaml",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n",
    );
    node.write("etc/kubernetes/pki/openssl.cnf", "[req]\ndistinguished_name = dn\n");
    node.write("etc/kubernetes/pki/ca.srl", "01A2B3\n");
    let document = check_json(root.path(), &[]).0;
    for name in ["broken", "map", "cut"] {
        assert_eq!(codes(&document, &format!("team-{name}.conf")), ["decode_failed"], "{name}");
    }
    for name in ["cloud.conf", "audit.yaml", "openssl.cnf", "ca.srl"] {
        assert!(of(&document, name).is_empty(), "{name}");
    }
    only(&document, "/team-");
    assert_eq!(document["severity"], "unknown");
}

#[test]
fn a_damaged_header_is_unknown_with_its_line() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let whole = node.ca.leaf("web", "", &[], YEAR).certificate;
    let begin = "-----BEGIN CERTIFICATE-----";
    let base64: String = whole.lines().filter(|line| !line.starts_with('-')).collect();
    for (name, text) in [
        ("lower", whole.replace("BEGIN CERTIFICATE", "begin certificate")),
        ("dashes-before", whole.replace(begin, &begin[1..])),
        ("dashes-behind", whole.replace(begin, &begin[..begin.len() - 1])),
        ("quoted", format!("\"{}\"\n", whole.trim_end())),
        ("one-line", whole.replace('\n', "")),
        ("no-header", whole.replace(&format!("{begin}\n"), "")),
        ("bare", base64),
        ("spaces", whole.replace(begin, "----- BEGIN CERTIFICATE -----")),
    ] {
        node.write(&format!("etc/kubernetes/pki/custom/{name}.pem"), &text);
    }
    let behind = format!("{whole}\n{}", whole.replace(begin, &begin[1..]));
    node.write("etc/kubernetes/pki/custom/behind.pem", &behind);
    let document = check_json(root.path(), &[]).0;
    let custom: Vec<_> = of(&document, ".pem")
        .into_iter()
        .filter(|row| row["path"].as_str().unwrap().contains("/custom/"))
        .collect();
    assert_eq!(custom.len(), 10, "{custom:#?}");
    let damaged: Vec<_> = custom.iter().filter(|row| row["severity"] == "unknown").collect();
    assert_eq!(damaged.len(), 9, "{custom:#?}");
    for row in damaged {
        assert_eq!(row["findings"][0]["code"], "bad_pem", "{row:#}");
        assert!(row["findings"][0]["message"].as_str().unwrap().contains(" line "), "{row:#}");
    }
    only(&document, "/custom/");
}

#[test]
fn what_is_not_read_is_named() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    node.write(
        "etc/kubernetes/pki/stores/web.pem",
        &node.ca.leaf("web", "", &[], YEAR).certificate,
    );
    let pair = node.ca.leaf("web", "", &[], YEAR);
    let dir = node.path("etc/kubernetes/pki/stores");
    node.write("tmp/web.crt", &pair.certificate);
    node.write("tmp/web.key", &pair.key);
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let run = command.current_dir(&dir).args(arguments.split(' ')).output().unwrap();
        assert!(run.status.success(), "{arguments}: {run:?}");
    };
    let [crt, key] =
        ["tmp/web.crt", "tmp/web.key"].map(|path| node.path(path).display().to_string());
    openssl(&format!("pkcs12 -export -in {crt} -inkey {key} -passout pass:x -out a.p12"));
    openssl(&format!("crl2pkcs7 -nocrl -certfile {crt} -out b.pem"));
    openssl(&format!("crl2pkcs7 -nocrl -certfile {crt} -outform DER -out c.p7b"));
    openssl(&format!("req -new -key {key} -subj /CN=x -out d.crt"));
    openssl(&format!("req -new -key {key} -subj /CN=x -outform DER -out e.der"));
    openssl(&format!("pkcs8 -topk8 -in {key} -passout pass:x -out f.crt"));
    openssl(&format!("pkey -in {key} -pubout -out g.crt"));
    for name in ["h.pfx", "i.crt", "j", "k.conf"] {
        fs::copy(dir.join("a.p12"), dir.join(name)).unwrap();
    }
    fs::copy(dir.join("a.p12"), node.path("etc/kubernetes/store.conf")).unwrap();
    fs::write(dir.join("l.jks"), b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\0").unwrap();
    fs::write(dir.join("m.keystore"), b"\xce\xce\xce\xce\0\0\0\x02\0\0\0\0").unwrap();
    fs::write(dir.join("n.crt"), "-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n")
        .unwrap();
    fs::write(dir.join("o.crt"), utf16(&pair.certificate, u16::to_le_bytes)).unwrap();
    // Legitimately there.
    fs::copy(node.path("tmp/web.key"), dir.join("p.pem")).unwrap();
    fs::copy(dir.join("d.crt"), dir.join("q.csr")).unwrap();
    fs::copy(dir.join("g.crt"), dir.join("r.pub")).unwrap();
    fs::copy(node.path("tmp/web.key"), dir.join("web.key.2025")).unwrap();
    let document = check_json(root.path(), &[]).0;
    for (name, code, word) in [
        ("a.p12", "keystore", "PKCS #12"),
        ("b.pem", "unsupported_format", "PKCS #7"),
        ("c.p7b", "unsupported_format", "PKCS #7"),
        ("d.crt", "unsupported_format", "signing request"),
        ("e.der", "unsupported_format", "signing request"),
        ("f.crt", "no_certificate_found", "encrypted private key"),
        ("g.crt", "no_certificate_found", "public key"),
        ("h.pfx", "keystore", "PKCS #12"),
        ("i.crt", "keystore", "PKCS #12"),
        ("j", "keystore", "PKCS #12"),
        ("k.conf", "keystore", "PKCS #12"),
        ("l.jks", "keystore", "JKS"),
        ("m.keystore", "keystore", "JCEKS"),
        ("n.crt", "unsupported_format", "revocation list"),
        ("o.crt", "unsupported_format", "UTF-16"),
    ] {
        let rows = of(&document, &format!("stores/{name}"));
        assert_eq!(rows.len(), 1, "{name}");
        let finding = &rows[0]["findings"][0];
        assert_eq!(
            (&rows[0]["severity"], &finding["code"]),
            (&"unknown".into(), &code.into()),
            "{name}"
        );
        assert!(finding["message"].as_str().unwrap().contains(word), "{name}: {finding}");
        // What certwatch says to run shows what is in it.
        if let Some(command) = finding["command"].as_str().filter(|it| it.starts_with("openssl")) {
            let rooted = command.replace("/etc/", &format!("{}/etc/", root.path().display()));
            let rooted =
                if rooted.contains("pkcs12") { rooted + " -passin pass:x" } else { rooted };
            let is_made_up = name == "n.crt";
            let run = Command::new("sh").args(["-c", &rooted]).output().unwrap();
            assert!(run.status.success() || is_made_up, "{rooted}: {run:?}");
        }
    }
    assert_eq!(codes(&document, "kubernetes/store.conf"), ["keystore"]);
    for name in ["p.pem", "q.csr", "r.pub", "web.key.2025"] {
        assert!(of(&document, name).is_empty(), "{name}");
    }
    only(&document, "store");
}

#[test]
fn certificates_are_found_under_any_name_and_one_after_the_other() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let dir = node.path("etc/kubernetes/pki");
    let pair = node.ca.leaf("web", "", &[], EXPIRED);
    node.write("etc/kubernetes/pki/web.pem", &pair.certificate);
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(&dir)
        .args(["x509", "-in", "web.pem", "-outform", "DER", "-out", "one.der"]);
    assert!(openssl.status().unwrap().success());
    let der = fs::read(dir.join("one.der")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).unwrap();
    write("two.der", &[&der[..], &der].concat());
    write("newline.crt", &[&der[..], b"\r\n"].concat());
    write("rest.crt", &[&der[..], b"something else"].concat());
    write("web.crt.bak", pair.certificate.as_bytes());
    write("bundle.txt", pair.certificate.as_bytes());
    write("noname", &der);
    node.write("etc/kubernetes/admin.conf.bak", &node.read("etc/kubernetes/admin.conf"));
    let old = node.ca.leaf("kubernetes-admin", "system:masters", &[], EXPIRED);
    node.conf("admin.conf.old", &old);
    let document = check_json(root.path(), &[]).0;
    for (name, expected) in [
        ("pki/two.der", &["left_over", "left_over"][..]),
        ("pki/newline.crt", &["left_over"]),
        ("pki/rest.crt", &["bad_der", "left_over"]),
    ] {
        assert_eq!(codes(&document, name), expected, "{name}");
    }
    // Nothing is known to use what has no such name.
    for name in ["web.crt.bak", "bundle.txt", "noname", "admin.conf.old"] {
        let rows: Vec<_> =
            of(&document, name).into_iter().filter(|it| it["severity"] != "ok").collect();
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!(
            (&rows[0]["severity"], codes(&document, name)),
            (&"warning".into(), vec!["left_over".to_owned()])
        );
        let remedy = rows[0]["findings"][0]["remedy"].as_str().unwrap();
        assert!(remedy.contains(&format!("exclude = [\"{}\"]", rows[0]["path"].as_str().unwrap())));
    }
    assert!(of(&document, "admin.conf.bak").iter().all(|row| row["severity"] == "ok"));
}

/// For a component it makes no difference what else it is: it fails at its next start.
#[test]
fn a_component_cannot_read_a_keystore_either() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    fs::write(node.path("etc/kubernetes/pki/apiserver.crt"), b"\xfe\xed\xfe\xed\0\0\0\x02")
        .unwrap();
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!((code, codes(&document, "pki/apiserver.crt")), (2, vec!["keystore".to_owned()]));
    only(&document, "apiserver.crt");
}
