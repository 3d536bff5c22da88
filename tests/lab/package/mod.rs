//! The Debian package on a real node, as people install it.

mod admin;
mod ansible;
mod failure;
mod install;
mod renewal;

use std::fs::{read, read_dir, read_to_string};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::pki::{Authority, Days};
use crate::common::smtp::Guarded;
use crate::harness::{Node, wait_for};

const SOON: Duration = Duration::from_secs(60);
const RENEWAL: Duration = Duration::from_secs(300);

/// What `make deb` has built.
fn package() -> PathBuf {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/debian"));
    let files = read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut debs: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "deb")).collect();
    assert_eq!(debs.len(), 1, "run `make deb`: {debs:?}");
    debs.remove(0)
}

/// Brings the package to root's home.
fn bring(node: Node<'_>) -> String {
    let file = package();
    let path = format!("/root/{}", file.file_name().unwrap().to_str().unwrap());
    node.write(&path, &read(file).unwrap());
    path
}

/// The same package with a lower version, and another word in its settings.
fn older(node: Node<'_>) -> String {
    let newer = bring(node);
    let line = r#"dpkg-deb --raw-extract "$1" /root/older
        sed -i 's/^Version: .*/Version: 0.0.1-1/' /root/older/DEBIAN/control
        sed -i '1s/$/ Of old./' /root/older/etc/certwatch/config.toml
        dpkg-deb --build /root/older /root/older.deb"#;
    node.run(&["bash", "-ec", line, "--", &newer]);
    "/root/older.deb".to_owned()
}

fn install(node: Node<'_>) {
    let path = bring(node);
    node.run(&["dpkg", "--install", &path]);
}

/// The commands that the README's section on installing shows, block by block.
fn readme() -> Vec<String> {
    let text = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = text.split_once("\n## Install\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("\n\n").filter(|block| block.starts_with("    "));
    let unindented = |block: &str| block.replace("\n    ", "\n").trim_start().to_owned() + "\n";
    blocks.map(unindented).collect()
}

/// Runs a block as somebody would who reads it, in root's home, and who says yes.
#[track_caller]
fn follow(node: Node<'_>, block: &str) -> String {
    let script = format!("set -e; cd /root; {block}");
    node.run(&["bash", "-c", &format!("yes | bash -c {}", quoted(&script))])
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The mail server that the README's example names: it wants STARTTLS and a login, and has a certificate of a CA
/// that the node trusts.
fn mail_server(node: Node<'_>) -> Guarded {
    const NAME: &str = "mail.example.org";
    let ca = Authority::new("mail CA", Days(-1, 10));
    let pair = ca.leaf("mail", "", &[NAME], Days(-1, 10));
    node.write("/usr/local/share/ca-certificates/mail.crt", ca.pair.certificate.as_bytes());
    node.run(&["update-ca-certificates"]);
    node.run(&["bash", "-c", &format!("echo 127.0.0.1 {NAME} >>/etc/hosts")]);
    node.inside(move || {
        let files = tempfile::TempDir::new().unwrap();
        let [certificate, key] = ["crt", "key"].map(|name| files.path().join(name));
        std::fs::write(&certificate, &pair.certificate).unwrap();
        std::fs::write(&key, &pair.key).unwrap();
        Guarded::at(587, "starttls", &[&certificate, &key])
    })
}

#[track_caller]
fn wait_for_mail(server: &Guarded, words: &str, limit: Duration) {
    wait_for(&format!("a mail: {words}"), limit, || {
        server.subjects().iter().any(|subject| subject.contains(words)).then_some(())
    });
}

fn property(node: Node<'_>, unit: &str, name: &str) -> String {
    node.run(&["systemctl", "show", unit, "--value", "--property", name]).trim().to_owned()
}

/// Whatever on the node has to do with certwatch: files, accounts, units.
fn traces(node: Node<'_>) -> String {
    let line = r"find / -xdev -name '*certwatch*' -not -path '/proc/*' -not -path '/sys/*' \
            -not -path '/var/log/*' -not -path '/root/certwatch_*.deb'
        grep certwatch /etc/passwd /etc/group /etc/shadow /etc/gshadow
        systemctl list-units --all --plain --no-legend 'certwatch*'";
    node.run(&["bash", "-c", &format!("{line}; true")])
}
