//! What cert-manager leaves behind: a Secret that was renewed, and a real nginx that serves the certificate of before.
//!
//! Needs root and the package (tests/lab/nginx.sh): part of `make test-lab`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::pki::{Authority, Days, Pair};
use common::port::free_port;
use common::run::{certwatch, codes};
use common::wait::until;
use serde_json::Value;
use tempfile::TempDir;

/// Ends with the test.
struct Nginx {
    process: Child,
    port: u16,
}

impl Nginx {
    /// Serves the pair in the volume below `dir`.
    fn new(dir: &Path) -> Self {
        let (at, port) = (dir.display(), free_port());
        let config = format!(
            "daemon off;\npid {at}/pid;\nerror_log {at}/error.log;\nevents {{}}\n\
             http {{\n  access_log off;\n  server {{\n    listen 127.0.0.1:{port} ssl;\n\
             ssl_certificate {at}/volume/tls.crt;\n    ssl_certificate_key {at}/volume/tls.key;\n  }}\n}}\n"
        );
        fs::write(dir.join("nginx.conf"), config).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.arg("-c").arg(dir.join("nginx.conf")).stdout(Stdio::null()).stderr(Stdio::null());
        let nginx = Self { process: nginx.spawn().unwrap(), port };
        until("nginx", || TcpStream::connect(("127.0.0.1", port)));
        nginx
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}

/// As the kubelet updates the volume of a Secret: files in a directory of its own, and one link that is renamed.
fn update(volume: &Path, pair: &Pair, revision: &str) {
    let directory = volume.join(revision);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
    fs::write(directory.join("tls.key"), &pair.key).unwrap();
    symlink(revision, volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[test]
fn a_secret_that_was_renewed_is_not_what_is_served_until_nginx_is_reloaded() {
    let dir = TempDir::new().unwrap();
    // Its workers are another user.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let ca = Authority::new("cert-manager", Days(-1, 3_650));
    let leaf = |days| ca.leaf("www", "", &["127.0.0.1"], days);
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    update(&volume, &leaf(Days(-60, 5)), "..2026_09");
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
    }
    fs::write(dir.path().join("ca.pem"), &ca.pair.certificate).unwrap();
    let nginx = Nginx::new(dir.path());
    let [authority, file, config] =
        ["ca.pem", "volume/tls.crt", "config.toml"].map(|it| dir.path().join(it));
    let address = nginx.address();
    let settings = format!(
        "[scan]\nstandard = false\npaths = [{file:?}]\n[[endpoint]]\naddress = {address:?}\nca-file = {authority:?}\nfile = {file:?}\n"
    );
    fs::write(&config, settings).unwrap();
    let check = || -> (Value, i32) {
        let run = certwatch(["check", "-o", "json", "--config", config.to_str().unwrap()]);
        let found = serde_json::from_str(&run.stdout);
        (found.unwrap_or_else(|_| panic!("{run:?}")), run.code)
    };

    update(&volume, &leaf(Days(0, 90)), "..2026_11");
    let (found, code) = check();
    assert_eq!((code, codes(&found, &address)), (2, vec!["expires".into(), "stale_in_use".into()]));
    assert_eq!(codes(&found, "tls.crt"), [""; 0], "what is on disk is good");

    let mut reload = Command::new("nginx");
    reload.arg("-c").arg(dir.path().join("nginx.conf")).args(["-s", "reload"]);
    assert!(reload.stderr(Stdio::null()).status().unwrap().success());
    until("the new certificate", || {
        let (found, code) = check();
        if code == 0 { Ok(()) } else { Err(found) }
    });
}
