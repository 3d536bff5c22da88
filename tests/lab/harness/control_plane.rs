//! What a renewal is about: the certificates of a node, who uses them, and whether all is well.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::kubernetes;
use super::{Node, wait_for};

/// Each of kubeadm's NAMEs and its file below /etc/kubernetes, as a node of today's has them.
const NAMES: [(&str, &str); 11] = [
    ("admin.conf", "admin.conf"),
    ("apiserver", "pki/apiserver.crt"),
    ("apiserver-etcd-client", "pki/apiserver-etcd-client.crt"),
    ("apiserver-kubelet-client", "pki/apiserver-kubelet-client.crt"),
    ("controller-manager.conf", "controller-manager.conf"),
    ("etcd-healthcheck-client", "pki/etcd/healthcheck-client.crt"),
    ("etcd-peer", "pki/etcd/peer.crt"),
    ("etcd-server", "pki/etcd/server.crt"),
    ("front-proxy-client", "pki/front-proxy-client.crt"),
    ("scheduler.conf", "scheduler.conf"),
    ("super-admin.conf", "super-admin.conf"),
];

/// The first minor version whose `kubeadm init` makes super-admin.conf; `kubeadm join` makes none.
const FIRST_WITH_SUPER_ADMIN: u32 = 29;

pub(crate) const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

pub(crate) const COMPONENTS: [&str; 4] =
    ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Where each of them, and the kubelet, says how it is.
pub(crate) const READY: &str = "https://10.77.0.1:6443/readyz";
pub(crate) const ETCD: &str = "http://127.0.0.1:2381/health";
pub(crate) const CONTROLLER_MANAGER: &str = "https://127.0.0.1:10257/healthz";
pub(crate) const SCHEDULER: &str = "https://127.0.0.1:10259/healthz";
const KUBELET: &str = "http://127.0.0.1:10248/healthz";

/// Longer than a back-off of the kubelet's, which ends at five minutes.
const HEALTH: Duration = Duration::from_secs(400);

/// The API server reads its pair again within a minute.
const RELOAD: Duration = Duration::from_secs(90);

/// The kubelet is started again every 10 s.
const REFUSAL: Duration = Duration::from_secs(60);

/// Content of files, by path.
pub(crate) type Fingerprint = BTreeMap<String, String>;

impl Node<'_> {
    /// Each of kubeadm's NAMEs that this node has, and its file below /etc/kubernetes.
    pub(crate) fn names(&self) -> &'static [(&'static str, &'static str)] {
        let version = kubernetes();
        let minor: u32 = version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap();
        let has_super_admin = self.name == "cp1" && minor >= FIRST_WITH_SUPER_ADMIN;
        if has_super_admin { &NAMES } else { &NAMES[..NAMES.len() - 1] }
    }

    /// Gives all that kubeadm renews other dates.
    pub(crate) fn age_all(&self, not_before: &str, not_after: &str) {
        let line = r#"for file in "${@:3}"; do lab-age "/etc/kubernetes/$file" "$1" "$2"; done"#;
        let mut arguments = vec!["bash", "-euc", line, "--", not_before, not_after];
        arguments.extend(self.names().iter().map(|(_, file)| *file));
        self.run(&arguments);
    }

    /// Makes the node one that nobody has worked on for an hour: certwatch minds manifests that have
    /// just changed, and the kubelet holds back what has just been started several times.
    pub(crate) fn let_it_rest(&self) {
        self.run(&["bash", "-c", "touch -d '1 hour ago' /etc/kubernetes/manifests/*"]);
        self.run(&["systemctl", "restart", "kubelet"]);
        self.wait_until_healthy();
    }

    /// What is not well, if anything is not.
    pub(crate) fn complaint(&self) -> Option<String> {
        let line = r#"for url; do curl -ksSf --max-time 2 -o /dev/null "$url" || { echo "$url"; exit 1; }; done 2>&1"#;
        let urls = [KUBELET, ETCD, READY, CONTROLLER_MANAGER, SCHEDULER];
        let output = self.output(&[&["bash", "-c", line, "--"], &urls[..]].concat());
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn wait_until_healthy(&self) {
        wait_for("all of the control plane to be well", HEALTH, || {
            self.complaint().is_none().then_some(())
        });
    }

    /// The process of each component, in the order of [`COMPONENTS`].
    pub(crate) fn pids(&self) -> [Option<u32>; 4] {
        COMPONENTS.map(|component| self.pid(component))
    }

    /// SHA-256 of each file that kubeadm has made, manifests excepted.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.sums("find /etc/kubernetes/pki /etc/kubernetes/*.conf -type f")
    }

    /// The same of the manifests.
    pub(crate) fn manifests(&self) -> Fingerprint {
        self.sums("find /etc/kubernetes/manifests -type f")
    }

    /// Where certwatch could write: names, inodes, links, owners, and by the time of its last change every content,
    /// mode and attribute.
    pub(crate) fn everything(&self) -> String {
        let line = "find /etc /root /home /opt /usr/local /var/lib/certwatch* /var/lib/kubelet/pki \
            -xdev -printf '%p %i %n %M %U %G %s %T@ %C@ %l\\n' 2>/dev/null | sort";
        self.run(&["bash", "-uc", line])
    }

    fn sums(&self, find: &str) -> Fingerprint {
        let said = self.run(&["bash", "-euc", &format!("{find} -exec sha256sum {{}} +")]);
        let lines = said.lines().map(|line| line.split_once("  ").unwrap());
        lines.map(|(sum, path)| (path.to_owned(), sum.to_owned())).collect()
    }

    /// The serial number of a certificate, or of the one in a kubeconfig.
    pub(crate) fn serial(&self, path: &str) -> String {
        if !path.ends_with(".conf") {
            return self.openssl(path, "serial");
        }
        let line = "sed -n 's/^ *client-certificate-data: //p' \"$1\" | base64 -d | openssl x509 -noout -serial";
        let said = self.run(&["bash", "-euc", line, "--", path]);
        said.trim().strip_prefix("serial=").unwrap().to_owned()
    }

    /// Those of all that kubeadm renews, in the order of [`Self::names`].
    pub(crate) fn serials(&self) -> Vec<String> {
        self.names()
            .iter()
            .map(|(_, file)| self.serial(&format!("/etc/kubernetes/{file}")))
            .collect()
    }

    /// Whether a certificate is good for at least so long.
    pub(crate) fn is_valid_for(&self, path: &str, time: Duration) -> bool {
        let line = r#"{ sed -n 's/^ *client-certificate-data: //p' "$1" | base64 -d; cat "$1"; } |
            openssl x509 -noout -checkend "$2""#;
        let seconds = time.as_secs().to_string();
        self.output(&["bash", "-c", line, "--", path, &seconds]).status.success()
    }

    /// Waits until the kubelet has said that its client certificate has expired, and does not start.
    #[track_caller]
    pub(crate) fn wait_until_the_kubelet_refuses(&self) {
        wait_for("the kubelet to refuse", REFUSAL, || {
            // 1.20 and 1.37 go on in different words: `is expired`, `in /etc/kubernetes/kubelet.conf is expired`.
            let said = "part of the existing bootstrap client certificate";
            self.journal("kubelet").contains(said).then_some(())
        });
    }

    /// Waits until the API server and etcd, to its clients and its peers, present what is on disk.
    pub(crate) fn wait_until_served(&self) {
        for (file, address) in [
            ("apiserver", "10.77.0.1:6443"),
            ("etcd/server", "10.77.0.1:2379"),
            ("etcd/peer", "10.77.0.1:2380"),
        ] {
            let serial = self.serial(&format!("/etc/kubernetes/pki/{file}.crt"));
            wait_for(&format!("{file} to be served"), RELOAD, || {
                self.served(address).filter(|served| served.serial == serial)
            });
        }
    }

    /// Whether the API server and etcd present what is on disk at this moment.
    #[track_caller]
    pub(crate) fn assert_served(&self) {
        for (file, address) in [
            ("apiserver", "10.77.0.1:6443"),
            ("etcd/server", "10.77.0.1:2379"),
            ("etcd/peer", "10.77.0.1:2380"),
        ] {
            let served = self.served(address).map(|served| served.serial);
            let disk = self.serial(&format!("/etc/kubernetes/pki/{file}.crt"));
            assert_eq!(served, Some(disk), "{file} at {address}");
        }
    }

    /// The lease by which a component leads is renewed again: its credential is good.
    pub(crate) fn wait_for_lease(&self, component: &str) {
        let path = "jsonpath={.spec.renewTime}";
        let get = ["kubectl", "-n", "kube-system", "get", "lease", component, "-o", path];
        let old = self.run(&get);
        wait_for(&format!("{component} to renew its lease"), RELOAD, || {
            let output = self.output(&get);
            (output.status.success() && output.stdout != old.as_bytes()).then_some(())
        });
    }

    /// The same of both components that have one.
    pub(crate) fn wait_for_leaders(&self) {
        for component in ["kube-controller-manager", "kube-scheduler"] {
            self.wait_for_lease(component);
        }
    }

    /// Files with a private key, or the name of one that certwatch had begun to write, where none belongs. What kubectl
    /// keeps of the API's description has the words, and no key.
    pub(crate) fn stray_keys(&self) -> Vec<String> {
        let line = r"
            grep -rlIE -e 'PRIVATE KEY|client-key-data' /etc /home /opt /root /run /srv /tmp /var/cache /var/log /var/tmp \
                /var/lib/certwatch* /var/lib/kubelet /var/lib/systemd 2>/dev/null |
                grep -vE '^(/etc/kubernetes/pki/|/etc/kubernetes/[a-z-]*\.conf$|/var/lib/kubelet/pki/|/root/\.kube/(config$|cache/))' |
                grep -vE '^(/etc/ssh/|/var/lib/certwatch-renew/(backups|kubelet-before)/)' || true
            find /etc/kubernetes /root/.kube -name '.certwatch-*' 2>/dev/null || true";
        self.run(&["bash", "-c", line]).lines().map(ToOwned::to_owned).collect()
    }
}
