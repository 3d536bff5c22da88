//! A certificate with its key, and whether they are what they should be.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Map, Value};

use crate::domain::model::Certificate;
use crate::domain::renewal::Fault;
use crate::parse::x509::{self, Anchor, Authority, Issuers};
use crate::parse::{pem, yaml};

use super::files;

/// A certificate and its key in PEM. It has no `Debug`, because of the key.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct KeyPair {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl KeyPair {
    /// The first certificate, and whether `ca` signed it.
    pub(crate) fn read(&self, ca: &CaBundle) -> Option<Certificate> {
        certificate(&self.certificate, ca)
    }

    /// True if the key is the certificate's.
    pub(crate) fn is_pair(&self) -> bool {
        self.fits() == Some(true)
    }

    /// Whether the key is the certificate's; `None` if it is of a kind that is not known here.
    pub(crate) fn fits(&self) -> Option<bool> {
        let Some(Ok(block)) = pem::certificates(&self.certificate).into_iter().next() else {
            return Some(false);
        };
        let Ok(key) = PrivateKeyDer::from_pem_slice(&self.key) else { return Some(false) };
        let key = ring::default_provider().key_provider.load_private_key(key).ok()?;
        match CertifiedKey::new(vec![CertificateDer::from(block.der)], key).keys_match() {
            Ok(()) => Some(true),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => None,
            Err(_) => Some(false),
        }
    }
}

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
        let bytes = files::read(path)?.unwrap_or_default();
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

/// A kubeconfig with the keys in it; so it has no `Debug` either.
#[derive(Clone)]
pub(crate) struct KubeconfigDocument(Value);

/// What its current context uses.
pub(crate) struct Current {
    pub(crate) credential: KeyPair,
    pub(crate) ca: Vec<u8>,
}

/// The fields that a renewal may change.
pub(crate) const CERTIFICATE: &str = "client-certificate-data";
pub(crate) const KEY: &str = "client-key-data";
const CA: &str = "certificate-authority-data";

impl KubeconfigDocument {
    /// `None` if the bytes are no kubeconfig.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        yaml::read(bytes).ok().filter(Value::is_object).map(Self)
    }

    /// Takes out what a renewal may change, so that the rest can be compared.
    pub(crate) fn take_current(&mut self) -> Option<Current> {
        let name = self.0["current-context"].as_str()?.to_owned();
        let context = named(&mut self.0, "contexts", "context", &name)?.clone();
        let cluster = named(&mut self.0, "clusters", "cluster", context.get("cluster")?.as_str()?)?;
        let ca = decoded(&cluster.remove(CA)?)?;
        let user = named(&mut self.0, "users", "user", context.get("user")?.as_str()?)?;
        let (certificate, key) =
            (decoded(&user.remove(CERTIFICATE)?)?, decoded(&user.remove(KEY)?)?);
        Some(Current { credential: KeyPair { certificate, key }, ca })
    }

    /// True if nothing else differs that a program would notice. kubeadm sorts, and leaves out what
    /// is empty.
    pub(crate) fn means_the_same(&self, other: &Self) -> bool {
        let parts = ["clusters", "contexts", "current-context", "users"];
        parts.iter().all(|part| normal(&self.0[part]) == normal(&other.0[part]))
    }

    /// True if it is the same down to the last value.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The fields of its users.
    pub(crate) fn users(&mut self) -> impl Iterator<Item = &mut Map<String, Value>> {
        let users = self.0.get_mut("users").and_then(Value::as_array_mut);
        users.into_iter().flatten().filter_map(|user| user.get_mut("user")?.as_object_mut())
    }
}

/// A user's certificate and key, where both are embedded.
pub(crate) fn embedded(user: &Map<String, Value>) -> Option<KeyPair> {
    let (certificate, key) = (decoded(user.get(CERTIFICATE)?)?, decoded(user.get(KEY)?)?);
    Some(KeyPair { certificate, key })
}

fn named<'a>(
    config: &'a mut Value,
    list: &str,
    item: &str,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    let entries = config.get_mut(list)?.as_array_mut()?;
    entries.iter_mut().find(|entry| entry["name"] == name)?.get_mut(item)?.as_object_mut()
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    let packed: String = value.as_str()?.split_ascii_whitespace().collect();
    STANDARD.decode(packed).ok().filter(|bytes| !bytes.is_empty())
}

/// Without what is empty, and lists by name.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), normal(value)));
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            items.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
            Value::Array(items)
        }
        value => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}
