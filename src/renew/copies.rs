//! Copies of admin.conf, such as `~/.kube/config`: they grow stale when it is renewed.
//!
//! A copy may belong to somebody who is not root and would like to be. So no link of a stranger's is
//! followed, nothing is written through a directory that others can change, and whoever has only
//! admin's certificate, which is public, does not get its key.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self as sys, Mode, OFlags, Stat};

use crate::domain::layout::{KUBERNETES, as_known};
use crate::domain::model::Certificate;
use crate::domain::renewal::Fault;
use crate::domain::text::shell_word;

use super::Places;
use super::credential::{CERTIFICATE, Ca, Credential, KEY, Kubeconfig, embedded, is_signed};
use super::files::{self, Owner, failed, shown};
use super::stage::pki_name;

const ADMIN: &str = "admin.conf";

/// Those of `copies` that have admin.conf's identity, signed by this cluster's CA and with its key,
/// and end before admin.conf does; with `admin_is_renewed` all that have it, since a renewal of
/// admin.conf makes them stale. What is no such copy, or is admin.conf itself, is left out.
pub fn stale(places: &Places, copies: &[PathBuf], admin_is_renewed: bool) -> Vec<PathBuf> {
    let Ok(admin) = Admin::read(places) else { return Vec::new() };
    let is_stale = |path: &&PathBuf| {
        let found = Copy::open(path).ok().map(|copy| admin.users_in(&copy.bytes));
        let is_old =
            |user: &Certificate| admin_is_renewed || user.not_after < admin.certificate.not_after;
        !is_admin_itself(places, path)
            && found.is_some_and(|users| users.iter().any(|(_, user)| is_old(user)))
    };
    copies.iter().filter(is_stale).cloned().collect()
}

/// Which of `copies` are left alone though they are there, and why: whole sentences.
pub fn left_alone(places: &Places, copies: &[PathBuf]) -> Vec<String> {
    let Ok(admin) = Admin::read(places) else { return Vec::new() };
    let is_there =
        |path: &&PathBuf| fs::symlink_metadata(path).is_ok() && !is_admin_itself(places, path);
    let why = |path: &PathBuf| match Copy::open(path) {
        Err(fault) => Some(format!("{} is not refreshed: {}", shown(path), fault.what)),
        Ok(copy) if !admin.users_in(&copy.bytes).is_empty() => None,
        Ok(copy) => admin.has_others(&copy.bytes).then(|| {
            format!(
                "{} is not refreshed: its user of this cluster is not the one of admin.conf",
                shown(path)
            )
        }),
    };
    copies.iter().filter(is_there).filter_map(why).collect()
}

/// Gives a copy the certificate and key that admin.conf has now. All other bytes stay, and owner and
/// mode too.
///
/// # Errors
/// The copy is not safe to write, does not have admin.conf's identity and key, or is written in a
/// form in which they cannot be replaced alone; or a file cannot be read or written.
pub fn refresh(places: &Places, path: &Path) -> Result<(), Fault> {
    let admin = Admin::read(places)?;
    let copy = Copy::open(path)?;
    let users = admin.users_in(&copy.bytes);
    if users.is_empty() {
        return Err(Fault::failed(format!(
            "{} is no copy of admin.conf: none of its users has that certificate with its key",
            shown(path)
        )));
    }
    let text = admin.replaced(&copy.bytes, users.into_iter().map(|(user, _)| user)).ok_or_else(|| {
        let (from, to) = (as_known(&places.kubernetes.join(ADMIN)), path.to_string_lossy());
        Fault::failed(format!(
            "{} cannot be edited without touching the rest of it; run `cp -i {} {}`, or merge them by hand",
            shown(path),
            shell_word(&from.to_string_lossy()),
            crate::domain::text::safe(&shell_word(&to))
        ))
    })?;
    let name = Path::new(copy.name.as_os_str());
    files::write_at(&copy.dir, name, text.as_bytes(), Owner::of(&copy.stat))
        .map_err(failed("write", path))
}

/// What admin.conf has now.
struct Admin {
    config: Kubeconfig,
    certificate: Certificate,
    ca: Ca,
}

/// Texts in base64, as they stand in a kubeconfig.
#[derive(Eq, PartialEq)]
struct Texts {
    certificate: String,
    key: String,
}

impl Admin {
    fn read(places: &Places) -> Result<Self, Fault> {
        let path = places.kubernetes.join(ADMIN);
        let pki = pki_name(&places.kubernetes)?;
        let ca = Ca::read(&places.kubernetes.join(pki).join("ca.crt"))?;
        let unusable = || Fault::failed(format!("{} has no client certificate", shown(&path)));
        let bytes = files::read(&path)?.unwrap_or_default();
        let config = Kubeconfig::read(&bytes).ok_or_else(unusable)?;
        let current = config.clone().take_current().ok_or_else(unusable)?;
        let certificate = current.credential.read(&ca).ok_or_else(unusable)?;
        Ok(Self { config, certificate, ca })
    }

    /// The users of a kubeconfig that are the administrator of this cluster.
    fn users_in(&self, bytes: &[u8]) -> Vec<(Texts, Certificate)> {
        let Some(mut config) = Kubeconfig::read(bytes) else { return Vec::new() };
        config
            .users()
            .filter_map(|user| {
                let certificate = self.is_admin(&embedded(user)?)?;
                Some((texts(user)?, certificate))
            })
            .collect()
    }

    /// True if somebody else of this cluster is in it.
    fn has_others(&self, bytes: &[u8]) -> bool {
        let Some(mut config) = Kubeconfig::read(bytes) else { return false };
        let is_ours = |user| {
            let credential = embedded(user)?;
            Some(is_signed(&credential.read(&self.ca)?))
        };
        config.users().any(|user| is_ours(user) == Some(true))
    }

    fn is_admin(&self, credential: &Credential) -> Option<Certificate> {
        let certificate = credential.read(&self.ca)?;
        let is_admin = certificate.subject == self.certificate.subject && is_signed(&certificate);
        (is_admin && credential.is_pair()).then_some(certificate)
    }

    /// The text with admin's certificate and key for those of `users`; `None` if anything else would
    /// change with it.
    fn replaced(&self, bytes: &[u8], users: impl Iterator<Item = Texts>) -> Option<String> {
        let mut admin = self.config.clone();
        let new = admin.users().find_map(|user| {
            let own = embedded(user)?.read(&self.ca)?;
            (own.sha256 == self.certificate.sha256).then(|| texts(user))?
        })?;
        let mut text = String::from_utf8(bytes.to_vec()).ok()?;
        let mut wanted = Kubeconfig::read(bytes)?;
        for old in users {
            text = text.replace(&old.certificate, &new.certificate).replace(&old.key, &new.key);
            let same = wanted.users().filter(|user| texts(user).as_ref() == Some(&old));
            for user in same {
                user.insert(CERTIFICATE.into(), new.certificate.clone().into());
                user.insert(KEY.into(), new.key.clone().into());
            }
        }
        Kubeconfig::read(text.as_bytes()).filter(|found| found.is_same(&wanted)).map(|_| text)
    }
}

fn texts(user: &serde_json::Map<String, serde_json::Value>) -> Option<Texts> {
    let text = |field| Some(user.get(field)?.as_str()?.to_owned());
    Some(Texts { certificate: text(CERTIFICATE)?, key: text(KEY)? })
}

/// The link that many make instead of a copy.
fn is_admin_itself(places: &Places, path: &Path) -> bool {
    let admin = places.kubernetes.join(ADMIN);
    let target = fs::read_link(path).unwrap_or_default();
    let real = |path: &Path| fs::canonicalize(path).ok();
    target == Path::new(KUBERNETES).join(ADMIN)
        || real(path).is_some() && real(path) == real(&admin)
}

/// A copy, held by its directory: what a stranger moves meanwhile is not written to.
struct Copy {
    dir: OwnedFd,
    name: std::ffi::OsString,
    bytes: Vec<u8>,
    stat: Stat,
}

impl Copy {
    fn open(path: &Path) -> Result<Self, Fault> {
        let real = real(path).map_err(failed("use", path))?;
        let unsafe_dir = failed("use", path);
        let owner = fs::symlink_metadata(&real).map_err(&unsafe_dir)?.uid();
        let name = real.file_name().unwrap_or_default().to_owned();
        let dir =
            trusted_dir(real.parent().unwrap_or(Path::new("/")), owner).map_err(&unsafe_dir)?;
        let (bytes, stat) =
            files::open_read(&dir, Path::new(&name), OFlags::NOFOLLOW).map_err(&unsafe_dir)?;
        if stat.st_uid != owner {
            return Err(unsafe_dir(io::Error::other("its owner changed just now")));
        }
        Ok(Self { dir, name, bytes, stat })
    }
}

/// Where it is. A link counts if it belongs to whom the file belongs to: a stranger's would lead
/// root into files of root's.
fn real(path: &Path) -> io::Result<PathBuf> {
    let link = fs::symlink_metadata(path)?;
    if link.is_symlink() && link.uid() != fs::metadata(path)?.uid() {
        return Err(io::Error::other("it is a link to a file of somebody else"));
    }
    fs::canonicalize(path)
}

/// Opens a directory step by step, so that no link is followed on the way, and each step is one that
/// nobody but root and `owner` can change.
fn trusted_dir(path: &Path, owner: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut dir = trusted(sys::open("/", flags, Mode::empty())?, owner)?;
    for part in path.components() {
        if let Component::Normal(name) = part {
            dir = trusted(sys::openat(&dir, name, flags, Mode::empty())?, owner)?;
        }
    }
    Ok(dir)
}

/// In a sticky directory such as /tmp, others can neither move nor replace what is not theirs.
fn trusted(dir: OwnedFd, owner: u32) -> io::Result<OwnedFd> {
    let stat = sys::fstat(&dir)?;
    let can_others_write = stat.st_mode & 0o022 != 0 && stat.st_mode & 0o1000 == 0;
    if can_others_write || ![0, owner].contains(&stat.st_uid) {
        return Err(io::Error::other("others than its owner can change a directory above it"));
    }
    Ok(dir)
}

#[cfg(test)]
#[path = "tests/copies.rs"]
mod tests;
