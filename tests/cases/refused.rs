//! What Kubernetes' own library refuses is not OK in the files that its components read.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::node::{Node, SERVER, TEN_YEARS, YEAR};
use crate::common::pki::{Authority, kubeconfig};
use crate::common::run::{check_json, rows};

const PKI: &str = "etc/kubernetes/pki";
const NAMES: [&str; 3] = ["cp1", "kubernetes.default.svc", "10.0.0.11"];

fn healthy() -> (TempDir, Node) {
    let root = TempDir::new().unwrap();
    let node = Node::healthy(root.path());
    (root, node)
}

/// A finding as `critical pem_unreadable /etc/kubernetes/pki/ca.crt`, in the order of the output.
fn found(node: &Node) -> Vec<String> {
    found_in(&check_json(&node.root, &[]).0)
}

fn found_in(document: &Value) -> Vec<String> {
    let of_row = |row: &Value| -> Vec<String> {
        let path = row["path"].as_str().unwrap();
        let findings = row["findings"].as_array().unwrap().iter();
        findings
            .map(|it| {
                format!(
                    "{} {} {path}",
                    it["severity"].as_str().unwrap(),
                    it["code"].as_str().unwrap()
                )
            })
            .collect()
    };
    rows(document).iter().flat_map(of_row).collect()
}

/// The one finding of the node: its message and remedy.
fn only_finding(node: &Node) -> (String, String) {
    let (document, _) = check_json(&node.root, &[]);
    let findings: Vec<&Value> =
        rows(&document).iter().flat_map(|row| row["findings"].as_array().unwrap()).collect();
    let [finding] = findings[..] else { panic!("{findings:#?}") };
    let text = |field: &str| finding[field].as_str().unwrap().to_owned();
    (text("message"), text("remedy"))
}

/// The manifest of a kube-apiserver of this version.
fn manifest(node: &Node, version: &str, flags: &[&str]) {
    let flags: String = flags.iter().map(|flag| format!("    - '{flag}'\n")).collect();
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kube-apiserver\nspec:\n  containers:\n  - image: \
         registry.k8s.io/kube-apiserver:{version}\n    command:\n    - kube-apiserver\n{flags}"
    );
    node.write("etc/kubernetes/manifests/kube-apiserver.yaml", &text);
}

fn controller_manager(node: &Node, flags: &str) {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kube-controller-manager\nspec:\n  containers:\n  - image: \
         registry.k8s.io/kube-controller-manager:v1.34.1\n    command: [kube-controller-manager, {flags}]\n"
    );
    node.write("etc/kubernetes/manifests/kube-controller-manager.yaml", &text);
}

/// What a person does with a command, on this node.
fn paste(node: &Node, command: &str) {
    let command = command.replace("/etc/", &format!("{}/etc/", node.root.display()));
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
}

/// Runs openssl in the pki directory.
fn openssl(node: &Node, words: &str) {
    let mut command = Command::new("openssl");
    let ran = command.args(words.split_whitespace()).current_dir(node.path(PKI)).output().unwrap();
    assert!(ran.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// apiserver.crt signed by openssl with these options, with a key of these bits.
fn signed_by_openssl(node: &Node, bits: u32, options: &str) {
    node.write(
        &format!("{PKI}/ext"),
        "subjectAltName=DNS:cp1,IP:10.0.0.11\nextendedKeyUsage=serverAuth\n",
    );
    openssl(node, &format!("genrsa -out apiserver.key {bits}"));
    openssl(node, "req -new -key apiserver.key -subj /CN=kube-apiserver -out apiserver.csr");
    openssl(
        node,
        &format!(
            "x509 -req -in apiserver.csr -CA ca.crt -CAkey ca.key -days 365 -extfile ext {options} -out apiserver.crt"
        ),
    );
    node.remove(&format!("{PKI}/apiserver.csr"));
    node.remove(&format!("{PKI}/ext"));
}

type Change = fn(&str) -> Vec<u8>;

/// One certificate as PEM that lenient readers take, and Kubernetes does not.
const UNREADABLE: [(&str, Change); 9] = [
    ("a byte order mark", |pem| format!("\u{feff}{pem}").into_bytes()),
    ("line 1 is indented", |pem| format!("  {}", pem.replace('\n', "\n  ")).into_bytes()),
    ("is indented", |pem| pem.replace("-----END", "\t-----END").into_bytes()),
    ("CR alone", |pem| pem.replace('\n', "\r").into_bytes()),
    ("line 1 is not exactly", |pem| pem.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes()),
    ("line 1 is not exactly", |pem| pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE").into_bytes()),
    ("is not exactly `-----END", |pem| {
        pem.replace("END CERTIFICATE-----", "END CERTIFICATE----- # 2026").into_bytes()
    }),
    ("is not exactly `-----END", |pem| pem.replace("END CERT", "END X509 CERT").into_bytes()),
    ("DER", |pem| {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        STANDARD.decode(body).unwrap()
    }),
];

#[test]
fn pem_that_kubernetes_does_not_read_is_critical_for_its_components() {
    for name in ["apiserver", "front-proxy-client", "ca", "etcd/ca"] {
        for (why, change) in UNREADABLE {
            let (_root, node) = healthy();
            let path = format!("{PKI}/{name}.crt");
            let pem = node.read(&path);
            fs::write(node.path(&path), change(&pem)).unwrap();
            assert_eq!(found(&node), [format!("critical pem_unreadable /{path}")], "{why}");
            let (message, _) = only_finding(&node);
            assert!(message.contains(why), "{message}");
        }
    }
}

#[test]
fn the_command_that_is_offered_makes_it_readable() {
    for (why, change) in UNREADABLE {
        let (_root, node) = healthy();
        let path = format!("{PKI}/etcd/server.crt");
        let pem = node.read(&path);
        fs::write(node.path(&path), change(&pem)).unwrap();
        let (_, remedy) = only_finding(&node);
        let Some(command) = remedy.strip_prefix("run: ") else { continue };
        paste(&node, command);
        assert_eq!(found(&node), Vec::<String>::new(), "{why}: {command}");
    }
}

#[test]
fn pem_that_kubernetes_reads_is_fine_whatever_it_looks_like() {
    let cases: [Change; 6] = [
        |pem| pem.replace('\n', "\r\n").into_bytes(),
        |pem| format!("subject=x\nissuer=y\n\n{pem}\ntext behind it\n").into_bytes(),
        |pem| pem.trim_end().as_bytes().to_vec(),
        |pem| pem.replace("CERTIFICATE-----\n", "CERTIFICATE-----  \t\n").into_bytes(),
        |pem| pem.replace("\nMII", "\n  M I\tI").into_bytes(),
        |pem| {
            format!("-----BEGIN CERTIFICATE-----\nMII\n{pem}")
                .replace("-----BEGIN CERTIFICATE-----\nMII\n-", "-")
                .into_bytes()
        },
    ];
    for change in cases {
        for name in ["apiserver", "ca", "etcd/peer"] {
            let (_root, node) = healthy();
            let path = format!("{PKI}/{name}.crt");
            let pem = node.read(&path);
            fs::write(node.path(&path), change(&pem)).unwrap();
            assert_eq!(found(&node), Vec::<String>::new(), "{:?}", String::from_utf8(change(&pem)));
        }
    }
}

/// A key pair may have headers, a bundle of CAs loses what has some.
#[test]
fn headers_are_for_pairs_alone() {
    let with = |pem: &str| pem.replace("CERTIFICATE-----\nMII", "CERTIFICATE-----\nFrom: x\n\nMII");
    for (name, expected) in
        [("apiserver", vec![]), ("ca", vec!["critical pem_unreadable /etc/kubernetes/pki/ca.crt"])]
    {
        let (_root, node) = healthy();
        let path = format!("{PKI}/{name}.crt");
        let pem = node.read(&path);
        node.write(&path, &with(&pem));
        assert_eq!(found(&node), expected, "{name}");
    }
}

#[test]
fn other_people_s_files_are_read_leniently() {
    for (why, change) in UNREADABLE {
        let (_root, node) = healthy();
        let pem = node.read(&format!("{PKI}/apiserver.crt"));
        for path in ["srv/web.crt", "etc/kubernetes/pki/web.crt"] {
            fs::create_dir_all(node.path("srv")).unwrap();
            fs::write(node.path(path), change(&pem)).unwrap();
        }
        let (document, code) =
            check_json(&node.root, &["/srv/web.crt", "/etc/kubernetes/pki/web.crt"]);
        assert_eq!((code, found_in(&document)), (0, vec![]), "{why}");
        assert_eq!(found(&node), Vec::<String>::new(), "{why}");
    }
}

#[test]
fn pem_inside_a_component_s_kubeconfig_counts_as_its_file() {
    let change = |pem: &str| format!(" {pem}");
    let (_root, node) = healthy();
    let mut pair = node.ca.leaf("system:kube-scheduler", "", &[], YEAR);
    pair.certificate = change(&pair.certificate);
    node.conf("scheduler.conf", &pair);
    node.conf("user.conf", &pair);
    assert_eq!(found(&node), ["critical pem_unreadable /etc/kubernetes/scheduler.conf"]);
    let (_root, node) = healthy();
    let pair = node.ca.leaf("system:kube-scheduler", "", &[], YEAR);
    let ca = change(&node.ca.pair.certificate);
    let text = kubeconfig(SERVER, &ca, "system:kube-scheduler", &pair);
    node.write("etc/kubernetes/scheduler.conf", &text);
    assert_eq!(found(&node), ["critical pem_unreadable /etc/kubernetes/scheduler.conf"]);
}

#[test]
fn joined_blocks_are_lost_with_their_line() {
    let (_root, node) = healthy();
    let old = Authority::new("kubernetes", TEN_YEARS).pair.certificate;
    let ca = node.read(&format!("{PKI}/front-proxy-ca.crt"));
    let line = ca.lines().count();
    let joined = format!("{}{old}", ca.trim_end());
    node.write("srv/bundle.pem", &joined);
    let (document, code) = check_json(&node.root, &["/srv/bundle.pem"]);
    assert_eq!(
        (code, found_in(&document)),
        (3, vec!["unknown bad_pem /srv/bundle.pem".to_owned()])
    );
    node.write(&format!("{PKI}/front-proxy-ca.crt"), &joined);
    assert_eq!(found(&node), ["critical bad_pem /etc/kubernetes/pki/front-proxy-ca.crt"]);
    let (message, remedy) = only_finding(&node);
    assert!(message.contains(&format!("line {line} ")), "{message}");
    paste(&node, remedy.strip_prefix("run: ").unwrap());
    assert_eq!(found(&node), Vec::<String>::new());
    assert_eq!(node.read(&format!("{PKI}/front-proxy-ca.crt")), format!("{ca}{old}"));
}

#[test]
fn a_chain_of_joints_and_a_joint_with_a_key_are_seen_too() {
    let (_root, node) = healthy();
    let leaf = node.read(&format!("{PKI}/apiserver.crt"));
    let ca = node.read(&format!("{PKI}/ca.crt"));
    let key = node.read(&format!("{PKI}/apiserver.key"));
    for text in [format!("{}{ca}", leaf.trim_end()), format!("{}{leaf}", key.trim_end())] {
        node.write(&format!("{PKI}/apiserver.crt"), &text);
        assert_eq!(found(&node), ["critical bad_pem /etc/kubernetes/pki/apiserver.crt"]);
    }
    node.write(&format!("{PKI}/apiserver.crt"), &leaf);
    let three = format!("{0}{0}{ca}", ca.trim_end());
    node.write(&format!("{PKI}/ca.crt"), &three);
    let twice = ["critical bad_pem /etc/kubernetes/pki/ca.crt"; 2];
    assert_eq!(found(&node), twice);
    node.write(&format!("{PKI}/ca.crt"), &ca);
    let pair = node.ca.leaf("system:kube-scheduler", "", &[], YEAR);
    let bundle = format!("{}{ca}", ca.trim_end());
    let text = kubeconfig(SERVER, &bundle, "system:kube-scheduler", &pair);
    node.write("etc/kubernetes/scheduler.conf", &text);
    assert_eq!(found(&node), ["critical bad_pem /etc/kubernetes/scheduler.conf"]);
}

#[test]
fn a_server_needs_a_subject_alternative_name() {
    for name in ["apiserver", "etcd/server", "etcd/peer"] {
        let (_root, node) = healthy();
        let ca = if name == "apiserver" { &node.ca } else { &node.etcd_ca };
        node.write_pair(&format!("{PKI}/{name}"), &ca.leaf("cp1", "", &[], YEAR));
        assert_eq!(found(&node), [format!("critical no_san /{PKI}/{name}.crt")]);
        let (message, remedy) = only_finding(&node);
        assert!(message.contains("its common name does not count"), "{message}");
        assert!(remedy.contains("kubeadm init phase certs"), "{remedy}");
    }
    // Nobody verifies it by default.
    let (_root, node) = healthy();
    node.write_pair("var/lib/kubelet/pki/kubelet", &node.ca.leaf("cp1", "", &[], YEAR));
    assert_eq!(found(&node), ["warning no_san /var/lib/kubelet/pki/kubelet.crt"]);
}

#[test]
fn sha1_is_refused_from_kubernetes_1_24_on() {
    for (version, expected) in [
        ("v1.34.1", "critical"),
        ("v1.24.0", "critical"),
        ("latest", "critical"),
        ("v1.23.17", "warning"),
    ] {
        let (_root, mut node) = healthy();
        rsa_ca(&mut node);
        signed_by_openssl(&node, 2048, "-sha1");
        manifest(&node, version, &[]);
        assert_eq!(
            found(&node),
            [format!("{expected} weak_signature /{PKI}/apiserver.crt")],
            "{version}"
        );
        let (message, remedy) = only_finding(&node);
        assert!(message.contains("SHA-1, which Kubernetes 1.24 and later reject"), "{message}");
        assert_eq!(remedy, "run: certwatch renew apiserver --force");
    }
    let (_root, mut node) = healthy();
    rsa_ca(&mut node);
    manifest(&node, "v1.20.2", &[]);
    signed_by_openssl(&node, 2048, "-md5");
    let md5 = format!("critical weak_signature /{PKI}/apiserver.crt");
    assert!(found(&node).contains(&md5), "{:?}", found(&node));
}

/// The signature of what is trusted by itself is not looked at; that of what stands behind a leaf is.
#[test]
fn sha1_of_a_root_does_not_count_and_that_of_an_intermediate_does() {
    let (_root, node) = healthy();
    let path = format!("{PKI}/front-proxy-ca");
    openssl(&node, "genrsa -out front-proxy-ca.key 2048");
    openssl(
        &node,
        "req -x509 -new -key front-proxy-ca.key -subj /CN=front-proxy-ca -days 3650 -sha1 -addext keyUsage=keyCertSign -out front-proxy-ca.crt",
    );
    let client = node.ca.leaf("front-proxy-client", "", &[], YEAR);
    node.write(&format!("{PKI}/front-proxy-client.key"), &client.key);
    openssl(&node, "req -new -key front-proxy-client.key -subj /CN=front-proxy-client -out c.csr");
    openssl(
        &node,
        "x509 -req -in c.csr -CA front-proxy-ca.crt -CAkey front-proxy-ca.key -days 365 -out front-proxy-client.crt",
    );
    node.remove(&format!("{PKI}/c.csr"));
    assert_eq!(found(&node), Vec::<String>::new());

    openssl(&node, "genrsa -out middle.key 2048");
    openssl(&node, "req -new -key middle.key -subj /CN=middle -out c.csr");
    node.write(&format!("{PKI}/ext"), "basicConstraints=critical,CA:TRUE\n");
    openssl(
        &node,
        "x509 -req -in c.csr -CA front-proxy-ca.crt -CAkey front-proxy-ca.key -days 365 -sha1 -extfile ext -out middle.crt",
    );
    openssl(&node, "req -new -key front-proxy-client.key -subj /CN=front-proxy-client -out c.csr");
    openssl(
        &node,
        "x509 -req -in c.csr -CA middle.crt -CAkey middle.key -days 365 -out front-proxy-client.crt",
    );
    let chain = node.read(&format!("{PKI}/front-proxy-client.crt"))
        + &node.read(&format!("{PKI}/middle.crt"));
    node.write(&format!("{PKI}/front-proxy-client.crt"), &chain);
    for name in ["middle.crt", "middle.key", "c.csr", "ext"] {
        node.remove(&format!("{PKI}/{name}"));
    }
    let expected = format!("critical weak_signature /{PKI}/front-proxy-client.crt");
    assert_eq!(found(&node), [expected], "{path}");
}

/// A cluster CA of RSA, and all that it has to sign anew.
fn rsa_ca(node: &mut Node) {
    openssl(node, "genrsa -out ca.key 2048");
    let key = KeyPair::from_pem(&pkcs8(node)).unwrap();
    node.ca = Authority::changed("kubernetes", TEN_YEARS, key, |_| ());
    node.write_cas();
    for name in ["apiserver", "apiserver-kubelet-client"] {
        node.leaf(name, YEAR);
    }
    for (name, user) in [
        ("admin.conf", "kubernetes-admin"),
        ("controller-manager.conf", "system:kube-controller-manager"),
        ("scheduler.conf", "system:kube-scheduler"),
    ] {
        node.conf(name, &node.ca.leaf(user, "", &[], YEAR));
    }
    node.write("root/.kube/config", &node.read("etc/kubernetes/admin.conf"));
    node.kubelet_client(YEAR);
    let pair = node.ca.leaf("x", "", &[], YEAR);
    let by_path = kubeconfig(SERVER, &node.ca.pair.certificate, "system:node:cp1", &pair);
    let by_path: Vec<&str> = by_path.lines().filter(|line| !line.contains("client-")).collect();
    let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let user = format!("    client-certificate: {current}\n    client-key: {current}\n");
    node.write("etc/kubernetes/kubelet.conf", &(by_path.join("\n") + "\n" + &user));
}

fn pkcs8(node: &Node) -> String {
    openssl(node, "pkcs8 -topk8 -nocrypt -in ca.key -out ca8.key");
    let text = node.read(&format!("{PKI}/ca8.key"));
    node.remove(&format!("{PKI}/ca8.key"));
    text
}

#[test]
fn a_negative_serial_number_and_a_short_key_are_refused_by_later_versions() {
    for (bits, options, code, version, severity) in [
        (2048, "-set_serial -5", "negative_serial", "v1.32.0", "critical"),
        (2048, "-set_serial -5", "negative_serial", "v1.31.9", "warning"),
        (512, "", "weak_key", "v1.33.0", "critical"),
        (512, "", "weak_key", "v1.32.9", "warning"),
        (1024, "", "", "v1.37.0", ""),
    ] {
        let (_root, node) = healthy();
        signed_by_openssl(&node, bits, options);
        manifest(&node, version, &[]);
        let expected = format!("{severity} {code} /{PKI}/apiserver.crt");
        let expected: Vec<String> = if code.is_empty() { vec![] } else { vec![expected] };
        assert_eq!(found(&node), expected, "{bits} {options} {version}");
    }
}

fn extension(oid: &[u64], is_critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, vec![5, 0]);
    extension.set_criticality(is_critical);
    extension
}

#[test]
fn extensions_that_go_does_not_know_or_take_are_refused() {
    let with = |extensions: Vec<CustomExtension>| {
        let (_root, node) = healthy();
        let leaf = node
            .ca
            .changed_leaf("apiserver", "", &NAMES, YEAR, |it| it.custom_extensions = extensions);
        node.write_pair(&format!("{PKI}/apiserver"), &leaf);
        found(&node)
    };
    let expected = |code: &str| vec![format!("critical {code} /{PKI}/apiserver.crt")];
    assert_eq!(with(vec![extension(&[1, 2, 3, 4], true)]), expected("unknown_critical_extension"));
    assert_eq!(with(vec![extension(&[1, 2, 3, 4], false)]), Vec::<String>::new());
    let twice = || extension(&[1, 2, 3, 4], false);
    assert_eq!(with(vec![twice(), twice()]), expected("duplicate_extension"));
    // The subject key identifier must not be critical.
    let mut identifier = CustomExtension::from_oid_content(&[2, 5, 29, 14], vec![4, 1, 7]);
    identifier.set_criticality(true);
    assert_eq!(with(vec![identifier]), expected("malformed_certificate"));
}

#[test]
fn the_extended_key_usage_has_to_fit() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    for (name, usages, is_refused) in [
        ("apiserver", &[ServerAuth][..], false),
        ("apiserver", &[Any], false),
        ("apiserver", &[], false),
        ("apiserver", &[ClientAuth], true),
        ("apiserver-kubelet-client", &[ClientAuth], false),
        ("apiserver-kubelet-client", &[ServerAuth], true),
        ("etcd/server", &[ServerAuth], false),
        ("etcd/peer", &[ServerAuth, ClientAuth], false),
        ("etcd/peer", &[ServerAuth], true),
        ("etcd/peer", &[ClientAuth], true),
        ("front-proxy-client", &[CodeSigning], true),
    ] {
        let (_root, node) = healthy();
        let ca = match name {
            "front-proxy-client" => &node.front_proxy_ca,
            _ if name.starts_with("etcd") => &node.etcd_ca,
            _ => &node.ca,
        };
        let leaf =
            ca.changed_leaf("x", "", &NAMES, YEAR, |it| it.extended_key_usages = usages.to_vec());
        node.write_pair(&format!("{PKI}/{name}"), &leaf);
        let expected = format!("critical wrong_usage /{PKI}/{name}.crt");
        let expected: Vec<String> = if is_refused { vec![expected] } else { vec![] };
        assert_eq!(found(&node), expected, "{name} {usages:?}");
    }
}

#[test]
fn a_ca_must_be_one() {
    let with = |change: fn(&mut rcgen::CertificateParams)| {
        let (_root, mut node) = healthy();
        let key = KeyPair::generate().unwrap();
        node.front_proxy_ca = Authority::changed("front-proxy-ca", TEN_YEARS, key, change);
        node.write_cas();
        node.leaf("front-proxy-client", YEAR);
        found(&node)
    };
    let refused = [format!("critical not_a_ca /{PKI}/front-proxy-ca.crt")];
    assert_eq!(with(|it| it.is_ca = IsCa::ExplicitNoCa), refused);
    assert_eq!(with(|it| it.key_usages = vec![KeyUsagePurpose::DigitalSignature]), refused);
    assert_eq!(with(|it| it.key_usages = vec![]), Vec::<String>::new());
    // It signs clients alone.
    assert_eq!(
        with(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        Vec::<String>::new()
    );
    let usage = [format!("critical wrong_usage /{PKI}/front-proxy-ca.crt")];
    assert_eq!(
        with(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        usage
    );
}

#[test]
fn kube_controller_manager_signs_with_exactly_one() {
    let signing = "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt";
    let (_root, node) = healthy();
    let new = Authority::new("kubernetes", TEN_YEARS);
    let ca = format!("{PKI}/ca.crt");
    let one = node.read(&ca);
    let both = one.clone() + &new.pair.certificate;
    controller_manager(&node, signing);
    assert_eq!(found(&node), Vec::<String>::new());
    for text in [both.clone(), new.pair.certificate.clone() + &one] {
        node.write(&ca, &text);
        assert_eq!(found(&node), ["critical several_certificates /etc/kubernetes/pki/ca.crt"]);
        let (message, remedy) = only_finding(&node);
        assert!(message.contains("kube-controller-manager fails at its next start"), "{message}");
        assert!(remedy.contains("/etc/kubernetes/pki/ca-signing.crt"), "{remedy}");
    }
    // The way out: the signing file is another one, and the bundle may stay.
    node.write(&format!("{PKI}/ca-signing.crt"), &one);
    let separate = "--cluster-signing-cert-file=/etc/kubernetes/pki/ca-signing.crt, \
                    --cluster-signing-key-file=/etc/kubernetes/pki/ca.key";
    controller_manager(&node, separate);
    assert_eq!(found(&node), Vec::<String>::new());
    node.write(&format!("{PKI}/ca-signing.crt"), &both);
    assert_eq!(found(&node), ["critical several_certificates /etc/kubernetes/pki/ca-signing.crt"]);
    node.remove(&format!("{PKI}/ca-signing.crt"));
    // It signs nothing, or has a file for one signer alone.
    controller_manager(&node, "--root-ca-file=/etc/kubernetes/pki/ca.crt");
    assert_eq!(found(&node), Vec::<String>::new());
    let kubelets = "--cluster-signing-kubelet-client-cert-file, /etc/kubernetes/pki/ca.crt";
    controller_manager(&node, kubelets);
    assert_eq!(found(&node), ["critical several_certificates /etc/kubernetes/pki/ca.crt"]);
}

const SERVING: &str = "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt";

#[test]
fn the_name_that_a_kubeconfig_dials_must_be_there() {
    let (_root, node) = healthy();
    manifest(&node, "v1.34.1", &[SERVING]);
    assert_eq!(found(&node), Vec::<String>::new());
    let dial = |name: &str, server: &str| {
        let text = node.read(&format!("etc/kubernetes/{name}"));
        node.write(&format!("etc/kubernetes/{name}"), &text.replace(SERVER, server));
    };
    dial("scheduler.conf", "https://CP1:6443");
    assert_eq!(found(&node), Vec::<String>::new());
    dial("admin.conf", "https://api.example.com:6443");
    node.remove("root/.kube/config");
    let missing = format!("critical name_missing /{PKI}/apiserver.crt");
    assert_eq!(found(&node), std::slice::from_ref(&missing));
    let (message, remedy) = only_finding(&node);
    assert!(message.contains("api.example.com, which /etc/kubernetes/admin.conf"), "{message}");
    assert!(remedy.contains("api.example.com to apiServer.certSANs"), "{remedy}");
    let conf = node.read("etc/kubernetes/admin.conf");
    let cluster = "    server: https://api.example.com:6443\n";
    let with = |more: &str| {
        node.write(
            "etc/kubernetes/admin.conf",
            &conf.replace(cluster, &format!("{cluster}    {more}\n")),
        );
        found(&node)
    };
    assert_eq!(with("tls-server-name: cp1"), Vec::<String>::new());
    assert_eq!(with("tls-server-name: cp2"), [missing]);
    let insecure = with("insecure-skip-tls-verify: true");
    assert_eq!(insecure, ["critical refused_kubeconfig /etc/kubernetes/admin.conf"]);
}

#[test]
fn what_others_may_dial_is_a_warning() {
    let (_root, node) = healthy();
    let range = "--service-cluster-ip-range=10.96.0.0/12";
    let warning = [format!("warning name_missing /{PKI}/apiserver.crt")];
    manifest(&node, "v1.34.1", &[SERVING, range]);
    assert_eq!(found(&node), warning);
    manifest(&node, "v1.34.1", &[SERVING, "--advertise-address=10.0.0.12"]);
    assert_eq!(found(&node), warning);
    manifest(&node, "v1.34.1", &[SERVING, "--advertise-address=10.0.0.11"]);
    assert_eq!(found(&node), Vec::<String>::new());
    // Another certificate may be for that name.
    node.write_pair("a", &node.ca.leaf("x", "", &["10.96.0.1"], YEAR));
    manifest(&node, "v1.34.1", &[SERVING, range, "--tls-sni-cert-key=/a.crt,/a.key"]);
    assert_eq!(found(&node), Vec::<String>::new());
    let names = [&NAMES[..], &["10.96.0.1"]].concat();
    node.write_pair(&format!("{PKI}/apiserver"), &node.ca.leaf("x", "", &names, YEAR));
    manifest(&node, "v1.34.1", &[SERVING, range]);
    assert_eq!(found(&node), Vec::<String>::new());
}

#[test]
fn the_name_by_which_the_api_server_reaches_etcd_must_be_there() {
    let (_root, node) = healthy();
    let etcd = |address: &str| {
        let text = format!(
            "spec:\n  containers:\n  - image: registry.k8s.io/etcd:3.6.4-0\n    command: [etcd, \
             --cert-file=/etc/kubernetes/pki/etcd/server.crt, --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt, \
             --advertise-client-urls=https://{address}:2379, --initial-advertise-peer-urls=https://{address}:2380]\n"
        );
        node.write("etc/kubernetes/manifests/etcd.yaml", &text);
    };
    manifest(&node, "v1.34.1", &["--etcd-servers=https://127.0.0.1:2379"]);
    etcd("127.0.0.1");
    assert_eq!(found(&node), Vec::<String>::new());
    etcd("10.0.0.7");
    let warnings =
        ["peer", "server"].map(|name| format!("warning name_missing /{PKI}/etcd/{name}.crt"));
    assert_eq!(found(&node), warnings);
    manifest(&node, "v1.34.1", &["--etcd-servers=https://10.0.0.7:2379,https://10.0.0.8:2379"]);
    let found = found(&node);
    assert!(found.contains(&format!("critical name_missing /{PKI}/etcd/server.crt")), "{found:?}");
    assert!(!found.iter().any(|it| it.contains("critical") && it.contains("peer")), "{found:?}");
}

/// client-go reads none of a kubeconfig of which it does not take a part.
#[test]
fn a_kubeconfig_that_client_go_refuses_is_not_ok() {
    let (_root, node) = healthy();
    let path = "etc/kubernetes/scheduler.conf";
    let whole = node.read(path);
    let end = |text: &str, field: &str, end: &str| {
        let at = text.find(field).unwrap();
        let line = at + text[at..].find('\n').unwrap();
        format!("{}{end}{}", &text[..line], &text[line..])
    };
    let key = whole.split("client-key-data: ").nth(1).unwrap().split('\n').next().unwrap();
    for (broken, code) in [
        (whole.replace("kind: Config", "kind: Secret"), "refused_kubeconfig"),
        (whole.replace("apiVersion: v1", "apiVersion: v2"), "refused_kubeconfig"),
        (whole.replace("users:\n", "users:\n- {name: x}\n- {name: x}\n"), "refused_kubeconfig"),
        (whole.replace("users:\n", "users:\n- {name: 7}\n"), "decode_failed"),
        (end(&whole, "client-key-data:", "?"), "refused_kubeconfig"),
        (whole.replace(key, "QUJD"), "refused_kubeconfig"),
        (end(&whole, "client-certificate-data:", "A"), "bad_base64"),
        (end(&whole, "certificate-authority-data:", "A"), "bad_base64"),
    ] {
        assert_ne!(broken, whole);
        node.write(path, &broken);
        let found = found(&node);
        let expected = format!("critical {code} /{path}");
        assert!(found.contains(&expected), "{found:?}\n{expected}");
    }
    node.write(path, &whole);
    assert_eq!(found(&node), [""; 0]);
}
