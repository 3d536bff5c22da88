//! Which versions may work together on a node (kubernetes.io/releases/version-skew-policy, and the one of kubeadm in
//! "Creating a cluster with kubeadm").

use std::cmp::Ordering;

use crate::domain::kubernetes::{Feature, KNOWN, Version};

use super::Component;
use super::blocker::Blocker;

/// The versions of Kubernetes on a node; `None` where one is not known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Versions {
    /// The installed kubeadm.
    pub kubeadm: Option<Version>,
    /// By the manifests.
    pub components: Vec<(Component, Option<Version>)>,
    /// The installed kubelet.
    pub kubelet: Option<Version>,
}

/// How many minor versions kubeadm may be newer than what it manages.
const KUBEADM_AHEAD: i64 = 1;

impl Versions {
    /// Why kubeadm is not let to work.
    pub(crate) fn blocker(&self) -> Option<Blocker> {
        let unsupported = Some(Blocker::KubeadmUnsupported(self.kubeadm));
        let Some(kubeadm) = self.kubeadm else { return unsupported };
        if kubeadm.among_known() == Ordering::Less {
            return unsupported;
        }
        let is_far = |(_, runs): &(Component, Version)| {
            kubeadm.ahead_of(*runs).is_none_or(|ahead| !(0..=KUBEADM_AHEAD).contains(&ahead))
        };
        let far = self.known().filter(is_far);
        let farthest =
            far.max_by_key(|(_, runs)| kubeadm.ahead_of(*runs).map_or(i64::MAX, i64::abs));
        farthest.map(|(component, runs)| Blocker::KubeadmVersion { kubeadm, component, runs })
    }

    /// What people should know, whole sentences: none of it keeps a renewal from its end.
    pub(crate) fn warnings(&self) -> Vec<String> {
        [self.newer_than_known(), self.without_version(), self.kubelet()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// etcd has versions of its own.
    fn known(&self) -> impl Iterator<Item = (Component, Version)> {
        let kubernetes =
            self.components.iter().filter(|(component, _)| *component != Component::Etcd);
        kubernetes.filter_map(|(component, version)| Some((*component, (*version)?)))
    }

    fn api_server(&self) -> Option<Version> {
        self.known()
            .find(|(component, _)| *component == Component::Apiserver)
            .map(|(_, version)| version)
    }

    fn newer_than_known(&self) -> Option<String> {
        let kubeadm = self.kubeadm.filter(|it| it.among_known() == Ordering::Greater)?;
        Some(format!(
            "kubeadm has version {}, and this certwatch knows 1.{} to 1.{}: kubeadm is used like the newest \
             of these, on a copy, and its result is installed only if it passes all checks; look for a newer \
             certwatch",
            kubeadm.series(),
            KNOWN.start(),
            KNOWN.end()
        ))
    }

    fn without_version(&self) -> Option<String> {
        let is_there =
            |it: &&(Component, Option<Version>)| it.0 == Component::Apiserver && it.1.is_none();
        self.components.iter().find(is_there)?;
        Some(
            "the image of kube-apiserver has no version in its tag, so it is not known whether kubeadm has \
             the right version"
                .to_owned(),
        )
    }

    fn kubelet(&self) -> Option<String> {
        let (kubelet, api) = (self.kubelet?, self.api_server()?);
        let behind = api.ahead_of(kubelet)?;
        let allowed = if kubelet.has(Feature::KubeletThreeOlder) { 3 } else { 2 };
        let why = match behind {
            ..0 => "it must not be newer".to_owned(),
            _ if behind > allowed => format!("it may be {allowed} minor versions older"),
            _ => return None,
        };
        Some(format!(
            "the kubelet has version {}, kube-apiserver on this node has {}: {why}; install the kubelet of the \
             cluster's version",
            kubelet.series(),
            api.series()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(minor: u32) -> Version {
        Version { major: 1, minor, patch: 3 }
    }

    fn node(kubeadm: u32, api: u32, kubelet: u32) -> Versions {
        Versions {
            kubeadm: Some(version(kubeadm)),
            components: vec![
                (Component::Etcd, Version::parse("v3.5.6")),
                (Component::Apiserver, Some(version(api))),
                (Component::Scheduler, Some(version(api - 1))),
            ],
            kubelet: Some(version(kubelet)),
        }
    }

    #[test]
    fn kubeadm_is_of_the_same_version_or_one_newer() {
        for kubeadm in [36, 37, 38] {
            let mut versions = node(kubeadm, 37, 37);
            versions.components.pop();
            let runs = Blocker::KubeadmVersion {
                kubeadm: version(kubeadm),
                component: Component::Apiserver,
                runs: version(37),
            };
            assert_eq!(versions.blocker(), Some(runs).filter(|_| kubeadm == 36), "{kubeadm}");
        }
        let half_upgraded = node(37, 37, 37);
        assert_eq!(half_upgraded.blocker(), None);
        let farthest = node(39, 37, 37).blocker().unwrap();
        assert_eq!(
            farthest.what(),
            "kubeadm has version 1.39, kube-scheduler on this node has 1.36: kubeadm supports its own minor version and the one before"
        );
        assert!(farthest.remedy().starts_with("install kubeadm 1.36, "), "{}", farthest.remedy());
        let other =
            Versions { kubeadm: Some(Version { major: 2, ..version(37) }), ..node(37, 37, 37) };
        assert!(matches!(other.blocker(), Some(Blocker::KubeadmVersion { .. })));
    }

    #[test]
    fn a_kubeadm_that_is_too_old_or_silent_is_refused() {
        let old = node(19, 19, 19).blocker().unwrap();
        assert_eq!(old, Blocker::KubeadmUnsupported(Some(version(19))));
        assert_eq!(old.what(), "kubeadm has version 1.19, and certwatch works with 1.20 and later");
        assert_eq!(Versions::default().blocker(), Some(Blocker::KubeadmUnsupported(None)));
        assert!(!old.is_overridable() && !old.is_overridden_by_rescue());
    }

    #[test]
    fn one_that_is_newer_than_all_that_are_known_is_told() {
        assert_eq!(node(38, 38, 38).warnings(), [""; 0]);
        let [warning] = &node(39, 39, 39).warnings()[..] else { panic!() };
        assert!(warning.contains("knows 1.20 to 1.38"), "{warning}");
        assert_eq!(node(39, 39, 39).blocker(), None);
    }

    #[test]
    fn a_kubelet_that_is_too_old_or_too_new_is_told() {
        let is_told = |api, kubelet| !node(api, api, kubelet).warnings().is_empty();
        for (api, kubelet, told) in [
            (37, 37, false),
            (37, 34, false),
            (37, 33, true),
            (36, 37, true),
            (26, 24, false),
            (27, 24, true),
        ] {
            assert_eq!(is_told(api, kubelet), told, "{api} {kubelet}");
        }
        assert!(Versions { kubelet: None, ..node(37, 37, 20) }.warnings().is_empty());
    }

    #[test]
    fn an_image_without_a_version_is_told() {
        let components = vec![(Component::Apiserver, None)];
        let unknown = Versions { components, ..node(37, 37, 37) };
        assert_eq!((unknown.blocker(), unknown.warnings().len()), (None, 1));
    }
}
