use proptest::prelude::*;

use super::*;
use crate::domain::kubernetes::KNOWN;
use crate::domain::renewal::kubeadm_config::{Loss, keep, write};

const AS_DEFAULT: ClusterConfig = ClusterConfig {
    kubernetes: None,
    certificates_dir: PathBuf::new(),
    etcd: Etcd::Local,
    algorithm: KeyAlgorithm::Rsa2048,
    validity: None,
};

fn by_default() -> ClusterConfig {
    ClusterConfig { certificates_dir: "/etc/kubernetes/pki".into(), ..AS_DEFAULT }
}

#[test]
fn reads_what_kubeadm_keeps_in_the_cluster() {
    let config = read(
        "apiServer: {}\napiVersion: kubeadm.k8s.io/v1beta4\ncaCertificateValidityPeriod: 87600h0m0s\n\
         certificateValidityPeriod: 8760h0m0s\ncertificatesDir: /etc/kubernetes/pki\nclusterName: kubernetes\n\
         encryptionAlgorithm: ECDSA-P384\netcd:\n  local:\n    dataDir: /var/lib/etcd\n\
         kind: ClusterConfiguration\nkubernetesVersion: v1.37.2\n",
    )
    .unwrap();
    assert_eq!(config.kubernetes, Version::parse("v1.37.2"));
    assert_eq!(
        (config.algorithm, config.validity),
        (KeyAlgorithm::EcdsaP384, Some(Span::days(365)))
    );
    assert_eq!(
        (config.etcd, config.certificates_dir),
        (Etcd::Local, by_default().certificates_dir)
    );
}

#[test]
fn an_external_etcd_is_seen_in_any_of_several_documents() {
    let config = read(
        "apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n---\n\
         apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n---\n\
         apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\nkubernetesVersion: stable-1\n\
         etcd: {external: {endpoints: ['https://10.0.0.9:2379'], caFile: /ca, certFile: '', keyFile: ''}}\n",
    )
    .unwrap();
    let external = ExternalEtcd {
        endpoints: vec!["https://10.0.0.9:2379".to_owned()],
        ca_file: Some("/ca".to_owned()),
        ..ExternalEtcd::default()
    };
    assert_eq!(config, ClusterConfig { etcd: Etcd::External(external), ..by_default() });
}

/// An upgrade to 1.31 leaves the gate where it was, and 1.37 does not know it any more.
#[test]
fn the_gate_of_old_stands_for_ecdsa() {
    for (fields, algorithm) in [
        ("", KeyAlgorithm::Rsa2048),
        ("featureGates: {}\n", KeyAlgorithm::Rsa2048),
        (
            "featureGates: {PublicKeysECDSA: false, RootlessControlPlane: true}\n",
            KeyAlgorithm::Rsa2048,
        ),
        ("featureGates: {PublicKeysECDSA: true}\n", KeyAlgorithm::EcdsaP256),
        (
            "featureGates: {PublicKeysECDSA: true}\nencryptionAlgorithm: RSA-2048\n",
            KeyAlgorithm::EcdsaP256,
        ),
        (
            "featureGates: {PublicKeysECDSA: false}\nencryptionAlgorithm: RSA-3072\n",
            KeyAlgorithm::Rsa2048,
        ),
        ("encryptionAlgorithm: ''\n", KeyAlgorithm::Rsa2048),
    ] {
        let text =
            format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n{fields}");
        assert_eq!(read(&text).unwrap().algorithm, algorithm, "{fields}");
    }
}

#[test]
fn what_is_no_cluster_configuration_is_refused() {
    assert_eq!(read("apiVersion: v1\nkind: Pod\n"), Err(Unreadable::Missing));
    assert_eq!(
        read("apiVersion: example.org/v1beta4\nkind: ClusterConfiguration\n"),
        Err(Unreadable::Missing)
    );
    assert_eq!(read(""), Err(Unreadable::Missing));
    assert!(matches!(read("a: ["), Err(Unreadable::Form(_))));
}

/// A default in its place would be a guess.
#[test]
fn what_is_not_understood_is_refused_by_name() {
    let said = |version: &str, fields: &str| {
        let text =
            format!("apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration\n{fields}\n");
        read(&text).unwrap_err().to_string()
    };
    assert_eq!(
        said("v2", ""),
        "its API version is kubeadm.k8s.io/v2, which certwatch does not know"
    );
    assert_eq!(
        said("v1beta4", "encryptionAlgorithm: ML-DSA-44"),
        "its encryptionAlgorithm is `ML-DSA-44`, which is not known here"
    );
    for odd in ["1d", "-1h", "0s", "1", ""] {
        assert_eq!(
            said("v1beta4", &format!("certificateValidityPeriod: '{odd}'")),
            format!("its certificateValidityPeriod is `{odd}`, which is not known here")
        );
    }
    assert!(said("v1beta4", "etcd: 7").contains("not of the expected form (line 3"));
}

#[test]
fn durations_as_go_writes_them() {
    assert_eq!(lifetime("1h1m1s"), Some(Span::seconds(3_661)));
    for odd in ["", "0s", "h", "1d", "1h2", "hm", "99999999999999999999h"] {
        assert_eq!(lifetime(odd), None, "{odd}");
    }
}

fn file() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), any::<String>().prop_map(Some), "/[ -~é]{0,20}".prop_map(Some)]
}

fn external() -> impl Strategy<Value = Etcd> {
    let endpoint = prop_oneof![any::<String>(), "https?://[ -~]{0,20}"];
    let endpoints = prop::collection::vec(endpoint, 0..4);
    (endpoints, file(), file(), file()).prop_map(|(endpoints, ca_file, cert_file, key_file)| {
        Etcd::External(ExternalEtcd { endpoints, ca_file, cert_file, key_file })
    })
}

const DIRS: [&str; 7] = [
    "/etc/kubernetes/pki",
    "/etc/kubernetes/ssl",
    "/etc/kubernetes/x",
    "/srv/k8s certs: \"x\\",
    "/a\nb: c",
    "/etc",
    "",
];

fn configs() -> impl Strategy<Value = ClusterConfig> {
    let kubernetes = prop::option::of((1..3_u32, 0..99_u32, 0..99_u32));
    (
        kubernetes,
        prop::sample::select(&DIRS[..]),
        prop_oneof![Just(Etcd::Local), external()],
        prop::sample::select(&KeyAlgorithm::ALL[..]),
        prop::option::of((1..4_000_000_000_i64).prop_map(Span::seconds)),
    )
        .prop_map(|(kubernetes, dir, etcd, algorithm, validity)| ClusterConfig {
            kubernetes: kubernetes.map(|(major, minor, patch)| Version { major, minor, patch }),
            certificates_dir: dir.into(),
            etcd,
            algorithm,
            validity,
        })
}

fn kubeadm() -> impl Strategy<Value = Version> {
    (10..60_u32, 0..30_u32).prop_map(|(minor, patch)| Version { major: 1, minor, patch })
}

/// What a text of this kubeadm's API version still says of it.
fn as_said(
    config: &ClusterConfig,
    losses: &[Loss],
    is_newest: bool,
    kubeadm: Version,
) -> ClusterConfig {
    let loses_size = losses.iter().any(|loss| matches!(loss, Loss::KeySize(_)));
    ClusterConfig {
        kubernetes: Some(kubeadm),
        algorithm: if loses_size { KeyAlgorithm::Rsa2048 } else { config.algorithm },
        validity: config.validity.filter(|_| is_newest),
        ..config.clone()
    }
}

proptest! {
    /// No name can bring in a line of its own, and nothing is lost that is not told.
    #[test]
    fn what_is_written_reads_back(config in configs(), kubeadm in kubeadm()) {
        if let Ok(written) = write(&config, kubeadm) {
            let is_newest = written.text.contains("kubeadm.k8s.io/v1beta4");
            prop_assert_eq!(read(&written.text).unwrap(), as_said(&config, &written.losses, is_newest, kubeadm));
            let is_year = config.validity.is_none_or(|it| it == Span::days(365));
            let tells = written.losses.iter().any(|loss| matches!(loss, Loss::Validity(_)));
            prop_assert_eq!(tells, !is_newest && !is_year);
            prop_assert_eq!(documents(&written.text).count(), 2);
        }
    }

    #[test]
    fn what_is_kept_reads_back_whole(config in configs()) {
        if let Ok(text) = keep(&config) {
            prop_assert_eq!(read(&text).unwrap(), config);
        }
    }

    /// Whatever is right is written, for each kubeadm that is known.
    #[test]
    fn a_plain_configuration_is_never_refused(
        config in configs(),
        minor in KNOWN,
        host in "[a-z0-9.-]{1,20}",
    ) {
        let kubeadm = Version { major: 1, minor, patch: 0 };
        let etcd = match config.etcd {
            Etcd::Local => Etcd::Local,
            Etcd::External(_) => Etcd::External(ExternalEtcd {
                endpoints: vec![format!("https://{host}:2379")],
                key_file: Some(format!("/{host}")),
                ..ExternalEtcd::default()
            }),
        };
        let plain = ClusterConfig { etcd, ..config };
        let plain = ClusterConfig { certificates_dir: "/etc/kubernetes/ssl".into(), ..plain };
        let is_p384 = plain.algorithm == KeyAlgorithm::EcdsaP384;
        prop_assert!(is_p384 || write(&plain, kubeadm).is_ok());
        prop_assert!(keep(&plain).is_ok());
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = read(&text);
    }
}
