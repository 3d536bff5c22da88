//! Servers that are asked for their certificate.

use super::{CertificateKind, RenewedBy, Role};

/// What a server presents that is asked because somebody configured or named it.
pub(crate) static ENDPOINT: Role = Role {
    id: "endpoint",
    title: "endpoint's certificate",
    owner: "endpoint",
    kind: CertificateKind::Leaf,
    renewer: RenewedBy::Hand,
    ca: None,
    impact: "clients that verify it reject this server",
    command: "",
};
