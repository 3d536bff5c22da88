//! Which copies of admin.conf may be given its new certificate and key.
//!
//! A copy may belong to somebody who is not root and would like to be. So two conditions must hold: only root and the
//! named owner can change the path, and the certificate in the file, issued by this cluster's CA, already gives its
//! holder the rights that the new one would.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::domain::model::{Certificate, ClientAuth, Sha256};
use crate::domain::time::UnixTime;

/// A copy as the configuration lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedCopy {
    /// The file; absolute.
    pub path: PathBuf,
    /// Whose it is; root's if nobody is named.
    pub owner: Option<SystemUser>,
}

/// A user, as a person names one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SystemUser {
    /// By number.
    Uid(u32),
    /// By name.
    Name(String),
}

impl fmt::Display for SystemUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "user {uid}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// What the system says of a file or directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Standing {
    /// The owner.
    pub uid: u32,
    /// Permissions. Of a file with an ACL, the group's are the most that
    /// any entry of it gives.
    pub mode: u32,
    /// A hard link: it has another name.
    pub has_other_names: bool,
}

const OTHERS_WRITE: u32 = 0o022;
const OTHERS_TOUCH: u32 = 0o066;
const ROOT: u32 = 0;

impl Standing {
    /// The file belongs to `owner`, who alone can write it, and has no second name, from which a rename
    /// would part it.
    pub(crate) fn is_closed_file(self, owner: u32) -> bool {
        self.uid == owner && self.mode & OTHERS_WRITE == 0 && !self.has_other_names
    }

    /// Nobody but root can read or write the file.
    pub(crate) fn is_roots_alone(self) -> bool {
        self.uid == ROOT && self.mode & OTHERS_TOUCH == 0
    }
}

/// A user's certificate in a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopiedCredential<'a> {
    /// What it says.
    pub certificate: &'a Certificate,
    /// The CA of this cluster was seen to have signed it: not refused, and not left unchecked.
    pub is_verified: bool,
    /// The key beside it is its own.
    pub is_pair: bool,
}

/// What is known of admin.conf when a copy is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminCertificate<'a> {
    /// Its certificate now.
    pub certificate: &'a Certificate,
    /// The one that this renewal replaces, or is about to.
    pub replaced: Option<Sha256>,
}

/// Why a user of a copy is not given what admin.conf has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// It is not of this cluster, or without its key.
    Stranger,
    /// It is of this cluster, and another user.
    OtherUser,
    /// No API server lets a client in with it: its extended key usage is for something else.
    NotForClients,
    /// It has ended, or not begun, and others than root can reach the file.
    NotValid,
}

impl CopiedCredential<'_> {
    /// Whether this user may be given what admin.conf has.
    ///
    /// If others than root can access the file, it must give them the same rights already: its certificate must be
    /// valid, or be the very one that is replaced, which expires when admin.conf's own does. The holder of a valid
    /// certificate is admin, whoever issued it, and can get others; the holder of an expired one no longer is.
    ///
    /// # Errors
    /// The first reason against it.
    pub(crate) fn may_receive(
        self,
        admin: AdminCertificate<'_>,
        file: Standing,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let Self { certificate, is_verified, is_pair } = self;
        if !is_verified || !is_pair {
            return Err(Refusal::Stranger);
        }
        // Whoever may have certificates for a server signed may not be admin.
        if certificate.client_auth != ClientAuth::Allowed {
            return Err(Refusal::NotForClients);
        }
        let is_replaced = admin.replaced == Some(certificate.sha256);
        // Organisation and all: system:masters is beyond RBAC, and kubeadm:cluster-admins is not.
        if !is_replaced && certificate.subject != admin.certificate.subject {
            return Err(Refusal::OtherUser);
        }
        let end = certificate.signer.not_after().map_or(certificate.not_after, |ca| {
            // Once its CA has expired, the certificate is refused everywhere.
            ca.min(certificate.not_after)
        });
        let is_valid = certificate.not_before <= now && now <= end;
        if is_replaced || is_valid || file.is_roots_alone() {
            return Ok(());
        }
        Err(Refusal::NotValid)
    }
}

#[cfg(test)]
#[path = "copy/tests.rs"]
mod tests;
