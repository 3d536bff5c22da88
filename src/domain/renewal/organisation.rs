//! The organisation of a certificate's subject, which is what RBAC goes by: kubeadm keeps it when it renews,
//! but for what one version took away.

/// What kubeadm 1.29, and no other, does to the organisation as it renews (`loadCertConfigMutators` in its
/// `renewal/manager.go`), or as it upgrades a node (admin.conf).
struct OrganisationChange {
    names: &'static [&'static str],
    from: &'static [&'static str],
    to: &'static [&'static str],
}

const STEPS: [OrganisationChange; 2] = [
    // kubernetes/kubernetes#121305 and #121837: bound to cluster-admin by a ClusterRoleBinding, which can be taken back.
    OrganisationChange {
        names: &["admin.conf", "apiserver-kubelet-client"],
        from: &["system:masters"],
        to: &["kubeadm:cluster-admins"],
    },
    // kubernetes/kubernetes#119859 and #120521: etcd asks for the signature of its CA alone.
    OrganisationChange {
        names: &["apiserver-etcd-client", "etcd-healthcheck-client"],
        from: &["system:masters"],
        to: &[],
    },
];

/// Whether a certificate `name` of the organisations `before` may be replaced by one of `after`, by a renewal.
/// Both are sorted.
pub(crate) fn may_follow(name: &str, before: &[&str], after: &[&str]) -> bool {
    let is_step = |step: &OrganisationChange| {
        step.names.contains(&name) && (step.from, step.to) == (before, after)
    };
    before == after || STEPS.iter().any(is_step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASTERS: &[&str] = &["system:masters"];
    const ADMINS: &[&str] = &["kubeadm:cluster-admins"];

    #[test]
    fn the_steps_of_1_29_are_allowed_and_no_others() {
        assert!(may_follow("admin.conf", MASTERS, ADMINS));
        assert!(may_follow("apiserver-kubelet-client", MASTERS, ADMINS));
        assert!(may_follow("apiserver-etcd-client", MASTERS, &[]));
        assert!(may_follow("etcd-healthcheck-client", MASTERS, &[]));

        assert!(!may_follow("apiserver-kubelet-client", MASTERS, &[]), "it would lose its rights");
        assert!(!may_follow("super-admin.conf", MASTERS, ADMINS));
        assert!(!may_follow("apiserver-etcd-client", MASTERS, ADMINS));
        assert!(!may_follow("admin.conf", MASTERS, &["kubeadm:cluster-admins", "other"]));
    }

    proptest! {
        #[test]
        fn nobody_gains_an_organisation_but_by_the_step_from_masters(
            name in "admin\\.conf|super-admin\\.conf|apiserver-(kubelet|etcd)-client|front-proxy-client",
            before in prop::sample::subsequence(vec!["a", "kubeadm:cluster-admins", "system:masters"], 0..=3),
            after in prop::sample::subsequence(vec!["a", "kubeadm:cluster-admins", "system:masters"], 0..=3),
        ) {
            let gained = after.iter().any(|it| !before.contains(it));
            if may_follow(&name, &before, &after) && gained {
                prop_assert_eq!((&*before, &*after), (MASTERS, ADMINS));
            }
        }
    }
}
