//! What a file holds, and what of it belongs into the inventory.

use crate::domain::layout::{self, DYNAMIC_CERT};
use crate::domain::model::Reason;
use crate::domain::role::{CertificateKind, Role};
use crate::parse::kubeconfig::{self, Kubeconfig};
use crate::parse::{self, Form, der, pem, pem_header, secret};

use super::walk::FoundFile;

/// Most certificates that are judged of one file; the bundle of all public CAs has about 150.
const MAX_CERTIFICATES: usize = 1000;

/// The certificates of one source: DER, or why there is none.
pub(super) type Ders = Vec<Result<pem::Block, Reason>>;

/// What a file holds.
pub(super) enum Contents {
    Certificates(Ders),
    /// Nothing of ours: keys, signing requests, the settings of another program.
    Foreign,
    Kubeconfig(Kubeconfig),
}

/// True for a file that is only looked into because of where it is: its name promises nothing.
pub(super) fn is_any(found: &FoundFile, role: &Role) -> bool {
    let is_known = !matches!(role.kind, CertificateKind::File | CertificateKind::UserKubeconfig);
    !found.is_named && !is_known && !layout::is_certificate_name(&found.path)
}

pub(super) fn contents(bytes: &[u8], found: &FoundFile, role: &Role) -> Result<Contents, Reason> {
    let is_conf = found.path.extension().is_some_and(|extension| extension == "conf");
    let is_kubeconfig = is_conf && role.kind != CertificateKind::File
        || role.kind == CertificateKind::UserKubeconfig;
    let is_any = is_any(found, role);
    if found.path.ends_with(DYNAMIC_CERT) && role.kind == CertificateKind::File {
        return blocks(&secret::certificate(bytes)?).map(Contents::Certificates);
    }
    match parse::form(bytes) {
        Form::Kubeconfig => read_kubeconfig(bytes, role),
        Form::Other { format, .. } if format.is_companion() && may_hold_none(found, role) => {
            Ok(Contents::Foreign)
        }
        Form::Other { format, is_der } => Err(Reason::NotRead { format, is_der }),
        Form::Der | Form::Pem if is_any || !is_kubeconfig => {
            blocks(bytes).map(Contents::Certificates)
        }
        _ if is_any => Ok(Contents::Foreign),
        Form::Empty => Err(Reason::Empty),
        _ if is_kubeconfig => read_kubeconfig(bytes, role),
        _ => Err(Reason::NoCertificate),
    }
}

/// True where keys or requests alone are nothing to complain about: by the ending in what
/// `certwatch check pki/*` names because a shell does, and in the files of a directory, of which many
/// are keys. A `.crt` without a certificate is wrong.
fn may_hold_none(found: &FoundFile, role: &Role) -> bool {
    let ends_with = |endings: &[&str]| {
        found
            .path
            .extension()
            .is_some_and(|extension| endings.iter().any(|known| extension == *known))
    };
    ends_with(&["csr", "key", "pub"])
        || is_any(found, role)
        || !found.is_named && role.kind == CertificateKind::File && ends_with(&["pem"])
}

fn read_kubeconfig(bytes: &[u8], role: &Role) -> Result<Contents, Reason> {
    let config = kubeconfig::read(bytes)?;
    // A component's kubeconfig without any user is of no use to it.
    if config.users.is_empty() && !config.has_other_users && role.kind == CertificateKind::Leaf {
        return Err(Reason::NoCertificate);
    }
    if let (CertificateKind::Leaf, Some(why)) = (role.kind, config.unusable) {
        return Err(Reason::RefusedKubeconfig(why.into()));
    }
    Ok(Contents::Kubeconfig(config))
}

/// The certificates of PEM or DER.
pub(super) fn blocks(bytes: &[u8]) -> Result<Ders, Reason> {
    let ders: Ders = match parse::form(bytes) {
        Form::Der => {
            der::elements(bytes).into_iter().map(|der| Ok(pem::Block::of_der(der))).collect()
        }
        Form::Pem => {
            let blocks = pem::certificates(bytes).into_iter();
            let blocks = blocks.map(|block| block.map_err(Reason::from));
            let damaged = pem_header::damaged(bytes).into_iter().map(Reason::BadPem).map(Err);
            blocks.chain(damaged).collect()
        }
        Form::Empty => return Err(Reason::Empty),
        Form::Other { format, is_der } => return Err(Reason::NotRead { format, is_der }),
        Form::Kubeconfig | Form::Unknown => return Err(Reason::NoCertificate),
    };
    match ders.len() {
        0 => Err(Reason::NoCertificate),
        1..=MAX_CERTIFICATES => Ok(ders),
        _ => Err(Reason::TooMany { what: "certificates", limit: MAX_CERTIFICATES as u64 }),
    }
}
