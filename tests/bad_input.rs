//! Whatever lies around on a node: each is a clear row, nothing hangs, and all others are judged.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use common::node::{Node, TEN_YEARS, YEAR};
use common::pki::{Authority, Days};
use common::run::{certwatch, check_json, codes, finish, rows};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

const PKI: &str = "etc/kubernetes/pki";

/// A healthy node, spoilt by `spoil` with one more file; its code and the code of the whole.
fn spoilt(name: &str, spoil: impl FnOnce(&Path)) -> (Vec<String>, Value, i32) {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let path = node.path(PKI).join(name);
    spoil(&path);
    let (document, code) = check_json(root.path(), &[]);
    let healthy = rows(&document).iter().filter(|row| row["severity"] == "ok").count();
    assert!(healthy >= 16, "the others are judged all the same: {document:#}");
    (codes(&document, name), document, code)
}

/// The same, and what it must be called; everything that is no certificate is UNKNOWN.
fn is_called(expected: &str, name: &str, spoil: impl FnOnce(&Path)) {
    let (codes, document, code) = spoilt(name, spoil);
    assert_eq!((codes, code), (vec![expected.to_owned()], 3), "{name}: {document:#}");
}

#[test]
fn what_is_no_file() {
    is_called("not_a_file", "fifo.crt", |path| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    });
    is_called("not_a_file", "socket.crt", |path| drop(UnixListener::bind(path).unwrap()));
    is_called("broken_symlink", "nowhere.crt", |path| symlink("gone.crt", path).unwrap());
    is_called("symlink_loop", "loop.crt", |path| symlink("loop.crt", path).unwrap());
}

#[test]
fn a_device_behind_a_link_is_not_read() {
    let root = TempDir::new().unwrap();
    let link = root.path().join("zero.crt");
    symlink("/dev/zero", &link).unwrap();
    let run = certwatch(["check", link.to_str().unwrap()]);
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("a device, not a file"), "{}", run.stdout);
}

#[test]
fn files_that_are_too_large_or_empty() {
    is_called("too_large", "ten-gigabytes.crt", |path| {
        File::create(path).unwrap().set_len(10 << 30).unwrap();
    });
    is_called("empty", "empty.crt", |path| drop(File::create(path).unwrap()));
    is_called("empty", "blank.crt", |path| fs::write(path, " \r\n\n").unwrap());
}

#[test]
fn files_without_a_certificate() {
    is_called("no_certificate_found", "garbage.crt", |path| {
        fs::write(path, [0xff, 0xfe, 0, 1, 7]).unwrap();
    });
    is_called("no_certificate_found", "text.crt", |path| fs::write(path, "hello").unwrap());
    let key = KeyPair::generate().unwrap().serialize_pem();
    is_called("no_certificate_found", "key.crt", |path| fs::write(path, key).unwrap());
}

#[test]
fn damaged_certificates() {
    let whole = Authority::new("x", TEN_YEARS).pair.certificate;
    is_called("bad_pem", "cut.crt", |path| fs::write(path, &whole[..200]).unwrap());
    is_called("bad_pem", "typo.crt", |path| fs::write(path, whole.replace("\nM", "\n?")).unwrap());
    is_called("bad_der", "hostile.crt", |path| {
        fs::write(path, [0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).unwrap();
    });
    is_called("bad_der", "nested.crt", |path| {
        fs::write(path, [0x30, 0x80].repeat(200_000)).unwrap();
    });
}

#[test]
fn the_rest_of_a_damaged_bundle_is_judged() {
    let [a, b] = [0, 1].map(|_| Authority::new("bundled", TEN_YEARS).pair.certificate);
    let (found, document, _) =
        spoilt("bundle.crt", |path| fs::write(path, format!("{a}{}\n{b}", &a[..300])).unwrap());
    assert_eq!(found, ["bad_pem"]);
    let of_bundle =
        rows(&document).iter().filter(|row| row["path"].as_str().unwrap().ends_with("bundle.crt"));
    assert_eq!(of_bundle.count(), 3);
}

#[test]
fn every_form_of_a_certificate_file_is_read() {
    let pair = Authority::new("forms", TEN_YEARS).leaf("leaf", "", &[], YEAR);
    let root = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).unwrap();
    let pem = pair.certificate.as_str();
    write("plain.pem", pem.as_bytes());
    write("crlf.pem", pem.replace('\n', "\r\n").as_bytes());
    write("bom.pem", format!("\u{feff}{pem}").as_bytes());
    write("indented.pem", pem.replace('\n', "\n    ").as_bytes());
    write("text.pem", format!("Certificate:\n  Data:\n{pem}the end").as_bytes());
    write("key-first.pem", (pair.key.clone() + pem).as_bytes());
    let openssl = |arguments: &[&str]| {
        let run =
            Command::new("openssl").current_dir(root.path()).args(arguments).output().unwrap();
        assert!(run.status.success(), "{run:?}");
    };
    openssl(&["x509", "-in", "plain.pem", "-outform", "DER", "-out", "binary.der"]);
    openssl(&[
        "x509",
        "-in",
        "plain.pem",
        "-trustout",
        "-addtrust",
        "serverAuth",
        "-out",
        "trusted.pem",
    ]);
    let run = certwatch(["check", "-o", "json", root.path().to_str().unwrap()]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, rows(&document).len()), (0, 8), "{document:#}");
    let first = &rows(&document)[0]["sha256"];
    assert!(rows(&document).iter().all(|row| row["sha256"] == *first));
}

#[test]
fn kubeconfigs_that_are_none() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let conf = node.read("etc/kubernetes/admin.conf");
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        bomb += &format!(
            "a{level}: &a{level} [{}]\n",
            [format!("*a{}", level - 1).as_str(); 9].join(",")
        );
    }
    node.write("etc/kubernetes/scheduler.conf", &(bomb + "clusters: *a9\nkind: Config\n"));
    node.write("etc/kubernetes/admin.conf", &conf.replace("users:", "users: ["));
    node.write(
        "etc/kubernetes/controller-manager.conf",
        &conf.replace("client-certificate-data: ", "client-certificate-data: ?"),
    );
    // Not a kubeconfig and not ours: a cloud provider's settings.
    node.write("etc/kubernetes/cloud.conf", "[Global]\nauth-url = https://x\n");
    let (document, code) = check_json(root.path(), &[]);
    assert_eq!(code, 2);
    assert_eq!(codes(&document, "/admin.conf"), ["decode_failed"]);
    assert_eq!(codes(&document, "scheduler.conf"), ["decode_failed"]);
    assert_eq!(codes(&document, "controller-manager.conf"), ["bad_base64"]);
    assert!(codes(&document, "cloud.conf").is_empty());
}

#[test]
fn directories_that_loop_or_never_end() {
    let (found, document, code) = spoilt("sub/inner.crt", |path| {
        let sub = path.parent().unwrap();
        fs::create_dir(sub).unwrap();
        symlink("..", sub.join("up")).unwrap();
        symlink(".", sub.join("self")).unwrap();
        fs::write(path, Authority::new("inner", TEN_YEARS).pair.certificate).unwrap();
        let deep = sub.join(["d"; 40].join("/"));
        fs::create_dir_all(&deep).unwrap();
    });
    assert!(found.is_empty());
    let inner =
        rows(&document).iter().filter(|row| row["path"].as_str().unwrap().ends_with("inner.crt"));
    assert_eq!((inner.count(), code), (1, 3), "each real directory once: {document:#}");
    let deep = rows(&document).iter().filter(|row| row["findings"][0]["code"] == "too_deep");
    assert_eq!(deep.count(), 1, "{document:#}");
}

#[test]
fn ten_thousand_files_are_ten_thousand_rows() {
    let root = TempDir::new().unwrap();
    let certificate = Authority::new("many", TEN_YEARS).pair.certificate;
    for number in 0..10_000 {
        fs::write(root.path().join(format!("{number}.crt")), &certificate).unwrap();
    }
    let directory = root.path().to_str().unwrap();
    let run = certwatch(["check", "-o", "json", directory]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, rows(&document).len()), (0, 10_000));

    let config = root.path().join("config.toml");
    fs::write(&config, "[scan]\nmax-files = 100\n").unwrap();
    let run = certwatch(["check", "-o", "json", "--config", config.to_str().unwrap(), directory]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let over: Vec<&Value> = rows(&document).iter().filter(|row| row["severity"] != "ok").collect();
    assert_eq!((run.code, over.len(), rows(&document).len()), (3, 1, 101));
    assert_eq!(over[0]["findings"][0]["code"], "too_many");
}

#[test]
fn no_permission_is_told_and_the_rest_is_judged() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    for path in ["", "etc", "etc/kubernetes", "var", "root"] {
        fs::set_permissions(node.path(path), Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(node.path("etc/kubernetes/admin.conf"), Permissions::from_mode(0o000))
        .unwrap();
    let binary = root.path().join("certwatch");
    fs::copy(env!("CARGO_BIN_EXE_certwatch"), &binary).unwrap();
    // Permissions do not bind root, as whom these tests may run.
    let mut command = if rustix::process::geteuid().is_root() {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        setpriv
    } else {
        Command::new(&binary)
    };
    let run = finish(command.args(["check", "-o", "json", "--root"]).arg(root.path()));
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (run.code, codes(&document, "admin.conf")),
        (3, vec!["permission_denied".to_owned()])
    );
    assert_eq!(rows(&document).iter().filter(|row| row["severity"] != "ok").count(), 1);

    // A directory that hides its files hides them; nothing in it is called missing.
    fs::set_permissions(node.path("etc/kubernetes/pki/etcd"), Permissions::from_mode(0o000))
        .unwrap();
    let run = finish(&mut command);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, codes(&document, "pki/etcd")), (3, vec!["permission_denied".to_owned()]));
    assert!(!run.stdout.contains("not_found"), "{document:#}");
    fs::set_permissions(node.path("etc/kubernetes/pki/etcd"), Permissions::from_mode(0o755))
        .unwrap();
}

#[test]
fn a_file_that_changes_while_it_is_read_never_gives_half_a_certificate() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("moving.crt");
    let texts =
        [1, 9].map(|count| Authority::new("moving", TEN_YEARS).pair.certificate.repeat(count));
    fs::write(&path, &texts[0]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // In place, as kubeadm writes: cut to nothing, then filled.
            for text in texts.iter().cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
                // Nobody writes without a pause, and on a busy machine nothing whole would ever be seen.
                sleep(Duration::from_millis(1));
            }
        });
        // Also when an assertion below fails: the scope waits for its thread.
        let _stop = Stop(&done);
        let mut whole = 0;
        for _ in 0..50 {
            let run = certwatch(["check", "-o", "json", path.to_str().unwrap()]);
            let document: Value = serde_json::from_str(&run.stdout).unwrap();
            let is_whole = [1, 9].contains(&rows(&document).len());
            // Whoever looks between two writes sees what is there: nothing, or a part of it.
            assert!(is_whole && run.code == 0 || run.code == 3, "{document:#}");
            whole += usize::from(run.code == 0);
        }
        assert!(whole > 0, "it is read at last");
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_last_and_the_first_year_of_the_standard() {
    let root = TempDir::new().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = |from: i64, to: i64| {
        let mut params = CertificateParams::default();
        params.not_before = OffsetDateTime::from_unix_timestamp(from).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(to).unwrap();
        params.self_signed(&key).unwrap().pem()
    };
    let last = 253_402_300_799; // 9999-12-31T23:59:59Z
    let first = -631_152_000; // 1950-01-01T00:00:00Z
    fs::write(root.path().join("never.crt"), certificate(first, last)).unwrap();
    fs::write(root.path().join("backwards.crt"), certificate(last, first)).unwrap();
    for format in ["table", "json", "nagios", "prometheus"] {
        let run = certwatch(["check", "-o", format, root.path().to_str().unwrap()]);
        assert_eq!((run.code, run.stderr.as_str()), (2, ""), "{format}");
    }
    let run = certwatch(["check", "-o", "json", root.path().join("never.crt").to_str().unwrap()]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (run.code, &rows(&document)[0]["not_after"]),
        (0, &Value::from("9999-12-31T23:59:59Z"))
    );
}

#[test]
fn names_that_attack_a_terminal_are_printed_as_text() {
    let root = TempDir::new().unwrap();
    let ca = Authority::new("evil\u{1b}]0;owned\u{7}\r\nCERTWATCH OK\u{202e}", TEN_YEARS);
    let leaf = ca.leaf("web\u{1b}[2J\u{9b}31m\n| 'x'=1", "\u{2028}", &[], Days(-345, 20));
    fs::write(root.path().join("evil\u{1b}[31m.crt"), &leaf.certificate).unwrap();
    for format in ["table", "json", "nagios", "prometheus"] {
        let run = certwatch(["check", "-o", format, root.path().to_str().unwrap()]);
        let raw: Vec<char> = run
            .stdout
            .chars()
            .filter(|c| *c != '\n' && certwatch::domain::text::is_unsafe(*c))
            .collect();
        assert!(raw.is_empty(), "{format}: {raw:?}");
        assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{format}");
    }
    let nagios = certwatch(["check", "-o", "nagios", root.path().to_str().unwrap()]).stdout;
    assert_eq!((nagios.lines().count(), nagios.matches('|').count()), (1, 1), "{nagios}");
}

#[test]
fn no_byte_of_a_file_s_content_is_ever_printed() {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    let secret = "U2VjcmV0S2V5Qnl0ZXM";
    let broken_key = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n");
    node.write("etc/kubernetes/pki/a.crt", &broken_key);
    node.write("etc/kubernetes/pki/b.crt", &broken_key.replace("PRIVATE KEY", "CERTIFICATE"));
    node.write("etc/kubernetes/pki/c.crt", secret);
    let kubeconfig = format!(
        "clusters: []\nkind: Config\nusers:\n- name: a\n  user:\n    client-key-data: {secret}\n    client-certificate-data: [{secret}\n"
    );
    node.write("etc/kubernetes/admin.conf", &kubeconfig);
    node.write("root/.kube/config", &kubeconfig);
    let config = root.path().join("config.toml");
    fs::write(
        &config,
        format!("[scan]\ntimeout = \"{secret}\"\npassword = \"{secret}\"\n[{secret}\n"),
    )
    .unwrap();
    let root = root.path().to_str().unwrap();
    for format in ["table", "json", "nagios", "prometheus"] {
        let run = certwatch(["check", "--root", root, "-o", format]);
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{format}: {run:?}");
    }
    let run = certwatch(["check", "--config", config.to_str().unwrap()]);
    assert!(
        run.code == 3 && !run.stdout.contains(secret) && !run.stderr.contains(secret),
        "{run:?}"
    );
}
