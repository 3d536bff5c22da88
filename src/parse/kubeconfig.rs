//! Kubeconfigs (`k8s.io/client-go/tools/clientcmd/api/v1`): certificates and CAs, never a key.

use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::domain::model::Reason;

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
        Ok(Outline { clusters: None, contexts: None, users: None, .. }) => Likeness::None,
        Ok(_) => Likeness::Whole,
        Err(_) if DATA.iter().any(has) || has_key(text) => Likeness::Broken,
        Err(_) => Likeness::None,
    }
}

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
/// [`Reason::BadKubeconfig`] with the position; never with the text, which may be a key.
pub fn read(bytes: &[u8]) -> Result<Kubeconfig, Reason> {
    let file: KubeconfigYaml<UserFields> = yaml::read(bytes).map_err(Reason::BadKubeconfig)?;
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

/// The fields that are read, those of a user as `U`. A scan has none for a key, so keys are never decoded.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct KubeconfigYaml<U> {
    current_context: Option<String>,
    contexts: Option<Vec<NamedContext>>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser<U>>>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: Option<String>,
    context: Option<ContextFields>,
}

#[derive(Deserialize)]
struct ContextFields {
    cluster: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: Option<String>,
    cluster: Option<ClusterFields>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ClusterFields {
    server: Option<String>,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser<U> {
    name: Option<String>,
    user: Option<U>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserFields {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
}

impl<U> KubeconfigYaml<U> {
    /// The current context with its cluster and user.
    pub(super) fn current(self) -> Option<(CurrentContext, ClusterFields, U)> {
        let Self { current_context, contexts, clusters, users } = self;
        let is_current = |it: &NamedContext| it.name.is_some() && it.name == current_context;
        let ContextFields { cluster, user } = contexts?.into_iter().find(is_current)?.context?;
        let context = CurrentContext { cluster: cluster?, user: user? };
        let is = |name: &Option<String>, wanted: &String| name.as_ref() == Some(wanted);
        let cluster = clusters?.into_iter().find(|it| is(&it.name, &context.cluster))?.cluster?;
        let user = users?.into_iter().find(|it| is(&it.name, &context.user))?.user?;
        Some((context, cluster, user))
    }

    /// All users that are more than a name.
    pub(super) fn users(self) -> impl Iterator<Item = U> {
        self.users.into_iter().flatten().filter_map(|it| it.user)
    }
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
        let server = without_user_information(fields.server.take().unwrap_or_default());
        let ca = fields.ca()?;
        Some(Cluster { name: self.name.unwrap_or_default(), server, ca })
    }
}

impl NamedUser<UserFields> {
    fn into_user(self) -> Option<User> {
        let fields = self.user?;
        let certificate =
            PemSource::new(fields.client_certificate_data, fields.client_certificate)?;
        Some(User { name: self.name.unwrap_or_default(), certificate })
    }
}

impl PemSource {
    /// Data wins over a path, as in client-go.
    fn new(data: Option<String>, path: Option<PathBuf>) -> Option<Self> {
        match (
            data.filter(|data| !data.trim().is_empty()),
            path.filter(|path| !path.as_os_str().is_empty()),
        ) {
            (Some(data), _) => Some(Self::Inline(decode(&data))),
            (None, Some(path)) => Some(Self::File(path)),
            (None, None) => None,
        }
    }
}

pub(super) fn decode(data: &str) -> Result<Vec<u8>, Reason> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    LENIENT.decode(packed).map_err(|_| Reason::BadBase64)
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
              users:\n- name: u1\n  user: {client-certificate-data: \"QU\\nJD\", client-certificate: x, client-key-data: '!!'}\n\
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
