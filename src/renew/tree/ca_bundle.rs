//! The CAs of a file, and what they have signed.

use std::path::Path;
use std::sync::Arc;

use crate::domain::model::Certificate;
use crate::domain::renewal::Fault;
use crate::fs::read;
use crate::parse::pem;
use crate::parse::x509::{self, Anchor, Authority, Issuers};

/// The certificates of a CA file.
pub(crate) struct CaBundle {
    path: Arc<Path>,
    anchors: Vec<Anchor>,
    ders: Vec<Vec<u8>>,
}

impl CaBundle {
    /// # Errors
    /// The file cannot be read; without it nothing can be checked.
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        let bytes = read::optional(path)?.unwrap_or_default();
        let blocks = pem::certificates(&bytes).into_iter().flatten();
        let ders: Vec<Vec<u8>> = blocks.map(|block| block.der).collect();
        let path: Arc<Path> = path.into();
        let anchors = x509::anchors(&path, false, &ders);
        Ok(Self { path, anchors, ders })
    }

    /// True if it has all the certificates of `bundle`, and those are some.
    pub(crate) fn holds(&self, bundle: &[u8]) -> bool {
        let blocks = pem::certificates(bundle);
        let is_known = |der: &Vec<u8>| self.ders.contains(der);
        !blocks.is_empty() && blocks.iter().all(|it| it.as_ref().is_ok_and(|it| is_known(&it.der)))
    }
}

/// The first certificate of `bytes`, and whether `ca` signed it.
pub(crate) fn certificate(bytes: &[u8], ca: &CaBundle) -> Option<Certificate> {
    let block = pem::certificates(bytes).into_iter().next()?.ok()?;
    let authority = Authority::Named(&ca.path, &ca.anchors);
    x509::read(&block.der, block.trusted, authority, &Issuers::default()).ok()
}
