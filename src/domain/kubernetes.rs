//! Versions of Kubernetes, and what differs between them.
//!
//! All of it is in one table here: nothing else asks for the number of a version.

use std::fmt;
use std::ops::RangeInclusive;

/// A release of Kubernetes, such as 1.37.2. What is added to the number, as in `v1.38.0-rc.1`, does not count.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// 1 in all releases so far.
    pub major: u32,
    /// The number that counts.
    pub minor: u32,
    /// 0 where it is not known.
    pub patch: u32,
}

/// The minor versions that certwatch knows, up to the newest that was looked at (CHANGELOG-1.38.md, alpha).
pub(crate) const KNOWN: RangeInclusive<u32> = 20..=38;

/// What not every version has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Feature {
    /// kubeadm reads `kubeadm.k8s.io/v1beta2`.
    ConfigV1beta2,
    /// kubeadm reads `kubeadm.k8s.io/v1beta3`.
    ConfigV1beta3,
    /// kubeadm reads `kubeadm.k8s.io/v1beta4`.
    ConfigV1beta4,
    /// kubeadm makes keys on P-384.
    KeysOnP384,
    /// kube-apiserver's /livez fails once the certificate in its memory has ended.
    LoopbackFailsLivez,
    /// A kubelet may be three minor versions older than the API server.
    KubeletThreeOlder,
    /// No key of RSA above 8192 bits is accepted of anybody (Go 1.21).
    RefusesLongKeys,
    /// No certificate with a negative serial number is parsed (Go 1.23).
    RefusesNegativeSerials,
    /// No signature with SHA-1 is accepted on a certificate (Go 1.18).
    RefusesSha1,
    /// No key of RSA below 1024 bits is used (Go 1.24).
    RefusesShortKeys,
    /// kube-apiserver reads all its renewed certificates again by itself.
    ReloadsCertificates,
    /// kube-apiserver serves within seconds of its start.
    StartsQuickly,
    /// The certificate in kube-apiserver's memory lives three years.
    ThreeYearsOfLoopback,
}

const LATER: u32 = u32::MAX;

/// The first and the last minor version that has each.
const TABLE: [(Feature, RangeInclusive<u32>); 13] = [
    // validateSupportedVersion in kubeadm's app/util/config/common.go, at 1.37.2.
    (Feature::ConfigV1beta2, 15..=26),
    (Feature::ConfigV1beta3, 22..=36),
    (Feature::ConfigV1beta4, 31..=LATER),
    // kubernetes/kubernetes#131677.
    (Feature::KeysOnP384, 34..=LATER),
    // kubernetes/kubernetes#136477.
    (Feature::LoopbackFailsLivez, 36..=LATER),
    // kubernetes.io/releases/version-skew-policy: two until 1.24.
    (Feature::KubeletThreeOlder, 25..=LATER),
    // By the Go that each is built with, and the `godebug default` in its go.mod.
    (Feature::RefusesLongKeys, 28..=LATER),
    (Feature::RefusesNegativeSerials, 32..=LATER),
    // kubernetes/kubernetes#108940.
    (Feature::RefusesSha1, 24..=LATER),
    (Feature::RefusesShortKeys, 33..=LATER),
    // As measured on 1.20.2; the serving certificate alone since 1.17 (kubernetes/kubernetes#92791).
    (Feature::ReloadsCertificates, 20..=LATER),
    // As measured on 1.37.2 and, by another restart, on 1.28.2; 1.20.2 describes its whole API before it serves any of it. What is between
    // them counts as slow.
    (Feature::StartsQuickly, 28..=LATER),
    // kubernetes/kubernetes#130047, whose release note says 14 months, against its code.
    (Feature::ThreeYearsOfLoopback, 33..=LATER),
];

impl Feature {
    /// The first minor version that has it.
    pub(crate) fn since(self) -> Option<u32> {
        TABLE.iter().find(|(it, _)| *it == self).map(|(_, range)| *range.start())
    }
}

impl Version {
    /// Reads `v1.37.2`, also `v1.33.0-rc.1+abc` and `v1.20`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().strip_prefix('v')?.split(['.', '-', '+']);
        let mut number = || numbers.next()?.parse().ok();
        let (major, minor) = (number()?, number()?);
        Some(Self { major, minor, patch: number().unwrap_or(0) })
    }

    /// True if this version has it.
    pub fn has(self, feature: Feature) -> bool {
        let is_it = |(it, range): &(Feature, RangeInclusive<u32>)| {
            *it == feature && self.major == 1 && range.contains(&self.minor)
        };
        TABLE.iter().any(is_it)
    }

    /// By how many minor versions it is newer than `other`, negative if it is older; `None` if even their major
    /// versions differ.
    pub(crate) fn ahead_of(self, other: Self) -> Option<i64> {
        (self.major == other.major).then(|| i64::from(self.minor) - i64::from(other.minor))
    }

    /// Whether certwatch knows it: `Less` if it is too old, `Greater` if it is newer than all that are known.
    pub(crate) fn among_known(self) -> std::cmp::Ordering {
        let own = (self.major, self.minor);
        if own < (1, *KNOWN.start()) {
            std::cmp::Ordering::Less
        } else {
            own.cmp(&(1, *KNOWN.end())).max(std::cmp::Ordering::Equal)
        }
    }

    /// Without the patch: `1.37`.
    pub(crate) fn series(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

/// `1.37.2`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    fn version(minor: u32) -> Version {
        Version { major: 1, minor, patch: 2 }
    }

    #[test]
    fn versions_are_read_as_programs_and_images_say_them() {
        for (text, shown) in [
            ("v1.20.2", "1.20.2"),
            ("v1.33.0-rc.1+abc\r", "1.33.0"),
            ("v1.20.2-eks", "1.20.2"),
            ("v1.33", "1.33.0"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), shown);
        }
        for odd in ["", "1.20.2", "v1", "vx.y", "v1.x", "v1.-1", "v99999999999.1"] {
            assert_eq!(Version::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn every_known_kubeadm_reads_a_configuration() {
        let apis = [Feature::ConfigV1beta2, Feature::ConfigV1beta3, Feature::ConfigV1beta4];
        for minor in KNOWN {
            assert!(apis.iter().any(|api| version(minor).has(*api)), "1.{minor}");
            assert_eq!(version(minor).among_known(), Ordering::Equal);
        }
        assert_eq!(version(19).among_known(), Ordering::Less);
        assert_eq!(version(39).among_known(), Ordering::Greater);
        assert_eq!(Version { major: 2, minor: 0, patch: 0 }.among_known(), Ordering::Greater);
    }

    #[test]
    fn the_table_s_edges_are_those_of_the_releases() {
        let edges = |feature| -> Vec<u32> {
            let has = |minor: &u32| version(*minor).has(feature);
            (10..60).filter(|minor| has(minor) != has(&(minor + 1))).collect()
        };
        assert_eq!(edges(Feature::ConfigV1beta2), [14, 26]);
        assert_eq!(edges(Feature::ConfigV1beta3), [21, 36]);
        assert_eq!(edges(Feature::ConfigV1beta4), [30]);
        assert_eq!(edges(Feature::LoopbackFailsLivez), [35]);
        assert!(!Version { major: 2, minor: 31, patch: 0 }.has(Feature::ConfigV1beta4));
    }

    #[test]
    fn a_distance_has_a_direction() {
        assert_eq!(version(37).ahead_of(version(36)), Some(1));
        assert_eq!(version(20).ahead_of(version(37)), Some(-17));
        assert_eq!(version(20).ahead_of(Version { major: 2, minor: 0, patch: 0 }), None);
    }
}
