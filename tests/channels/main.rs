//! Every channel against strict stand-ins for the other side, on loopback.
//!
//! A stand-in enforces the other side's rules and answers as it does. That of Alertmanager is the
//! real one, see `tests/alertmanager.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, their helpers included")]

#[path = "../common/mod.rs"]
mod common;

mod bot;
mod events;
mod forms;
mod mutual;
mod proxy;
mod transport;
mod webhook;

use std::fmt::Debug;
use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use certwatch::config::channels::Secret;
use certwatch::config::{HttpConfig, ProxyConfig};
use certwatch::notify::{Failure, FailureKind, Network};
use tempfile::TempDir;

/// What must be in no message, in any of the secrets that the tests use.
const SECRET: &str = "SECRET";

/// A place for secrets.
struct Safe(TempDir);

impl Safe {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn keep(&self, name: &str, secret: &str) -> Secret {
        Secret::File(self.file(name, secret))
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

/// Whatever the environment of the tests says of proxies.
fn direct() -> Network {
    Network {
        http: HttpConfig { proxy: ProxyConfig::Off, ..HttpConfig::default() },
        ..Network::default()
    }
}

/// Runs a channel as the daemon does: one thread, and blocking work beside it.
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The failure must be this, and tell these words and no secret.
#[track_caller]
fn assert_fails<T: Debug>(result: Result<T, Failure>, kind: FailureKind, words: &[&str]) {
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, kind, "{failure:?}");
    assert!(!failure.reason.contains(SECRET) && !failure.reason.contains('\n'), "{failure:?}");
    for word in words {
        assert!(failure.reason.contains(word), "{word} is not in {failure:?}");
    }
}

const PERMANENT: FailureKind = FailureKind::Permanent;
const TRANSIENT: FailureKind = FailureKind::Transient(None);

const fn after(seconds: u64) -> FailureKind {
    FailureKind::Transient(Some(Duration::from_secs(seconds)))
}
