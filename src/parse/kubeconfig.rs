//! Kubeconfigs (`k8s.io/client-go/tools/clientcmd/api/v1`): certificates and CAs, never a key.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::model::Reason;
use crate::domain::text::escape_control;

use super::yaml;

/// The parts of a kubeconfig that hold certificates.
#[derive(Debug, Eq, PartialEq)]
pub struct Kubeconfig {
    /// Clusters that name a CA.
    pub clusters: Vec<Cluster>,
    /// Users with a client certificate.
    pub users: Vec<User>,
    /// There are users without one: with a token, a plugin, a password.
    pub has_other_users: bool,
}

/// A cluster and its CA.
#[derive(Debug, Eq, PartialEq)]
pub struct Cluster {
    /// Its name in the file.
    pub name: String,
    /// URL of the API server, without user information.
    pub server: String,
    /// Its CA.
    pub ca: PemSource,
}

/// A user and its client certificate.
#[derive(Debug, Eq, PartialEq)]
pub struct User {
    /// Its name in the file.
    pub name: String,
    /// Its client certificate.
    pub certificate: PemSource,
}

/// Where the certificate is.
#[derive(Debug, Eq, PartialEq)]
pub enum PemSource {
    /// In a file; a relative path counts from the directory of the kubeconfig.
    File(PathBuf),
    /// In the kubeconfig itself: PEM, or the reason why it cannot be decoded.
    Inline(Result<Vec<u8>, Reason>),
}

/// Who talks to whom, by their names in the file.
pub(crate) struct CurrentContext {
    /// The cluster.
    pub cluster: String,
    /// The user.
    pub user: String,
}

/// What tells a kubeconfig from other YAML.
#[derive(Deserialize)]
struct Outline {
    kind: Option<Value>,
    clusters: Option<IgnoredAny>,
    contexts: Option<IgnoredAny>,
    users: Option<IgnoredAny>,
}

/// How much text is like a kubeconfig.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Likeness {
    /// It is none.
    None,
    /// It would be one, were it not for a mistake.
    Broken,
    /// It says so of itself.
    Whole,
}

/// How much `text` is like a kubeconfig, in YAML or JSON.
pub(super) fn likeness(text: &[u8]) -> Likeness {
    let has = |word: &&str| super::contains(text, word.as_bytes());
    // Most files are none, and this is faster than to parse them.
    if !["Config", "clusters", "contexts", "users"].iter().any(has) {
        return Likeness::None;
    }
    match yaml::read::<Outline>(text) {
        Ok(it) if it.kind.as_ref().is_some_and(|kind| kind == "Config") => Likeness::Whole,
        // Other kinds have users and clusters as well.
        Ok(Outline { kind: Some(kind), .. }) if kind != "" && !FIELDS.iter().any(has) => {
            Likeness::None
        }
        Ok(Outline { clusters: None, contexts: None, users: None, .. }) => Likeness::None,
        Ok(_) => Likeness::Whole,
        Err(_) if DATA.iter().any(has) || has_key(text) => Likeness::Broken,
        Err(_) => Likeness::None,
    }
}

/// Words that are in no other file with users or clusters.
const FIELDS: [&str; 2] = ["client-certificate", "certificate-authority"];

/// Keys that only a kubeconfig has.
const DATA: [&str; 2] = ["client-certificate-data", "certificate-authority-data"];

/// True if one of its keys is at the start of a line, or behind a brace or comma.
fn has_key(text: &[u8]) -> bool {
    text.split(|byte| b"\n{,".contains(byte)).any(|part| {
        let mut ends = part.splitn(2, |byte| *byte == b':');
        let name = ends.next().unwrap_or_default().trim_ascii();
        let bare: Vec<u8> = name.iter().filter(|byte| !b"\"'".contains(byte)).copied().collect();
        ends.next().is_some() && [&b"clusters"[..], b"users"].contains(&&*bare)
    })
}

/// Reads a kubeconfig.
///
/// # Errors
/// [`Reason::BadKubeconfig`] with the position, [`Reason::RefusedKubeconfig`] with a name at most; never with other text, which
/// may be a key.
pub fn read(bytes: &[u8]) -> Result<Kubeconfig, Reason> {
    let file: KubeconfigYaml<UserFields> = yaml::read(bytes).map_err(Reason::BadKubeconfig)?;
    if let Some(why) = file.refused() {
        return Err(Reason::RefusedKubeconfig(why.into()));
    }
    let all_users = file.users.as_ref().map_or(0, Vec::len);
    let users: Vec<User> =
        file.users.into_iter().flatten().filter_map(NamedUser::into_user).collect();
    let clusters = file.clusters.into_iter().flatten();
    Ok(Kubeconfig {
        clusters: clusters.filter_map(NamedCluster::into_cluster).collect(),
        has_other_users: users.len() < all_users,
        users,
    })
}

/// The fields that are read, those of a user as `U`. Of a key, a scan has no more than its form.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct KubeconfigYaml<U> {
    kind: Option<Text>,
    #[serde(rename = "apiVersion")]
    version: Option<Text>,
    current_context: Option<Text>,
    contexts: Option<Vec<NamedContext>>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser<U>>>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: Option<Text>,
    context: Option<ContextFields>,
}

#[derive(Deserialize)]
struct ContextFields {
    cluster: Option<Text>,
    user: Option<Text>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: Option<Text>,
    cluster: Option<ClusterFields>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ClusterFields {
    server: Option<Text>,
    certificate_authority: Option<Text>,
    certificate_authority_data: Option<Text>,
    insecure_skip_tls_verify: Option<bool>,
}

#[derive(Deserialize)]
struct NamedUser<U> {
    name: Option<Text>,
    user: Option<U>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserFields {
    client_certificate: Option<Text>,
    client_certificate_data: Option<Text>,
    client_key_data: Option<KeyForm>,
}

/// A string that is written as one: client-go takes no number or truth value for it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
}

/// What a key looks like from outside.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(from = "Text")]
enum KeyForm {
    None,
    NotBase64,
    NotAKey,
    Key,
}

impl From<Text> for KeyForm {
    fn from(Text(data): Text) -> Self {
        match decode(&data) {
            _ if data.is_empty() => Self::None,
            Err(_) => Self::NotBase64,
            Ok(pem) if PrivateKeyDer::from_pem_slice(&pem).is_err() => Self::NotAKey,
            Ok(_) => Self::Key,
        }
    }
}

impl<U> KubeconfigYaml<U> {
    /// Why client-go refuses it as a whole, so that none of its users works (its tools/clientcmd/api/v1).
    fn refused(&self) -> Option<String> {
        let is_other = |it: &Option<Text>, due: &str| {
            it.as_ref().is_some_and(|Text(it)| !it.is_empty() && it != due)
        };
        if is_other(&self.kind, "Config") {
            return Some("its kind is not Config".to_owned());
        }
        if is_other(&self.version, "v1") {
            return Some("its apiVersion is not v1".to_owned());
        }
        let clusters = self.clusters.iter().flatten().map(|it| &it.name);
        let contexts = self.contexts.iter().flatten().map(|it| &it.name);
        let users = self.users.iter().flatten().map(|it| &it.name);
        let twice = |list: &str, name: &str| {
            format!("{list} has the name \"{}\" twice", escape_control(name))
        };
        let in_clusters = repeated(clusters).map(|name| twice("clusters", &name));
        let in_contexts = || repeated(contexts).map(|name| twice("contexts", &name));
        let in_users = || repeated(users).map(|name| twice("users", &name));
        in_clusters.or_else(in_contexts).or_else(in_users)
    }

    /// The current context with its cluster and user.
    pub(super) fn current(self) -> Option<(CurrentContext, ClusterFields, U)> {
        let Self { current_context, contexts, clusters, users, .. } = self;
        let is_current = |it: &NamedContext| it.name.is_some() && it.name == current_context;
        let ContextFields { cluster, user } = contexts?.into_iter().find(is_current)?.context?;
        let (name, user_name) = (cluster?, user?);
        let is = |name: &Option<Text>, wanted: &Text| name.as_ref() == Some(wanted);
        let cluster = clusters?.into_iter().find(|it| is(&it.name, &name))?.cluster?;
        let user = users?.into_iter().find(|it| is(&it.name, &user_name))?.user?;
        Some((CurrentContext { cluster: name.0, user: user_name.0 }, cluster, user))
    }

    /// All users that are more than a name.
    pub(super) fn users(self) -> impl Iterator<Item = U> {
        self.users.into_iter().flatten().filter_map(|it| it.user)
    }
}

/// The first name that is there twice; one that is absent is empty.
fn repeated<'a>(names: impl Iterator<Item = &'a Option<Text>>) -> Option<String> {
    let mut seen = HashSet::new();
    let mut names = names.map(|it| it.as_ref().map_or("", |Text(name)| name.as_str()));
    names.find(|name| !seen.insert(*name)).map(str::to_owned)
}

impl ClusterFields {
    /// Where its CA is.
    pub(super) fn ca(self) -> Option<PemSource> {
        PemSource::new(self.certificate_authority_data, self.certificate_authority)
    }
}

impl NamedCluster {
    fn into_cluster(self) -> Option<Cluster> {
        let mut fields = self.cluster?;
        let server = without_user_information(fields.server.take().unwrap_or_default().0);
        let is_insecure = fields.insecure_skip_tls_verify == Some(true);
        let ca = fields.ca()?;
        let exclusive = || {
            let why = "it has both a CA and insecure-skip-tls-verify";
            PemSource::Inline(Err(Reason::RefusedKubeconfig(why.into())))
        };
        let ca = if is_insecure { exclusive() } else { ca };
        Some(Cluster { name: self.name.unwrap_or_default().0, server, ca })
    }
}

impl NamedUser<UserFields> {
    fn into_user(self) -> Option<User> {
        let fields = self.user?;
        let certificate =
            PemSource::new(fields.client_certificate_data, fields.client_certificate)?;
        let bad_key = match fields.client_key_data {
            Some(KeyForm::NotBase64) => Some("its client-key-data is not base64"),
            Some(KeyForm::NotAKey) => Some("its client-key-data is not a private key in PEM"),
            Some(KeyForm::None | KeyForm::Key) | None => None,
        };
        let certificate = match (certificate, bad_key) {
            (PemSource::Inline(Ok(_)) | PemSource::File(_), Some(why)) => {
                PemSource::Inline(Err(Reason::RefusedKubeconfig(why.into())))
            }
            (certificate, _) => certificate,
        };
        Some(User { name: self.name.unwrap_or_default().0, certificate })
    }
}

impl PemSource {
    /// client-go refuses what is given twice, though it says that the data win.
    fn new(data: Option<Text>, path: Option<Text>) -> Option<Self> {
        let [data, path] = [data, path].map(|it| it.filter(|Text(text)| !text.is_empty()));
        match (data, path) {
            (Some(_), Some(_)) => {
                let why = "it has both the data and a path for the same";
                Some(Self::Inline(Err(Reason::RefusedKubeconfig(why.into()))))
            }
            (Some(Text(data)), None) => Some(Self::Inline(decode(&data))),
            (None, Some(Text(path))) => Some(Self::File(path.into())),
            (None, None) => None,
        }
    }
}

/// As Go's `base64.StdEncoding`: padded, and of blanks only line breaks are passed over.
pub(super) fn decode(data: &str) -> Result<Vec<u8>, Reason> {
    const OF_GO: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let packed: Vec<u8> = data.bytes().filter(|byte| !b"\r\n".contains(byte)).collect();
    OF_GO.decode(packed).map_err(|_| Reason::BadBase64)
}

/// `https://user:password@host` without the part that is nobody's business.
fn without_user_information(server: String) -> String {
    match (server.find("://"), server.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &server[..scheme + 3], &server[at + 1..])
        }
        _ => server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_embedded_and_by_path_and_passes_over_tokens() {
        let config = read(
            b"apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters:\n\
              - {name: c1, cluster: {server: 'https://me:pw@h:6443', certificate-authority-data: QUJD}}\n\
              - {name: c2, cluster: {server: https://h2, certificate-authority: pki/ca.crt}}\n\
              - {name: c3, cluster: {insecure-skip-tls-verify: true}}\n\
              users:\n- name: u1\n  user: {client-certificate-data: \"QU\\nJD\", client-key-data: ''}\n\
              - name: u2\n  user: {client-certificate: /a/b.pem, client-key: /a/b.pem}\n\
              - name: u3\n  user: {token: t}\n- name: u4\n  user: {exec: {command: aws, args: [a]}}\n- name: u5\n",
        )
        .unwrap();
        let [c1, c2] = &config.clusters[..] else { panic!("{config:?}") };
        assert_eq!(
            (c1.server.as_str(), &c1.ca),
            ("https://h:6443", &PemSource::Inline(Ok(b"ABC".to_vec())))
        );
        assert_eq!(c2.ca, PemSource::File("pki/ca.crt".into()));
        assert!(config.has_other_users);
        let [u1, u2] = &config.users[..] else { panic!("{config:?}") };
        assert_eq!(u1.certificate, PemSource::Inline(Ok(b"ABC".to_vec())));
        assert_eq!(u2.certificate, PemSource::File("/a/b.pem".into()));
    }

    #[test]
    fn empty_lists_and_bad_data_are_no_errors_of_the_file() {
        let nothing = Kubeconfig { clusters: vec![], users: vec![], has_other_users: false };
        assert_eq!(read(b"clusters: null\nusers: []\n").unwrap(), nothing);
        let config = read(b"users: [{name: u, user: {client-certificate-data: '?'}}]").unwrap();
        assert_eq!(config.users[0].certificate, PemSource::Inline(Err(Reason::BadBase64)));
    }

    #[test]
    fn of_several_documents_the_first_counts_as_for_kubectl() {
        let config =
            read(b"# mine\n---\nusers: [{name: u, user: {token: t}}]\n---\nusers: 7\n").unwrap();
        assert!(config.has_other_users);
    }

    #[test]
    fn what_client_go_refuses_is_refused() {
        for (text, expected) in [
            ("kind: Secret", "its kind is not Config"),
            ("apiVersion: v2", "its apiVersion is not v1"),
            ("users: [{name: a}, {name: b}, {name: a}]", "users has the name \"a\" twice"),
            ("clusters: [{}, {}]", "clusters has the name \"\" twice"),
            ("contexts: [{name: a}, {name: a}]", "contexts has the name \"a\" twice"),
        ] {
            let refused = Err(Reason::RefusedKubeconfig(expected.into()));
            assert_eq!(read(text.as_bytes()), refused, "{text}");
        }
        for text in ["users: [{name: 7}]", "kind: true", "clusters: [{cluster: {server: 1.5}}]"] {
            assert!(matches!(read(text.as_bytes()), Err(Reason::BadKubeconfig(Some(_)))), "{text}");
        }
        for text in ["kind: ''\napiVersion: ~", "users: [{name: '7'}]", "unknown: 7", "users: ~"] {
            assert!(read(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_a_user_cannot_use_is_refused_for_it_alone() {
        let of = |fields: &str| {
            let text = format!("users: [{{name: a, user: {{{fields}}}}}]");
            match read(text.as_bytes()).unwrap().users.remove(0).certificate {
                PemSource::Inline(Err(Reason::RefusedKubeconfig(why))) => why.into_string(),
                other => format!("{other:?}"),
            }
        };
        let certificate = "client-certificate-data: QUJD";
        assert!(of(&format!("{certificate}, client-certificate: x")).starts_with("it has both"));
        assert!(of(&format!("{certificate}, client-key-data: QUJ")).ends_with("is not base64"));
        assert!(of(&format!("{certificate}, client-key-data: QUJD")).ends_with("key in PEM"));
        assert_eq!(of("client-certificate: /x"), "File(\"/x\")");
    }

    #[test]
    fn faults_have_a_place_and_no_text() {
        let Err(Reason::BadKubeconfig(Some((line, _)))) = read(b"clusters:\n- name: [\n") else {
            panic!()
        };
        assert!(line >= 2);
        assert_eq!(read(b"\xff\xfd"), Err(Reason::BadKubeconfig(None)));
    }

    #[test]
    fn alias_bombs_end_early() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let previous = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", [previous.as_str(); 10].join(","));
        }
        bomb += "clusters: *a11\nkind: Config\n";
        assert!(matches!(read(bomb.as_bytes()), Err(Reason::BadKubeconfig(_))));
        assert!(matches!(read("[".repeat(100_000).as_bytes()), Err(Reason::BadKubeconfig(_))));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z:\\-\\[\\]{}&*!'\" \n]{0,200}") {
            let _ = read(text.as_bytes());
        }
    }
}
