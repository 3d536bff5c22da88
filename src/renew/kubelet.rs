//! The kubelet's client certificate, once it has expired: the kubelet then exits as soon as it starts, and without the
//! kubelet no static pod starts again.
//!
//! This is the documented recovery (kubeadm's "kubelet client certificate rotation fails"): a
//! kubelet.conf with a certificate of its own in it, and its rotation again as soon as the API
//! answers. Whatever was there before is kept in `kubelet-before`.

mod conf;
pub(super) mod own;
mod wait;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conf::UserCredentials;
use wait::wait_until;

use crate::domain::kubernetes::Version;
use crate::domain::layout::shown;
use crate::domain::model::{Attribute, Certificate};
use crate::domain::renewal::acceptance::is_signed;
use crate::domain::renewal::{Fault, FaultKind, Journal};
use crate::domain::text::{escape_control, shell_word};
use crate::domain::time::UnixTime;
use crate::fs::inode::Ownership;
use crate::fs::{FileError, dir, read, replace};
use crate::node::NodePaths;
use crate::node::kubelet::{
    CURRENT, certificate, client_not_after, conf_path, embedded, kubelet_down, pki, user,
};
use crate::sys;

use super::program::{self, Output};
use super::tree::ca_bundle::{self, CaBundle};

/// Every name that the kubelet gives to a client certificate and its key begins so.
const CLIENT: &str = "kubelet-client";

/// kubeadm signs one certificate within a second.
const SIGNING: Duration = Duration::from_secs(60);

/// To say its version takes it a moment.
const VERSION: Duration = Duration::from_secs(10);

/// The old kubelet has to end first, which takes it up to 90 s if it hangs.
const RESTART: Duration = Duration::from_secs(120);

/// From its start until it answers, the kubelet takes some 6 s.
const START: Duration = Duration::from_secs(60);

/// The kubelet stores the pair of its kubelet.conf when it starts, and then asks the API for another.
const ROTATION: Duration = Duration::from_secs(120);

/// The version of the installed kubelet, if one is where the system has its programs.
pub(crate) fn version() -> Option<Version> {
    let output = run(&program::find("kubelet").ok()?, &["--version"], VERSION).ok()?;
    // `Kubernetes v1.37.2`
    output.text().split_whitespace().find_map(Version::parse).filter(|_| output.is_success())
}

/// Gives the kubelet a kubelet.conf with a new certificate in it, signed by kubeadm with the CA of
/// this node, and restarts it. `config` is the cluster's configuration. What it says is for people. Where `journal` says
/// what it takes the place of, it ends later than that.
///
/// Taken again after a crash, it goes on where it was.
///
/// # Errors
/// The node's name is not to be found, kubeadm signs nothing within a minute, a file cannot be
/// written, or the kubelet does not answer within a minute after its start.
pub(crate) fn renew(paths: &NodePaths, config: &Path, journal: &Journal) -> Result<String, Fault> {
    let old = journal.kubelet_renewal.map(|it| it.ends);
    if !has_newer_pair(paths, old) {
        let untouched = |fault: Fault| Fault { kind: FaultKind::Untouched, ..fault };
        let text = with_new_pair(paths, config, old).map_err(untouched)?;
        keep_aside(paths)?;
        write(&conf_path(paths), &text)?;
    }
    // One that never rotates goes by its kubelet.conf alone: what is beside it would only expire there.
    let is_of_no_use = old.is_some() && journal.kubelet_never_rotates;
    if is_of_no_use || fresh(&pki(paths).join(CURRENT)).is_none() {
        remove_clients(paths)?;
    }
    restart(paths)?;
    let not_after = client_not_after(paths).map_or_else(|| "?".to_owned(), UnixTime::date);
    Ok(format!("the kubelet runs again, with a certificate that expires on {not_after}"))
}

/// Waits until the kubelet keeps a good certificate of its own again, makes its kubelet.conf name that
/// one, as kubeadm does, and restarts it: from then on it rotates it. For when the API answers. May be
/// taken again.
///
/// # Errors
/// There is no such certificate within two minutes, a file cannot be written, or the kubelet does not answer
/// within a minute after its start.
pub(crate) fn turn_rotation_on(paths: &NodePaths, journal: &Journal) -> Result<String, Fault> {
    if journal.kubelet_never_rotates {
        return Ok("the kubelet does not rotate its certificate, because rotateCertificates is not true in its \
                   configuration or --rotate-certificates=false is among its flags: that in kubelet.conf has to be \
                   replaced before it expires"
            .to_owned());
    }
    let current = pki(paths).join(CURRENT);
    let fresh = wait_until(ROTATION, || fresh(&current));
    let fresh = fresh.ok_or_else(|| {
        Fault::failed(format!(
            "the kubelet has stored no certificate within {} s: {} does not exist or has expired. \
             It keeps using the one in kubelet.conf. See `kubectl get csr` and `journalctl -u kubelet`",
            ROTATION.as_secs(),
            shown(&current)
        ))
    })?;
    let path = conf_path(paths);
    let old = read(&path)?;
    let text =
        conf::with_pair(&old, &UserCredentials::in_file(&current)).ok_or_else(|| unusual(&path))?;
    if text != old {
        write(&path, &text)?;
    }
    restart(paths)?;
    Ok(format!(
        "the kubelet renews its certificate automatically again; the present one expires on {}",
        fresh.not_after.date()
    ))
}

/// True if what is in kubelet.conf is of use, and no longer what ends at `old`.
fn has_newer_pair(paths: &NodePaths, old: Option<UnixTime>) -> bool {
    embedded(paths).is_some_and(|it| it.not_after >= sys::now() && is_newer(&it, old))
}

fn is_newer(certificate: &Certificate, old: Option<UnixTime>) -> bool {
    old.is_none_or(|old| certificate.not_after > old)
}

/// The kubelet.conf with a new pair in it.
fn with_new_pair(paths: &NodePaths, config: &Path, old: Option<UnixTime>) -> Result<String, Fault> {
    let path = conf_path(paths);
    let pair = sign(paths, config, &user(paths)?)?;
    let new = pair.certificate().and_then(|pem| certificate(&pem));
    if let Some(new) = new.filter(|it| !is_newer(it, old)) {
        return Err(Fault::failed(format!(
            "kubeadm would sign a client certificate that expires on {}, no later than the present one: see \
             certificateValidityPeriod in the cluster's configuration",
            new.not_after.date()
        )));
    }
    conf::with_pair(&read(&path)?, &pair).ok_or_else(|| unusual(&path))
}

fn fresh(path: &Path) -> Option<Certificate> {
    certificate(&read::optional(path).ok()??).filter(|it| it.not_after >= sys::now())
}

/// A new pair from kubeadm, which prints it within a kubeconfig.
fn sign(paths: &NodePaths, config: &Path, name: &str) -> Result<UserCredentials, Fault> {
    let config = config.to_string_lossy();
    let rest = ["user", "--org", "system:nodes", "--client-name", name, "--config", &config];
    // `kubeconfig` was `alpha kubeconfig` up to 1.20.
    let current = run(&paths.kubeadm, &[&["kubeconfig"], &rest[..]].concat(), SIGNING)?;
    let said = if current.is_success() {
        current
    } else {
        run(&paths.kubeadm, &[&["alpha", "kubeconfig"], &rest[..]].concat(), SIGNING)?
    };
    let ca = CaBundle::read(&paths.pki().join("ca.crt"))?;
    let pair = UserCredentials::of(&said.text()).filter(|pair| {
        let certificate = pair.certificate().and_then(|pem| ca_bundle::certificate(&pem, &ca));
        certificate.is_some_and(|it| {
            let is_named = it.subject.value(&Attribute::Cn) == name;
            is_signed(&it) && it.not_after >= sys::now() && is_named
        })
    });
    pair.ok_or_else(|| {
        Fault::failed(format!(
            "kubeadm has signed no certificate for {}; see what it says to: {} kubeconfig user \
             --client-name {} --config {} >/dev/null",
            escape_control(name),
            shown(&paths.kubeadm),
            shell_word(&escape_control(name)),
            shell_word(&escape_control(&config))
        ))
    })
}

/// Copies kubelet.conf and all client certificates to `kubelet-before`, in the place of those of an
/// earlier rescue.
fn keep_aside(paths: &NodePaths) -> Result<(), Fault> {
    let aside = paths.work.join("kubelet-before");
    dir::remove_all(&aside)?;
    dir::create_all(&paths.work, Path::new("kubelet-before"))?;
    for path in clients(paths).into_iter().chain([conf_path(paths)]) {
        // A link to nothing has nothing to keep.
        if path.exists() {
            write(&aside.join(path.file_name().unwrap_or_default()), &read(&path)?)?;
        }
    }
    Ok(())
}

/// Removes the kubelet's own certificates: they were kept aside.
fn remove_clients(paths: &NodePaths) -> Result<(), Fault> {
    Ok(clients(paths).iter().try_for_each(|path| dir::remove(path))?)
}

fn clients(paths: &NodePaths) -> Vec<PathBuf> {
    let entries = fs::read_dir(pki(paths)).into_iter().flatten().flatten();
    let is_client = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(CLIENT))
    };
    entries.map(|entry| entry.path()).filter(is_client).collect()
}

/// Restarts the kubelet, and waits until it answers.
///
/// # Errors
/// It does not start, or does not answer within a minute.
pub(crate) fn restart(paths: &NodePaths) -> Result<(), Fault> {
    let systemctl = program::find("systemctl")?;
    let restarted = run(&systemctl, &["restart", "kubelet"], RESTART)?;
    if !restarted.is_success() {
        let said = restarted.summary();
        return Err(Fault::failed(format!("`systemctl restart kubelet` did not work: {said}")));
    }
    answers(paths)
}

fn answers(paths: &NodePaths) -> Result<(), Fault> {
    wait_until(START, || kubelet_down(paths).is_none().then_some(())).ok_or_else(|| {
        Fault::failed(format!(
            "the kubelet was restarted and does not respond within {} s; see `journalctl -u kubelet`",
            START.as_secs()
        ))
    })
}

/// Nothing of what it says gets into a fault but through [`Output::summary`], which leaves out keys.
fn run(program: &Path, arguments: &[&str], limit: Duration) -> Result<Output, Fault> {
    let mut command = program::command(program)?;
    command.args(arguments);
    program::run(command, limit)
}

/// It holds a key, so it is neither printed nor logged by anybody.
fn read(path: &Path) -> Result<String, Fault> {
    let bytes = read::optional(path)?
        .ok_or_else(|| Fault::failed(format!("there is no {}", shown(path))))?;
    String::from_utf8(bytes)
        .map_err(|_| Fault::failed(format!("{} is not UTF-8 text", shown(path))))
}

/// Puts `text` in the place of a file, for this user alone, all of it or nothing.
fn write(path: &Path, text: &str) -> Result<(), FileError> {
    replace::write(path, text.as_bytes(), Ownership::private())
}

fn unusual(path: &Path) -> Fault {
    Fault::failed(format!(
        "{} is not as kubeadm writes it, with one certificate and one key of one user, each on a \
         line of its own: replace its certificate manually",
        shown(path)
    ))
}

#[cfg(test)]
#[path = "tests/kubelet.rs"]
mod tests;
