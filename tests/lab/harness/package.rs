//! The Debian package, installed and set up as the README says.

use std::fs::{read, read_dir, read_to_string};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Node, wait_for};
use crate::common::pki::{Authority, Days};
use crate::common::smtp::Guarded;

/// Longer than any node lives.
const VALID: Days = Days(-1, 3650);

/// What `make deb` has built.
pub(crate) fn package() -> PathBuf {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/debian"));
    let files = read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut debs: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "deb")).collect();
    assert_eq!(debs.len(), 1, "run `make deb`: {debs:?}");
    debs.remove(0)
}

/// Brings the package to root's home.
pub(crate) fn bring(node: Node<'_>) -> String {
    let file = package();
    let path = format!("/root/{}", file.file_name().unwrap().to_str().unwrap());
    node.write(&path, &read(file).unwrap());
    path
}

pub(crate) fn install(node: Node<'_>) {
    let path = bring(node);
    node.run(&["dpkg", "--install", &path]);
}

/// The commands that the README's section on installing shows, block by block.
pub(crate) fn readme() -> Vec<String> {
    let text = read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = text.split_once("\n## Install\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("\n\n").filter(|block| block.starts_with("    "));
    let unindented = |block: &str| block.replace("\n    ", "\n").trim_start().to_owned() + "\n";
    blocks.map(unindented).collect()
}

/// Runs a block as somebody would who reads it, in root's home, and who says yes.
#[track_caller]
pub(crate) fn follow(node: Node<'_>, block: &str) -> String {
    let script = format!("set -e; cd /root; {block}");
    node.run(&["bash", "-c", &format!("yes | bash -c {}", quoted(&script))])
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The mail server that the README's example names: it wants STARTTLS and a login, and has a certificate of a CA
/// that the node trusts. It listens where the node reaches it at `address`.
pub(crate) fn mail_server(node: Node<'_>, address: Ipv4Addr) -> Guarded {
    const NAME: &str = "mail.example.org";
    let ca = Authority::new("mail CA", VALID);
    let pair = ca.leaf("mail", "", &[NAME], VALID);
    // As update-ca-certificates leaves it, which takes a minute on a node with a kernel of its own.
    node.write("/root/mail-ca.crt", ca.pair.certificate.as_bytes());
    node.run(&["bash", "-c", "cat /root/mail-ca.crt >>/etc/ssl/certs/ca-certificates.crt"]);
    node.run(&["bash", "-c", &format!("echo {address} {NAME} >>/etc/hosts")]);
    node.inside(move || {
        let files = tempfile::TempDir::new().unwrap();
        let [certificate, key] = ["crt", "key"].map(|name| files.path().join(name));
        std::fs::write(&certificate, &pair.certificate).unwrap();
        std::fs::write(&key, &pair.key).unwrap();
        Guarded::at(address, 587, "starttls", &[&certificate, &key])
    })
}

#[track_caller]
pub(crate) fn wait_for_mail(server: &Guarded, words: &str, limit: Duration) {
    wait_for(&format!("a mail: {words}"), limit, || {
        server.subjects().iter().any(|subject| subject.contains(words)).then_some(())
    });
}

pub(crate) fn property(node: Node<'_>, unit: &str, name: &str) -> String {
    node.run(&["systemctl", "show", unit, "--value", "--property", name]).trim().to_owned()
}
