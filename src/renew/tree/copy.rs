//! One copy of admin.conf, such as `~/.kube/config`: it grows stale when that is renewed.
//!
//! A copy may belong to somebody who is not root and would like to be. Who may be given what is decided
//! in `domain::renewal::copy`; here the facts for it are read, and the file is edited. Its file system may
//! be away: [`copies`](super::copies) does all of this in processes that may hang.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{fs, io};

use ring::digest;
use serde::{Deserialize, Serialize};

use crate::domain::layout::{KUBERNETES, as_known, shown};
use crate::domain::model::{Certificate, Sha256};
use crate::domain::renewal::Fault;
use crate::domain::renewal::acceptance::is_signed;
use crate::domain::renewal::copy::{self, Refusal};
use crate::domain::text::{escape_control, shell_word};
use crate::domain::time::UnixTime;
use crate::fs::error::failed;
use crate::fs::read;
use crate::fs::trusted_file::{self, TrustedFile};
use crate::node::paths::pki_name;
use crate::parse::credential::{self, EncodedPair};
use crate::parse::kubeconfig_document::KubeconfigDocument;
use crate::parse::pem;
use crate::sys;

use super::ca_bundle::{self, CaBundle};

const ADMIN: &str = "admin.conf";

/// A copy to look at.
#[derive(Clone, Copy, Debug)]
pub struct Copy<'a> {
    /// The directory that stands for `/etc/kubernetes`.
    pub kubernetes: &'a Path,
    /// The file.
    pub path: &'a Path,
    /// Whose it has to be.
    pub owner: u32,
    /// The moment at which certificates are judged.
    pub now: UnixTime,
}

/// What was seen of a copy.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CopyStatus {
    /// It is to be refreshed.
    pub is_stale: bool,
    /// It is left alone, and why: a whole sentence.
    pub left: Option<String>,
}

impl CopyStatus {
    /// Left alone, for this reason.
    pub(super) fn left(path: &Path, why: &str) -> Self {
        Self { is_stale: false, left: Some(format!("{} is not refreshed: {why}", shown(path))) }
    }
}

impl Copy<'_> {
    /// Whether it is stale; with `admin_is_renewed`, whether it will be. What is not there, or is
    /// admin.conf itself, is neither stale nor left alone.
    pub fn look(self, admin_is_renewed: bool) -> CopyStatus {
        let is_absent = |error: io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        if fs::symlink_metadata(self.path).is_err_and(is_absent) || self.is_admin_itself() {
            return CopyStatus::default();
        }
        let Ok(mut admin) = AdminConf::read(self.kubernetes) else { return CopyStatus::default() };
        admin.replaced = admin_is_renewed.then_some(admin.certificate.sha256);
        let held = match TrustedFile::open(self.path, self.owner) {
            Ok(held) => held,
            Err(refusal) => return CopyStatus::left(self.path, &self.why(&refusal)),
        };
        let users = admin.users_in(&held, self.now);
        let is_old = |user: &CopyUser| {
            admin_is_renewed || user.certificate.not_after < admin.certificate.not_after
        };
        let mut admins = users.iter().filter(|user| user.refusal.is_none()).peekable();
        match admins.peek() {
            Some(_) => CopyStatus { is_stale: admins.any(is_old), left: None },
            None => worst(&users)
                .map_or_else(CopyStatus::default, |why| CopyStatus::left(self.path, why)),
        }
    }

    /// Gives it the certificate and key that admin.conf has now. All other bytes stay, and owner and
    /// mode too. `replaced` is the certificate that this renewal has taken out of admin.conf, if it has.
    ///
    /// # Errors
    /// The copy is not safe to write, none of its users may be given what admin.conf has, or it is
    /// written in a form in which certificate and key cannot be replaced alone; or a file cannot be read
    /// or written.
    pub fn refresh(self, replaced: Option<Sha256>) -> Result<(), Fault> {
        let left =
            |why: &str| Fault::failed(CopyStatus::left(self.path, why).left.unwrap_or_default());
        let admin = AdminConf { replaced, ..AdminConf::read(self.kubernetes)? };
        let held = TrustedFile::open(self.path, self.owner)
            .map_err(|refusal| left(&self.why(&refusal)))?;
        let users = admin.users_in(&held, self.now);
        let mut admins = users.iter().filter(|user| user.refusal.is_none()).peekable();
        if admins.peek().is_none() {
            let other = "none of its users has admin.conf's certificate with its key";
            return Err(left(worst(&users).unwrap_or(other)));
        }
        let text = admin.replaced_in(&held.bytes, admins.map(|user| &user.pair));
        let text = text.ok_or_else(|| self.cannot_be_edited())?;
        Ok(held.replace(text.as_bytes()).map_err(failed("write", self.path))?)
    }

    fn cannot_be_edited(self) -> Fault {
        let (from, to) = (as_known(&self.kubernetes.join(ADMIN)), self.path.to_string_lossy());
        Fault::failed(format!(
            "{} cannot be edited without touching the rest of it; run `cp -i {} {}`, or merge them manually",
            shown(self.path),
            shell_word(&from.to_string_lossy()),
            escape_control(&shell_word(&to))
        ))
    }

    /// The link that many make instead of a copy.
    fn is_admin_itself(self) -> bool {
        let admin = self.kubernetes.join(ADMIN);
        let target = fs::read_link(self.path).unwrap_or_default();
        let real = |path: &Path| fs::canonicalize(path).ok();
        target == Path::new(KUBERNETES).join(ADMIN)
            || real(self.path).is_some() && real(self.path) == real(&admin)
    }

    fn why(self, refusal: &trusted_file::Untrustworthy) -> String {
        match refusal {
            trusted_file::Untrustworthy::Io(error)
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                format!("{error}; a copy of another user's needs a drop-in for the service")
            }
            trusted_file::Untrustworthy::Io(error) => error.to_string(),
            trusted_file::Untrustworthy::Mount(why) => why.clone(),
            // That the file is another user's says more than that its directories are.
            trusted_file::Untrustworthy::Place(why) => {
                match fs::symlink_metadata(self.path).map(|meta| meta.uid()) {
                    Ok(uid) if uid != self.owner => self.whose(uid),
                    _ => why.clone(),
                }
            }
            trusted_file::Untrustworthy::Owner(uid) => self.whose(*uid),
        }
    }

    /// With the line to write, if that is right.
    fn whose(self, uid: u32) -> String {
        let name = sys::user_name(uid);
        let owner = name.as_ref().map_or_else(|| uid.to_string(), |name| format!("\"{name}\""));
        let who = name.unwrap_or_else(|| format!("user {uid}"));
        if self.owner != 0 {
            return format!("it belongs to {who}, who is not the owner that is named for it");
        }
        let path = shown(self.path).replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "it belongs to {who}; if {who} is to have admin's rights, name the owner in \
             renew.kubeconfig-copies: {{ path = \"{path}\", owner = {owner} }}"
        )
    }
}

/// The certificate that a kubeconfig's current user has; `None` where there is none.
pub fn certificate_of(kubeconfig: &Path) -> Option<Sha256> {
    let current = credential::read(&read::optional(kubeconfig).ok()??)?;
    let block = pem::certificates(&current.pair.certificate).into_iter().next()?.ok()?;
    digest::digest(&digest::SHA256, &block.der).as_ref().try_into().ok().map(Sha256)
}

/// The reason to tell of those why each user was left alone; none for a kubeconfig that is about something else.
fn worst(users: &[CopyUser]) -> Option<&'static str> {
    let is = |wanted| users.iter().any(|user| user.refusal == Some(wanted));
    if is(Refusal::NotValid) {
        return Some(
            "its certificate has expired and is not the last one of admin.conf, so its owner may no longer be an \
             administrator; if the owner is, copy admin.conf there manually",
        );
    }
    if is(Refusal::NotForClients) {
        return Some(
            "its certificate is not a client certificate (extended key usage), so its owner does not have \
             admin's rights today",
        );
    }
    is(Refusal::OtherUser).then_some("its user of this cluster is not the one of admin.conf")
}

/// What admin.conf has now.
struct AdminConf {
    pair: EncodedPair,
    certificate: Certificate,
    ca: CaBundle,
    /// The certificate that this renewal replaces, or is about to.
    replaced: Option<Sha256>,
}

/// A user of a kubeconfig with a certificate and a key in it.
struct CopyUser {
    pair: EncodedPair,
    certificate: Certificate,
    /// Why it is not given what admin.conf has; nothing if it is.
    refusal: Option<Refusal>,
}

impl AdminConf {
    fn read(kubernetes: &Path) -> Result<Self, Fault> {
        let path = kubernetes.join(ADMIN);
        let ca = CaBundle::read(&kubernetes.join(pki_name(kubernetes)?).join("ca.crt"))?;
        let unusable = || Fault::failed(format!("{} has no client certificate", shown(&path)));
        let bytes = read::optional(&path)?.unwrap_or_default();
        let current = credential::read(&bytes).ok_or_else(unusable)?.pair;
        let certificate = ca_bundle::certificate(&current.certificate, &ca).ok_or_else(unusable)?;
        let is_current = |pair: &EncodedPair| pair.decode().is_some_and(|it| it == current);
        let pair = credential::pairs(&bytes).into_iter().find(is_current).ok_or_else(unusable)?;
        Ok(Self { pair, certificate, ca, replaced: None })
    }

    fn users_in(&self, held: &TrustedFile, now: UnixTime) -> Vec<CopyUser> {
        let file = held.standing();
        let admin =
            copy::AdminCertificate { certificate: &self.certificate, replaced: self.replaced };
        let judged = |pair: EncodedPair| {
            let decoded = pair.decode()?;
            let certificate = ca_bundle::certificate(&decoded.certificate, &self.ca)?;
            let held = copy::CopiedCredential {
                certificate: &certificate,
                is_verified: is_signed(&certificate),
                is_pair: decoded.is_pair(),
            };
            let refusal = held.may_receive(admin, file, now).err();
            Some(CopyUser { pair, certificate, refusal })
        };
        credential::pairs(&held.bytes).into_iter().filter_map(judged).collect()
    }

    /// The text with admin's certificate and key for those of `users`; `None` if anything else would
    /// change with it.
    fn replaced_in<'a>(
        &self,
        bytes: &[u8],
        users: impl Iterator<Item = &'a EncodedPair>,
    ) -> Option<String> {
        let new = &self.pair;
        let mut text = String::from_utf8(bytes.to_vec()).ok()?;
        let mut wanted = KubeconfigDocument::read(bytes)?;
        for old in users {
            text = text.replace(&old.certificate, &new.certificate).replace(&old.key, &new.key);
            wanted.replace(old, new);
        }
        let is_wanted = KubeconfigDocument::read(text.as_bytes()).is_some_and(|it| it == wanted);
        is_wanted.then_some(text)
    }
}

#[cfg(test)]
#[path = "tests/copy.rs"]
mod tests;
