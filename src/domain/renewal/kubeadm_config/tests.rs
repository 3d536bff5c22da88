use super::*;

fn config() -> ClusterConfig {
    ClusterConfig {
        kubernetes: Version::parse("v1.20.2"),
        certificates_dir: "/etc/kubernetes/pki".into(),
        etcd: Etcd::Local,
        algorithm: KeyAlgorithm::EcdsaP256,
        validity: Some(Span::hours(100)),
    }
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn the_newest_version_that_kubeadm_reads_is_written() {
    for (kubeadm, api) in [
        ("v1.14.0", None),
        ("v1.20.2", Some(ApiVersion::V1beta2)),
        ("v1.22.0", Some(ApiVersion::V1beta3)),
        ("v1.30.9", Some(ApiVersion::V1beta3)),
        ("v1.31.0", Some(ApiVersion::V1beta4)),
        ("v1.38.0-alpha.1", Some(ApiVersion::V1beta4)),
        ("v2.0.0", None),
    ] {
        let kubeadm = version(kubeadm);
        assert_eq!(ApiVersion::newest(kubeadm), api, "{kubeadm}");
        let written = write(&config(), kubeadm);
        match api {
            None => assert_eq!(written, Err(KubeadmConfigError::NoApi(kubeadm))),
            Some(api) => {
                let text = written.unwrap().text;
                assert_eq!(text.matches(&format!("apiVersion: {}\n", api.name())).count(), 2);
                assert!(text.contains(&format!("kubernetesVersion: v{kubeadm}\n")), "{text}");
            }
        }
    }
}

#[test]
fn the_text_of_today() {
    insta::assert_snapshot!(write(&config(), version("v1.37.2")).unwrap().text);
}

#[test]
fn the_text_of_old() {
    let etcd = ExternalEtcd {
        endpoints: vec!["https://10.0.0.9:2379".to_owned(), "https://[fd00::9]:2379".to_owned()],
        ca_file: Some("/etc/etcd \"own\"/ca.crt".to_owned()),
        cert_file: Some("/etc/etcd/client.crt".to_owned()),
        key_file: Some("/etc/etcd/client.key".to_owned()),
    };
    let written =
        write(&ClusterConfig { etcd: Etcd::External(etcd), ..config() }, version("v1.20.2"));
    let written = written.unwrap();
    assert_eq!(written.losses, [Loss::Validity(Span::hours(100))]);
    insta::assert_snapshot!(written.text);
}

#[test]
fn what_an_old_kubeadm_cannot_be_told_is_told_to_people_or_refused() {
    let of = |algorithm, kubeadm: &str| {
        let config = ClusterConfig { algorithm, validity: Some(Span::days(365)), ..config() };
        write(&config, version(kubeadm)).map(|written| written.losses)
    };
    for size in [KeyAlgorithm::Rsa3072, KeyAlgorithm::Rsa4096] {
        assert_eq!(of(size, "v1.30.0"), Ok(vec![Loss::KeySize(size)]));
        assert_eq!(of(size, "v1.31.0"), Ok(Vec::new()));
    }
    for kubeadm in ["v1.20.2", "v1.31.0", "v1.33.5"] {
        let refusal = KubeadmConfigError::Algorithm(KeyAlgorithm::EcdsaP384, version(kubeadm));
        assert_eq!(of(KeyAlgorithm::EcdsaP384, kubeadm), Err(refusal));
    }
    assert_eq!(of(KeyAlgorithm::EcdsaP384, "v1.34.0"), Ok(Vec::new()));
    assert_eq!(of(KeyAlgorithm::Rsa2048, "v1.20.2"), Ok(Vec::new()));
}

#[test]
fn what_does_not_belong_there_is_refused() {
    let external = |endpoint: &str, file: &str| {
        let etcd = ExternalEtcd {
            endpoints: vec![endpoint.to_owned()],
            ca_file: Some(file.to_owned()),
            ..ExternalEtcd::default()
        };
        keep(&ClusterConfig { etcd: Etcd::External(etcd), ..config() })
    };
    assert!(external("https://a:2379", "/ca").is_ok());
    for endpoint in
        ["a:2379", "https://", "https://user:secret@a:2379", "https://a\nb: c", "unix:///a"]
    {
        let refusal = external(endpoint, "/ca").unwrap_err();
        assert_eq!(refusal, KubeadmConfigError::Odd("an endpoint of etcd", endpoint.to_owned()));
    }
    for file in ["ca.crt", "/ca\ncertFile: /x", "/\u{202e}ca", ""] {
        assert_eq!(
            external("https://a", file),
            Err(KubeadmConfigError::Odd("caFile", file.to_owned()))
        );
    }
    let none = Etcd::External(ExternalEtcd::default());
    assert_eq!(
        keep(&ClusterConfig { etcd: none, ..config() }),
        Err(KubeadmConfigError::NoEndpoints)
    );
    let at = |dir: &str| keep(&ClusterConfig { certificates_dir: dir.into(), ..config() });
    for dir in ["/etc/kubernetes", "/etc", "/srv/../x", "pki"] {
        assert_eq!(at(dir), Err(KubeadmConfigError::CertificatesDir(dir.into())));
    }
    let lines = "/srv/a\nb: c";
    assert_eq!(at(lines), Err(KubeadmConfigError::Odd("certificatesDir", lines.to_owned())));
}

/// kubeadm sees a copy of the tree as /etc/kubernetes, and nothing else of the node.
#[test]
fn what_lies_in_another_directory_is_on_the_stage_for_kubeadm() {
    for (dir, written, staged) in [
        ("/etc/kubernetes/pki", "/etc/kubernetes/pki", "/etc/kubernetes/pki"),
        ("/etc/kubernetes//x/", "/etc/kubernetes/x", "/etc/kubernetes/x"),
        ("/srv/my \"pki\"/", r#"/srv/my \"pki\""#, r#"/etc/kubernetes/elsewhere/srv/my \"pki\""#),
        ("/etc/kubernetes2", "/etc/kubernetes2", "/etc/kubernetes/elsewhere/etc/kubernetes2"),
    ] {
        let config = ClusterConfig { certificates_dir: dir.into(), ..config() };
        let KubeadmConfig { text, .. } = write(&config, version("v1.37.2")).unwrap();
        let line = |dir: &str| format!("certificatesDir: \"{dir}\"\n");
        assert!(text.contains(&line(written)), "{text}");
        let on_stage = for_stage(&text);
        assert_eq!(on_stage, text.replace(&line(written), &line(staged)));
    }
}

#[test]
fn every_algorithm_is_found_by_its_name() {
    for algorithm in KeyAlgorithm::ALL {
        assert_eq!(KeyAlgorithm::named(algorithm.name()), Some(algorithm));
    }
    assert_eq!(KeyAlgorithm::named("rsa-2048"), None);
}
