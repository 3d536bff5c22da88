use super::*;
use proptest::prelude::*;

/// What these flags of a program say, each `flag=path`.
fn references(programs: &[(&str, &[(&str, &str)])]) -> References {
    let mut references = References::default();
    for (program, flags) in programs {
        let value =
            |name: &str| flags.iter().find(|(flag, _)| *flag == name).map(|(_, path)| *path);
        references.take(program, value, |path| NamedPlace::OnNode(path.to_owned()));
    }
    references
}

const KUBEADMS: &[(&str, &str)] = &[
    ("tls-cert-file", "/etc/kubernetes/pki/apiserver.crt"),
    ("client-ca-file", "/etc/kubernetes/pki/ca.crt"),
    ("etcd-certfile", "/etc/ssl/etcd/ssl/node-cp1.pem"),
];

fn located(references: &References, path: &str) -> &'static str {
    let path = Path::new(path);
    references.locate(path, references.of(path)).role.id
}

#[test]
fn a_place_of_kubeadm_says_more_than_a_flag() {
    let references = references(&[(API_SERVER, KUBEADMS)]);
    for (path, id) in [
        ("/etc/kubernetes/pki/apiserver.crt", "apiserver"),
        ("/etc/kubernetes/pki/ca.crt", "ca"),
        ("/etc/ssl/etcd/ssl/node-cp1.pem", "etcd-client"),
        ("/etc/ssl/etcd/ssl/node-cp2.pem", "other"),
    ] {
        assert_eq!(located(&references, path), id, "{path}");
    }
    let by = references.of(Path::new("/etc/ssl/etcd/ssl/node-cp1.pem")).unwrap();
    assert_eq!(&*by.named_by, "kube-apiserver --etcd-certfile");
}

#[test]
fn what_nobody_names_is_left_over_if_its_component_is_known() {
    let mut references = references(&[(API_SERVER, KUBEADMS)]);
    let is = |references: &References, below: &str| {
        references.is_left_over(&Path::new(KUBERNETES).join(below))
    };
    for (below, expected) in [
        ("pki/old/apiserver.crt", true),
        ("admin-2025.conf", true),
        ("pki/apiserver-kubelet-client.crt", true),
        ("pki/front-proxy-ca.crt", false),
        ("pki/etcd/server.crt", false),
        ("pki/etcd/ca.crt", false),
        ("pki/etcd/healthcheck-client.crt", false),
        ("controller-manager.conf", false),
        ("admin.conf", false),
        ("super-admin.conf", false),
        ("kubelet.conf", false),
        ("../ssl/old.crt", true),
    ] {
        assert_eq!(is(&references, below), expected, "{below}");
    }
    assert!(!references.is_left_over(Path::new("/srv/tls/web.crt")));
    references.is_etcd_elsewhere = true;
    for below in ["pki/etcd/server.crt", "pki/etcd/ca.crt", "pki/etcd/healthcheck-client.crt"] {
        assert!(is(&references, below), "{below}");
    }
    let fallback = References::default();
    assert!(!is(&fallback, "pki/old/apiserver.crt"), "nobody knows");
}

#[test]
fn the_probes_certificate_belongs_to_an_etcd_beside_it() {
    let path = Path::new("/etc/kubernetes/pki/etcd/healthcheck-client.crt");
    let beside: &[(&str, &str)] = &[("cert-file", "/etc/kubernetes/pki/etcd/server.crt")];
    let elsewhere: &[(&str, &str)] = &[("cert-file", "/etc/ssl/etcd/ssl/member-cp1.pem")];
    assert!(!references(&[(API_SERVER, KUBEADMS), (ETCD, beside)]).is_left_over(path));
    assert!(references(&[(API_SERVER, KUBEADMS), (ETCD, elsewhere)]).is_left_over(path));
}

#[test]
fn an_etcd_is_here_by_loopback_or_by_the_advertised_address() {
    for (servers, expected) in [
        ("https://127.0.0.1:2379", false),
        ("https://localhost:2379", false),
        ("https://[::1]:2379", false),
        ("https://192.0.2.10:2379,https://192.0.2.21:2379", false),
        ("https://192.0.2.21:2379,https://192.0.2.22:2379", true),
        ("https://etcd.example.com:2379", true),
        ("", false),
    ] {
        assert_eq!(are_elsewhere(servers, Some("192.0.2.10")), expected, "{servers}");
    }
}

#[test]
fn a_kubelet_elsewhere_has_the_same_files() {
    let references =
        References { kubelet_pki: Some("/srv/k/certs".into()), ..References::default() };
    assert_eq!(located(&references, "/srv/k/certs/kubelet-client-current.pem"), "kubelet-client");
    assert_eq!(located(&references, "/srv/k/certs/kubelet.crt"), "kubelet-serving");
    assert_eq!(located(&references, "/srv/k/certs/web.pem"), "other");
    let path = Path::new("/srv/k/certs/kubelet-client-current.pem");
    assert!(references.locate(path, None).pki.is_some());
}

proptest! {
    /// A relative path is relative to a directory that nobody knows.
    #[test]
    fn a_flag_that_is_unknown_or_relative_names_nothing(path in "[a-z./]{0,20}") {
        let path = path.trim_start_matches('/');
        let flags: &[(&str, &str)] = &[("tls-cert-file", path), ("no-such-file", "/a")];
        prop_assert!(references(&[(API_SERVER, flags)]).all().is_empty());
    }

    #[test]
    fn any_servers_are_some_answer(servers in "\\PC{0,40}", address in "\\PC{0,20}") {
        let _ = are_elsewhere(&servers, Some(&address));
    }
}
