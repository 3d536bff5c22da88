//! Kubeconfigs (`k8s.io/client-go/tools/clientcmd/api/v1`): certificates and CAs, never a key.

mod value;

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::domain::model::Reason;
use crate::domain::text::escape_control;

use super::yaml;
pub(super) use value::decode;
use value::{AnyText, Flag, KeyForm, Text};

/// The parts of a kubeconfig that hold certificates.
#[derive(Debug, Eq, PartialEq)]
pub struct Kubeconfig {
    /// Clusters that name a CA.
    pub clusters: Vec<Cluster>,
    /// Users with a client certificate.
    pub users: Vec<User>,
    /// There are users without one: with a token, a plugin, a password.
    pub has_other_users: bool,
    /// Why nothing can be done with it unless another context is named, as a component never does; as a clause.
    pub unusable: Option<&'static str>,
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
    /// The file of its key, if that is not that of the certificate; a relative path counts as there.
    pub key_file: Option<PathBuf>,
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
    // Of one user's key, and none of them works.
    if file.has_unreadable_key() {
        return Err(Reason::RefusedKubeconfig("a client-key-data is not base64".into()));
    }
    let unusable = if yaml::begins_empty(bytes) { Some(EMPTY) } else { file.unusable() };
    let all_users = file.users.as_ref().map_or(0, Vec::len);
    let users = file.users.into_iter().flatten().flatten();
    let users: Vec<User> = users.filter_map(NamedUser::into_user).collect();
    let clusters = file.clusters.into_iter().flatten().flatten();
    Ok(Kubeconfig {
        unusable,
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
    contexts: Option<Vec<Option<NamedContext>>>,
    clusters: Option<Vec<Option<NamedCluster>>>,
    users: Option<Vec<Option<NamedUser<U>>>>,
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
    #[serde(default, rename = "namespace")]
    _namespace: AnyText,
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
    insecure_skip_tls_verify: Option<Flag>,
    #[serde(default, rename = "tls-server-name")]
    _tls_server_name: AnyText,
    #[serde(default, rename = "proxy-url")]
    _proxy_url: AnyText,
    #[serde(default, rename = "disable-compression")]
    _disable_compression: Option<Flag>,
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
    client_key: Option<Text>,
    client_key_data: Option<KeyForm>,
    #[serde(default, rename = "token")]
    _token: AnyText,
    #[serde(default, rename = "tokenFile")]
    _token_file: AnyText,
    #[serde(default, rename = "username")]
    _username: AnyText,
    #[serde(default, rename = "password")]
    _password: AnyText,
    #[serde(default, rename = "as")]
    _as: AnyText,
}

impl KubeconfigYaml<UserFields> {
    fn has_unreadable_key(&self) -> bool {
        let mut users = self.users.iter().flatten().flatten().filter_map(|it| it.user.as_ref());
        users.any(|user| user.client_key_data == Some(KeyForm::NotBase64))
    }
}

impl<U> KubeconfigYaml<U> {
    /// Why client-go refuses it as a whole, so that none of its users works (its tools/clientcmd/api/v1).
    fn refused(&self) -> Option<String> {
        if !["", "Config"].contains(&text(&self.kind)) {
            return Some("its kind is not Config".to_owned());
        }
        // The part before the slash is the group, which is empty.
        if !["", "/", "v1", "/v1"].contains(&text(&self.version)) {
            return Some("its apiVersion is not v1".to_owned());
        }
        let clusters = self.clusters.iter().flatten();
        let clusters = clusters.map(|it| it.as_ref().map_or("", |it| text(&it.name)));
        let contexts = self.contexts.iter().flatten();
        let contexts = contexts.map(|it| it.as_ref().map_or("", |it| text(&it.name)));
        let users = self.users.iter().flatten();
        let users = users.map(|it| it.as_ref().map_or("", |it| text(&it.name)));
        let twice = |list: &str, name: &str| {
            format!("{list} has the name \"{}\" twice", escape_control(name))
        };
        let in_clusters = repeated(clusters).map(|name| twice("clusters", &name));
        let in_contexts = || repeated(contexts).map(|name| twice("contexts", &name));
        let in_users = || repeated(users).map(|name| twice("users", &name));
        in_clusters.or_else(in_contexts).or_else(in_users)
    }

    /// See [`Kubeconfig::unusable`]: its tools/clientcmd/client_config.go.
    fn unusable(&self) -> Option<&'static str> {
        let current = text(&self.current_context);
        if current.is_empty() {
            return Some("it has no current-context");
        }
        let mut contexts = self.contexts.iter().flatten().flatten();
        let Some(context) = contexts.find(|it| text(&it.name) == current) else {
            return Some("its current-context is not among its contexts");
        };
        let cluster = context.context.as_ref().map_or("", |it| text(&it.cluster));
        let mut clusters = self.clusters.iter().flatten().flatten();
        let cluster = clusters.find(|it| text(&it.name) == cluster);
        let server = cluster.and_then(|it| it.cluster.as_ref()).map_or("", |it| text(&it.server));
        server.is_empty().then_some("its current context has no cluster with a server")
    }

    /// The current context with its cluster and user.
    pub(super) fn current(self) -> Option<(CurrentContext, ClusterFields, U)> {
        let Self { current_context, contexts, clusters, users, .. } = self;
        let is_current = |it: &NamedContext| it.name.is_some() && it.name == current_context;
        let mut contexts = contexts?.into_iter().flatten();
        let ContextFields { cluster, user, .. } = contexts.find(is_current)?.context?;
        let (name, user_name) = (cluster?, user?);
        let is = |name: &Option<Text>, wanted: &Text| name.as_ref() == Some(wanted);
        let cluster = clusters?.into_iter().flatten().find(|it| is(&it.name, &name))?.cluster?;
        let user = users?.into_iter().flatten().find(|it| is(&it.name, &user_name))?.user?;
        Some((CurrentContext { cluster: name.0, user: user_name.0 }, cluster, user))
    }

    /// All users that are more than a name.
    pub(super) fn users(self) -> impl Iterator<Item = U> {
        self.users.into_iter().flatten().flatten().filter_map(|it| it.user)
    }
}

/// The text, empty where there is none: it is the same to client-go.
fn text(field: &Option<Text>) -> &str {
    field.as_ref().map_or("", |Text(text)| text)
}

/// The first name that is there twice; one that is absent is empty.
fn repeated<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = HashSet::new();
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
        let is_insecure = fields.insecure_skip_tls_verify == Some(Flag(true));
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
        let key_file = fields.client_key.map(|Text(path)| path).filter(|path| !path.is_empty());
        let bad_key = match (fields.client_key_data.unwrap_or(KeyForm::None), &key_file) {
            (KeyForm::NotAKey | KeyForm::NotBase64, _) => {
                Some("its client-key-data is not a private key in PEM")
            }
            (KeyForm::Key, Some(_)) => Some(TWICE),
            (KeyForm::None, None) => Some("it has a client certificate and no key"),
            (KeyForm::Key, None) | (KeyForm::None, Some(_)) => None,
        };
        let certificate = match (certificate, bad_key) {
            (PemSource::Inline(Ok(_)) | PemSource::File(_), Some(why)) => {
                PemSource::Inline(Err(Reason::RefusedKubeconfig(why.into())))
            }
            (certificate, _) => certificate,
        };
        let key_file = key_file.map(PathBuf::from);
        let key_file =
            key_file.filter(|key| !matches!(&certificate, PemSource::File(it) if it == key));
        Some(User { name: self.name.unwrap_or_default().0, certificate, key_file })
    }
}

const EMPTY: &str = "its first document is empty, and the others are not read";
const TWICE: &str = "it has both the data and a path for the same";

impl PemSource {
    /// client-go refuses what is given twice, though it says that the data win.
    fn new(data: Option<Text>, path: Option<Text>) -> Option<Self> {
        let [data, path] = [data, path].map(|it| it.filter(|Text(text)| !text.is_empty()));
        match (data, path) {
            (Some(_), Some(_)) => Some(Self::Inline(Err(Reason::RefusedKubeconfig(TWICE.into())))),
            (Some(Text(data)), None) => Some(Self::Inline(decode(&data))),
            (None, Some(Text(path))) => Some(Self::File(path.into())),
            (None, None) => None,
        }
    }
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
              users:\n- name: u1\n  user: {client-certificate-data: \"QU\\nJD\", client-key: a.key}\n\
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
        assert_eq!([&u1.key_file, &u2.key_file], [&Some("a.key".into()), &None]);
    }

    #[test]
    fn a_component_can_use_what_its_current_context_leads_to() {
        let whole = "current-context: a\ncontexts: [~, {name: a, context: {cluster: c}}]\n\
            clusters: [{name: c, cluster: {server: h}}]\n";
        assert_eq!(read(whole.as_bytes()).unwrap().unusable, None);
        for (from, to, why) in [
            ("current-context: a", "current-context: ''", "no current-context"),
            ("current-context: a", "current-context: b", "not among"),
            ("cluster: c", "cluster: d", "no cluster"),
            ("server: h", "server: ''", "no cluster"),
            ("current-context: a", "---\n---\ncurrent-context: a", "is empty"),
        ] {
            let said = read(whole.replace(from, to).as_bytes()).unwrap().unusable;
            assert!(said.is_some_and(|it| it.contains(why)), "{to}: {said:?}");
        }
    }

    #[test]
    fn empty_lists_and_bad_data_are_no_errors_of_the_file() {
        let unusable = Some("it has no current-context");
        let nothing =
            Kubeconfig { clusters: vec![], users: vec![], has_other_users: false, unusable };
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
            ("users: [{user: {client-key-data: QUJ}}]", "a client-key-data is not base64"),
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
        assert!(of(&format!("{certificate}, client-key-data: QUJD")).ends_with("key in PEM"));
        assert!(of("client-certificate: /x").ends_with("and no key"));
        assert_eq!(of("client-certificate: /x, client-key: /y"), "File(\"/x\")");
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
