//! Certificates with any dates, for laying out nodes in any state.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

/// A validity in whole days from now; negative is past.
#[derive(Clone, Copy, Debug)]
pub struct Days(pub i64, pub i64);

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A CA that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pair: Pair,
}

impl Authority {
    pub fn new(name: &str, days: Days) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::with_key(name, days, key)
    }

    /// Another certificate for the same name and key, as when a CA is signed again.
    pub fn reissued(&self, name: &str, days: Days) -> Self {
        Self::with_key(name, days, KeyPair::from_pem(&self.pair.key).unwrap())
    }

    fn with_key(name: &str, days: Days, key: KeyPair) -> Self {
        Self::changed(name, days, key, |_| ())
    }

    /// A CA after `change`.
    pub fn changed(
        name: &str,
        days: Days,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = params(&[(DnType::CommonName, name)], &[], days);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap().pem();
        let pair = Pair { certificate, key: key.serialize_pem() };
        Self { issuer: Issuer::new(params, key), pair }
    }

    /// A CA below this one.
    pub fn intermediate(&self, name: &str, days: Days) -> Self {
        self.changed_intermediate(name, days, KeyPair::generate().unwrap(), |_| ())
    }

    /// The same with this key, after `change`.
    pub fn changed_intermediate(
        &self,
        name: &str,
        days: Days,
        key: KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = params(&[(DnType::CommonName, name)], &[], days);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let pair = Pair { certificate, key: key.serialize_pem() };
        Self { issuer: Issuer::new(params, key), pair }
    }

    /// A leaf with this common name, organisation (may be empty) and DNS or IP names.
    pub fn leaf(&self, name: &str, organisation: &str, sans: &[&str], days: Days) -> Pair {
        self.changed_leaf(name, organisation, sans, days, |_| ())
    }

    /// The same, after `change`.
    pub fn changed_leaf(
        &self,
        name: &str,
        organisation: &str,
        sans: &[&str],
        days: Days,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let mut subject = vec![(DnType::CommonName, name)];
        if !organisation.is_empty() {
            subject.insert(0, (DnType::OrganizationName, organisation));
        }
        let key = KeyPair::generate().unwrap();
        let mut params = params(&subject, sans, days);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

fn params(subject: &[(DnType, &str)], sans: &[&str], days: Days) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (attribute, value) in subject {
        params.distinguished_name.push(attribute.clone(), *value);
    }
    params.not_before = in_days(days.0);
    params.not_after = in_days(days.1);
    params
}

fn in_days(days: i64) -> OffsetDateTime {
    // An hour more, so that "5 days left" and "3 days ago" are still true when the test looks.
    let seconds = certwatch::sys::now().seconds() + days * 86_400 + days.signum() * 3_600;
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

/// A kubeconfig as kubeadm writes it.
pub fn kubeconfig(server: &str, ca: &str, user: &str, pair: &Pair) -> String {
    let [ca, certificate, key] = [ca, &pair.certificate, &pair.key].map(|pem| STANDARD.encode(pem));
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: {server}\n  name: kubernetes\n\
         contexts:\n- context:\n    cluster: kubernetes\n    user: {user}\n  name: {user}@kubernetes\n\
         current-context: {user}@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n- name: {user}\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    )
}
