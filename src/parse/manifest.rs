//! Static pod manifests: which pod it is, which version of Kubernetes runs here, and what its flags say.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::yaml;
use crate::domain::kubernetes::Version;
use crate::domain::{layout, text};

/// What kubeadm tells an API server of its certificatesDir (`getAPIServerCommand` in its controlplane/manifests.go).
const KUBEADMS_FILES: [(&str, &str); 4] = [
    ("client-ca-file", "ca.crt"),
    ("tls-cert-file", "apiserver.crt"),
    ("kubelet-client-certificate", "apiserver-kubelet-client.crt"),
    ("proxy-client-cert-file", "front-proxy-client.crt"),
];

/// A static pod, as far as its first container says what a renewal has to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StaticPod {
    /// The version in the tag of its image; `None` if that has none such as `v1.33.2`.
    pub version: Option<Version>,
    /// Seconds that it asks for between SIGTERM and SIGKILL; the kubelet's 30 where it asks for none.
    pub termination_grace_period: Option<u32>,
    /// False where the kubelet does not start a container again that has ended with success, or that was killed.
    pub(crate) always_restarts: bool,
    words: Vec<String>,
    /// What its variables mention.
    variables: Vec<PathBuf>,
    /// Its volumes are listed: then what none of them shows is in the container.
    has_volumes: bool,
    /// Files and directories of the host that it is shown, mounted or not.
    host_paths: Vec<PathBuf>,
    /// Where a path of the container is on the host, the deepest first.
    mounts: Vec<(PathBuf, PathBuf)>,
}

#[derive(Deserialize)]
struct PodManifest {
    metadata: Option<PodMetadata>,
    spec: PodSpec,
}

#[derive(Deserialize)]
struct PodMetadata {
    labels: Option<HashMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    termination_grace_period_seconds: Option<u32>,
    restart_policy: Option<String>,
    containers: Vec<Container>,
    init_containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    image: Option<String>,
    name: Option<String>,
    command: Option<Vec<String>>,
    args: Option<Vec<String>>,
    env: Option<Vec<Variable>>,
    volume_mounts: Option<Vec<Mount>>,
}

#[derive(Deserialize)]
struct Variable {
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: String,
    mount_path: PathBuf,
    /// What of the volume is mounted, by itself: a file stays the one that it was.
    sub_path: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: String,
    host_path: Option<HostPath>,
}

#[derive(Deserialize)]
struct HostPath {
    path: PathBuf,
}

/// Reads a manifest; `None` if it is no pod, or has no container.
pub fn read(manifest: &[u8]) -> Option<StaticPod> {
    containers(manifest).into_iter().next()
}

/// The pod of a manifest once for each of its containers, those of its start last; empty if it is no pod.
pub(crate) fn containers(manifest: &[u8]) -> Vec<StaticPod> {
    let Ok(pod) = yaml::read::<PodManifest>(manifest) else { return Vec::new() };
    let (metadata, spec) = (pod.metadata, pod.spec);
    // An image by its digest has no tag.
    let labelled = metadata.and_then(|it| it.labels).and_then(|labels| label_version(&labels));
    let volumes = spec.volumes.unwrap_or_default();
    let of_host = |volume: &Volume| Some(volume.host_path.as_ref()?.path.clone());
    let host_paths: Vec<PathBuf> = volumes.iter().filter_map(of_host).collect();
    let all = spec.containers.into_iter().chain(spec.init_containers.into_iter().flatten());
    let pod = |container: Container| {
        let mut words = container.command.unwrap_or_default();
        if words.is_empty() {
            // Its image says what it runs; kubeadm and others call the container the same.
            words.extend(container.name);
        }
        words.extend(container.args.unwrap_or_default());
        let mounts = container.volume_mounts.unwrap_or_default();
        let values = container.env.into_iter().flatten().filter_map(|it| it.value);
        StaticPod {
            version: container.image.as_deref().and_then(tag_version).or(labelled),
            termination_grace_period: spec.termination_grace_period_seconds,
            always_restarts: spec.restart_policy.as_deref().is_none_or(|it| it == "Always"),
            words,
            variables: values.flat_map(|value| paths_in(&value)).collect(),
            has_volumes: !volumes.is_empty(),
            host_paths: host_paths.clone(),
            mounts: on_host(mounts, &volumes),
        }
    };
    all.map(pod).collect()
}

#[derive(Deserialize)]
struct Named {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

/// The pod's name; `None` for a manifest that cannot be read.
pub fn name(manifest: &[u8]) -> Option<String> {
    yaml::read::<Named>(manifest).ok().map(|pod| pod.metadata.name)
}

/// The namespace and the name of the pod, if the kubelet accepts them.
pub(crate) fn namespace_and_name(manifest: &[u8]) -> Option<(String, String)> {
    let Metadata { name, namespace } = yaml::read::<Named>(manifest).ok()?.metadata;
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    let is_plain =
        |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.'));
    (!name.is_empty() && is_plain(&name) && is_plain(&namespace)).then_some((namespace, name))
}

/// The version in the tag of the first container's image, such as `v1.33.2`; `None` for a
/// manifest that cannot be read or an image without such a tag.
pub fn version(manifest: &[u8]) -> Option<Version> {
    read(manifest)?.version
}

impl StaticPod {
    /// A program that runs on the node itself, by the words it was started with.
    pub(crate) fn of_process(words: Vec<String>) -> Self {
        Self {
            version: None,
            termination_grace_period: None,
            always_restarts: false,
            words,
            variables: Vec::new(),
            has_volumes: false,
            host_paths: Vec::new(),
            mounts: Vec::new(),
        }
    }

    /// The base name of what it runs.
    pub(crate) fn program(&self) -> Option<&str> {
        self.words.first()?.rsplit('/').next()
    }

    /// Every path that it mentions, on the host: in its command line, also within a word, in its variables, and its
    /// host paths.
    pub(crate) fn mentioned(&self) -> impl Iterator<Item = PathBuf> {
        self.named().chain(self.host_paths.iter().cloned())
    }

    /// Of these, what the command line and the variables name.
    pub(crate) fn named(&self) -> impl Iterator<Item = PathBuf> {
        let words = self.words.iter().flat_map(|word| paths_in(word));
        words.chain(self.variables.iter().cloned()).filter_map(|path| self.host_path(&path))
    }

    /// What of the host is mounted into it: the path in the container, and that on the host.
    pub(crate) fn mounts(&self) -> impl Iterator<Item = (&Path, &Path)> {
        self.mounts.iter().map(|(inside, outside)| (inside.as_path(), outside.as_path()))
    }

    /// Where a file of the container is on the host; `None` if only the container has it.
    pub(crate) fn host_path(&self, path: &Path) -> Option<PathBuf> {
        let is_shown = self.mounts.iter().any(|(inside, _)| path.starts_with(inside));
        (is_shown || !self.has_volumes).then(|| self.on_host(path))
    }

    /// The value of a flag, given without dashes; the last one counts. A flag without a value is
    /// `true`.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags(name).last()
    }

    /// The values of a flag that may be given several times.
    pub(crate) fn flags(&self, name: &str) -> impl Iterator<Item = &str> {
        self.words.iter().enumerate().filter_map(move |(position, word)| {
            let word = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
            match word.split_once('=') {
                Some((flag, value)) => (flag == name).then_some(value),
                None if word == name => {
                    let next = self.words.get(position + 1).map_or("true", String::as_str);
                    Some(if next.starts_with('-') { "true" } else { next })
                }
                None => None,
            }
        })
    }

    /// The directory of which this API server's flags name kubeadm's own files, on the host. One of kubeadm's own counts
    /// at once, any other from the second file on: a single one may have been given another place by hand.
    pub fn certificates_dir(&self) -> Option<PathBuf> {
        let named = KUBEADMS_FILES.iter().filter_map(|(flag, name)| {
            let path = self.on_host(Path::new(self.flag(flag)?));
            path.ends_with(name).then(|| path.parent().map(Path::to_owned))?
        });
        let named: Vec<PathBuf> = named.collect();
        let is_it = |dir: &&PathBuf| {
            let is_repeated = named.iter().filter(|other| other == dir).count() > 1;
            is_repeated && layout::certificates_dir(dir).is_some()
        };
        let kubeadms = named.iter().find(|dir| layout::kubeadm_pki(dir).is_some());
        kubeadms.or_else(|| named.iter().find(is_it)).cloned()
    }

    /// Where a file of the container is on the host; the same path where nothing says otherwise.
    pub(crate) fn on_host(&self, path: &Path) -> PathBuf {
        let below = |(inside, outside): &(PathBuf, PathBuf)| {
            let rest = path.strip_prefix(inside).ok()?;
            // `join("")` would end in a slash.
            Some(if rest.as_os_str().is_empty() { outside.clone() } else { outside.join(rest) })
        };
        self.mounts.iter().find_map(below).unwrap_or_else(|| path.to_owned())
    }
}

fn paths_in(text: &str) -> Vec<PathBuf> {
    text::absolute_paths(text).map(PathBuf::from).collect()
}

fn on_host(mounts: Vec<Mount>, volumes: &[Volume]) -> Vec<(PathBuf, PathBuf)> {
    let host_path = |name: &str| {
        let volume = volumes.iter().find(|volume| volume.name == name)?;
        Some(volume.host_path.as_ref()?.path.clone())
    };
    let mut found: Vec<(PathBuf, PathBuf)> = mounts
        .into_iter()
        .filter_map(|mount| {
            let volume = host_path(&mount.name)?;
            let part = mount.sub_path.filter(|part| !part.as_os_str().is_empty());
            Some((mount.mount_path, part.map_or_else(|| volume.clone(), |part| volume.join(part))))
        })
        .collect();
    found.sort_by_key(|(inside, _)| std::cmp::Reverse(inside.components().count()));
    found
}

fn label_version(labels: &HashMap<String, String>) -> Option<Version> {
    let mut named =
        ["app.kubernetes.io/version", "version"].iter().filter_map(|it| labels.get(*it));
    named.find_map(|label| Version::parse(label))
}

fn tag_version(image: &str) -> Option<Version> {
    let untagged = image.split('@').next()?;
    let (_, tag) = untagged.rsplit_once(':')?;
    Version::parse(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_s_tag_is_the_version() {
        let pod = b"spec:\n  containers:\n  - name: kube-apiserver\n    image: registry:5000/kube-apiserver:v1.33.2\n";
        assert_eq!(version(pod), Version::parse("v1.33.2"));
        assert_eq!(tag_version("a/b:v1.20.2-eks@sha256:00"), Version::parse("v1.20.2"));
        for odd in ["a/b", "a/b:latest", "a:5000/b", "a/b:v1"] {
            assert_eq!(tag_version(odd), None, "{odd}");
        }
        assert_eq!(version(b"]"), None);
    }

    fn pod(command: &str) -> StaticPod {
        let text = format!(
            "spec:\n  containers:\n  - image: x/etcd:3.5.6-0\n    command: {command}\n    volumeMounts:\n    \
             - {{mountPath: /certs/etcd, name: etcd}}\n    - {{mountPath: /certs, name: all}}\n    - {{mountPath: /tmp, name: none}}\n  \
             volumes:\n  - {{name: all, hostPath: {{path: /etc/kubernetes/pki}}}}\n  - {{name: etcd, hostPath: {{path: /srv/etcd, type: Directory}}}}\n  \
             - {{name: none, emptyDir: {{}}}}\n"
        );
        read(text.as_bytes()).unwrap()
    }

    #[test]
    fn flags_are_read_as_their_programs_do() {
        let pod = pod("[etcd, --a=1, --b, '2', -c=3, --d, --e=x=y, --a=9, --last]");
        let said = ["a", "b", "c", "d", "e", "last", "f"].map(|name| pod.flag(name));
        let meant =
            [Some("9"), Some("2"), Some("3"), Some("true"), Some("x=y"), Some("true"), None];
        assert_eq!(said, meant);
        assert_eq!(pod.version, None);
    }

    #[test]
    fn the_deepest_mount_says_where_a_file_is() {
        let pod = pod("[etcd]");
        let at = |path: &str| pod.on_host(Path::new(path));
        assert_eq!(at("/certs/ca.crt"), Path::new("/etc/kubernetes/pki/ca.crt"));
        assert_eq!(at("/certs/etcd/server.crt"), Path::new("/srv/etcd/server.crt"));
        assert_eq!(at("/certs/etcd").as_os_str(), "/srv/etcd");
        assert_eq!(at("/tmp/a"), Path::new("/tmp/a"));
        assert_eq!(at("/certsx/a"), Path::new("/certsx/a"));
    }

    #[test]
    fn a_part_of_a_volume_is_mounted_by_itself() {
        let text = "metadata: {name: vip}\nspec:\n  containers:\n  - args: [--kubeconfig=/k/config]\n    volumeMounts:\n    \
                    - {name: k, mountPath: /k/config, subPath: admin.conf}\n    - {name: k, mountPath: /all, subPath: ''}\n  \
                    volumes:\n  - {name: k, hostPath: {path: /etc/kubernetes}}\n";
        let pod = read(text.as_bytes()).unwrap();
        let file = Path::new("/etc/kubernetes/admin.conf");
        let whole = (Path::new("/all"), Path::new("/etc/kubernetes"));
        assert!(pod.mounts().eq([(Path::new("/k/config"), file), whole]));
        assert!(pod.named().eq([file]));
    }

    #[test]
    fn variables_name_files_as_well() {
        let text = "metadata: {name: vip}\nspec:\n  restartPolicy: OnFailure\n  containers:\n  - env:\n    \
                    - {name: KUBECONFIG, value: /k/admin.conf}\n    - {name: a, valueFrom: {}}\n    volumeMounts:\n    \
                    - {name: k, mountPath: /k}\n  volumes:\n  - {name: k, hostPath: {path: /etc/kubernetes}}\n";
        let pod = read(text.as_bytes()).unwrap();
        assert!(pod.named().eq([PathBuf::from("/etc/kubernetes/admin.conf")]));
        assert!(pod.mounts().eq([(Path::new("/k"), Path::new("/etc/kubernetes"))]));
        assert!(!pod.always_restarts);
        let name = namespace_and_name(text.as_bytes());
        assert_eq!(name, Some(("default".to_owned(), "vip".to_owned())));
        assert_eq!(namespace_and_name(b"metadata: {name: 'a;b'}"), None);
    }
}
