//! Its serving certificate, which it makes at its start where there is none.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::domain::layout::shown;
use crate::domain::model::Certificate;
use crate::domain::renewal::{Fault, FaultKind};
use crate::domain::time::UnixTime;
use crate::fs::{dir, read, replace};
use crate::node::NodePaths;
use crate::node::handshake::served;
use crate::node::kubelet::{certificate, pki, server};
use crate::renew::kubelet::wait::wait_until;
use crate::renew::kubelet::{START, restart};

const ASIDE: &str = "kubelet-serving-before";

/// In this order they are removed, and in the other one put back: a certificate never is without its key.
const PAIR: [&str; 2] = ["kubelet.crt", "kubelet.key"];

/// Moves the pair that `ends` then to `kubelet-serving-before`, in the place of that of an earlier renewal, and restarts
/// the kubelet; waits until it serves the one that it has made.
pub(super) fn remake(paths: &NodePaths, ends: UnixTime) -> Result<String, Fault> {
    let address = server(paths).ok_or_else(|| {
        Fault::failed(
            "the kubelet is told not to serve (port: 0), so nothing shows what it has made",
        )
    })?;
    let live = pki(paths).join(PAIR[0]);
    let made = || read(&live).filter(|it| it.not_after > ends);
    if made().is_none() {
        if let Some(old) = read(&live) {
            in_use(address, &old, &live)?;
        }
        if live.exists() {
            keep_aside(paths)?;
        }
        PAIR.iter().try_for_each(|name| dir::remove(&pki(paths).join(name)))?;
    }
    if made().is_none_or(|it| !serves(address, &it)) {
        restart(paths)?;
    }
    let new = wait_until(START, || made().filter(|it| serves(address, it)));
    let new = new.ok_or_else(|| Fault::failed(not_served(address, &live)))?;
    Ok(format!(
        "the kubelet has made its serving certificate anew: it serves it at {address}, and it expires on {}; the old \
         pair is in {}",
        new.not_after.date(),
        shown(&aside(paths))
    ))
}

/// Puts the pair back that was moved away, if it was, and restarts the kubelet.
pub(super) fn put_back(paths: &NodePaths, ends: UnixTime) -> Result<String, Fault> {
    let live = pki(paths).join(PAIR[0]);
    // What an earlier renewal has left there is of no use.
    let kept = read(&aside(paths).join(PAIR[0])).filter(|it| it.not_after == ends);
    let is_back = read(&live).is_some_and(|it| it.not_after == ends);
    let Some(old) = kept.filter(|_| !is_back) else {
        return Ok("the kubelet has the serving certificate that it had".to_owned());
    };
    for name in PAIR.iter().rev() {
        replace::copy(&aside(paths).join(name), &pki(paths).join(name))?;
    }
    restart(paths)?;
    let is_served = |address| wait_until(START, || serves(address, &old).then_some(()));
    match server(paths) {
        Some(address) if is_served(address).is_none() => {
            Err(Fault::failed(not_served(address, &live)))
        }
        _ => Ok("the kubelet has its old serving certificate back".to_owned()),
    }
}

/// What is replaced while the kubelet serves something else is not its own, and no restart makes it serve another one.
fn in_use(address: SocketAddr, old: &Certificate, path: &Path) -> Result<(), Fault> {
    let what = match served(address) {
        Ok(sha256) if sha256 == old.sha256 => return Ok(()),
        Ok(_) => "it serves another certificate".to_owned(),
        Err(why) => format!("it serves none there ({why})"),
    };
    let what = format!(
        "the kubelet does not use {}: at {address} {what}. Nothing was changed; see its flags (--tls-cert-file, --port, \
         --address) and, if it has not been restarted since the file was written, restart it",
        shown(path)
    );
    Err(Fault { kind: FaultKind::Untouched, ..Fault::failed(what) })
}

fn keep_aside(paths: &NodePaths) -> Result<(), Fault> {
    dir::remove_all(&aside(paths))?;
    dir::create_all(&paths.work, Path::new(ASIDE))?;
    for name in PAIR {
        replace::copy(&pki(paths).join(name), &aside(paths).join(name))?;
    }
    Ok(())
}

fn aside(paths: &NodePaths) -> PathBuf {
    paths.work.join(ASIDE)
}

fn read(path: &Path) -> Option<Certificate> {
    certificate(&read::optional(path).ok()??)
}

fn serves(address: SocketAddr, certificate: &Certificate) -> bool {
    served(address) == Ok(certificate.sha256)
}

fn not_served(address: SocketAddr, path: &Path) -> String {
    let what = match served(address) {
        Ok(_) => "another certificate".to_owned(),
        Err(why) => format!("none ({why})"),
    };
    format!(
        "the kubelet was restarted, and {} s later the certificate in {} is not served at {address}, but {what}; see \
         `journalctl -u kubelet`",
        START.as_secs(),
        shown(path)
    )
}
