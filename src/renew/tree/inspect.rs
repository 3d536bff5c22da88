//! Looks at every staged file again before it goes live: kubeadm's word is not enough.

use std::path::{Path, PathBuf};

use crate::domain::layout::{in_copy, shown};
use crate::domain::renewal::acceptance::Acceptance;
use crate::domain::renewal::{Fault, FileChange};
use crate::domain::role::{self, Role};
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::fs::read;
use crate::node::NodePaths;
use crate::node::paths::pki_name;
use crate::parse::credential::{self, KeyPair};
use crate::parse::kubeconfig_document::KubeconfigDocument;

use super::ca_bundle::{CaBundle, certificate};
use super::files;
use super::stage::{staged_files, tree_files};

/// Compares what is staged for `names` with what is live, and says what changes.
///
/// `wants_later` demands that each certificate ends later than the one it replaces; a restore does
/// not. Of a live file that is missing or damaged, nothing is compared.
///
/// # Errors
/// A staged certificate cannot be read, is not its key's, not its CA's, not for the same subject and
/// names, not valid at `now` or no later one; a kubeconfig changed beyond that; or a file changed
/// that nobody asked for.
pub fn inspect(
    paths: &NodePaths,
    names: &[String],
    now: UnixTime,
    wants_later: bool,
) -> Result<Vec<FileChange>, Fault> {
    let mut file_paths = Vec::new();
    for name in names {
        CertificateCheck { paths, name, role: role_of(name)?, now, wants_later }.check()?;
        file_paths.extend(paths_of(&paths.kubernetes, name)?);
    }
    nothing_else_changed(paths, &file_paths)?;
    let changes: Result<Vec<Option<FileChange>>, Fault> =
        file_paths.iter().map(|path| change(paths, path)).collect();
    Ok(changes?.into_iter().flatten().collect())
}

/// The files of all these certificates.
///
/// # Errors
/// As [`paths_of`].
pub fn paths(paths: &NodePaths, names: &[String]) -> Result<Vec<PathBuf>, Fault> {
    let all: Result<Vec<_>, Fault> =
        names.iter().map(|name| paths_of(&paths.kubernetes, name)).collect();
    Ok(all?.concat())
}

/// The files of a certificate, by kubeadm's NAME, below the directory `kubernetes` or absolute: the key before
/// the certificate, or the kubeconfig.
///
/// # Errors
/// kubeadm has no such name, or there is no pki directory.
pub fn paths_of(kubernetes: &Path, name: &str) -> Result<Vec<PathBuf>, Fault> {
    role_of(name)?;
    if is_kubeconfig(name) {
        return Ok(vec![name.into()]);
    }
    let below =
        name.strip_prefix("etcd-").map_or_else(|| name.to_owned(), |it| format!("etcd/{it}"));
    let pair = pki_name(kubernetes)?.join(below);
    Ok(vec![pair.with_extension("key"), pair.with_extension("crt")])
}

fn role_of(name: &str) -> Result<&'static Role, Fault> {
    role::kubeadm(name)
        .ok_or_else(|| Fault::failed(format!("kubeadm does not know `{}`", escape_control(name))))
}

fn is_kubeconfig(name: &str) -> bool {
    name.ends_with(".conf")
}

/// A change, if there is one.
fn change(paths: &NodePaths, path: &Path) -> Result<Option<FileChange>, Fault> {
    let before = files::sha256(&paths.kubernetes.join(path))?;
    let after = files::sha256(&in_copy(&paths.stage(), path))?;
    if before == after {
        return Ok(None);
    }
    Ok(after.map(|after| FileChange { path: path.to_owned(), before, after }))
}

/// The CAs are among the rest: that they did not change is what makes them worth to check against.
fn nothing_else_changed(paths: &NodePaths, asked: &[PathBuf]) -> Result<(), Fault> {
    let mut all = staged_files(paths)?;
    all.extend(tree_files(&paths.kubernetes)?);
    for path in all.iter().filter(|path| !asked.contains(path)) {
        let [live, staged] = [paths.kubernetes.join(path), in_copy(&paths.stage(), path)]
            .map(|it| files::sha256(&it));
        if live? != staged? {
            return Err(Fault::failed(format!(
                "{} differs between the staging copy and the live tree, without having been requested; if \
                 somebody works on this node, wait and renew again",
                shown(path)
            )));
        }
    }
    Ok(())
}

/// The CA on this node that has to have signed it.
///
/// # Errors
/// It cannot be read.
pub(crate) fn ca(paths: &NodePaths, role: &Role) -> Result<CaBundle, Fault> {
    let pki = pki_name(&paths.kubernetes)?;
    CaBundle::read(&paths.kubernetes.join(pki).join(role.ca.unwrap_or("ca.crt")))
}

/// One certificate that is looked at.
struct CertificateCheck<'a> {
    paths: &'a NodePaths,
    name: &'a str,
    role: &'a Role,
    now: UnixTime,
    wants_later: bool,
}

impl CertificateCheck<'_> {
    fn check(&self) -> Result<(), Fault> {
        let ca = ca(self.paths, self.role)?;
        let stage = self.paths.stage();
        let staged = self.credential(|path| in_copy(&stage, path)).ok_or_else(|| {
            self.fault(
                "has no certificate with a key, or none that can be read; look at the live one",
            )
        })?;
        let new = certificate(&staged.certificate, &ca)
            .ok_or_else(|| self.fault("has a certificate that cannot be read"))?;
        let rules = self.acceptance();
        rules.alone(&new, staged.is_pair()).map_err(|what| self.fault(what))?;
        let live = self.credential(|path| self.paths.kubernetes.join(path));
        let is_usable = live.as_ref().is_some_and(|live| live.fits() != Some(false));
        if let Some(old) = live.and_then(|live| certificate(&live.certificate, &ca)) {
            rules.after(&old, &new, is_usable).map_err(|what| self.fault(what))?;
        }
        if is_kubeconfig(self.name) { self.check_kubeconfig(&ca) } else { Ok(()) }
    }

    fn acceptance(&self) -> Acceptance<'_> {
        Acceptance { name: self.name, now: self.now, wants_later: self.wants_later }
    }

    /// `None` where it is missing or cannot be read.
    fn credential(&self, at: impl Fn(&Path) -> PathBuf) -> Option<KeyPair> {
        let file_paths = paths_of(&self.paths.kubernetes, self.name).ok()?;
        let read = |path: &PathBuf| read::optional(&at(path)).ok()?;
        match &file_paths[..] {
            [conf] => Some(credential::read(&read(conf)?)?.pair),
            [key, certificate] => {
                Some(KeyPair { certificate: read(certificate)?, key: read(key)? })
            }
            _ => None,
        }
    }

    fn check_kubeconfig(&self, ca: &CaBundle) -> Result<(), Fault> {
        let read = |tree: &Path| {
            let bytes = read::optional(&tree.join(self.name)).ok()??;
            let current = credential::read(&bytes)?;
            Some((KubeconfigDocument::read(&bytes)?.without(&current)?, current.ca))
        };
        let Some((staged, bundle)) = read(&self.paths.stage()) else {
            return Err(self.fault("cannot be read as a kubeconfig"));
        };
        let live = read(&self.paths.kubernetes);
        let is_known = ca.holds(&bundle) || live.as_ref().is_some_and(|(_, old)| *old == bundle);
        self.must(is_known, "trusts another CA than the one of this node")?;
        let is_same = live.is_none_or(|(live, _)| staged.means_the_same(&live));
        self.must(is_same, "changed in more than its certificate, key and CA")
    }

    fn must(&self, holds: bool, otherwise: &str) -> Result<(), Fault> {
        if holds { Ok(()) } else { Err(self.fault(otherwise)) }
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::failed(format!("the staged {} {what}", self.name))
    }
}

#[cfg(test)]
#[path = "tests/inspect.rs"]
mod tests;
