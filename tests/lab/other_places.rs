//! Clusters whose certificates, or whose etcd, are not where kubeadm has them by itself.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{CERTWATCH, Cluster, KUBELET_CLIENT, Node, WORK};

/// Less than kubeadm and the controller-manager give.
const YEAR: Duration = Duration::from_secs(360 * 86_400);

/// Makes the cluster's configuration in `$1` known to the cluster.
const TELL: &str = r#"
    kubectl -n kube-system create configmap kubeadm-config --from-file=ClusterConfiguration="$1" --dry-run=client -o yaml |
        kubectl replace -f -"#;

/// As after `certificatesDir: /etc/k8s-certs`. In the directory of manifests, the kubelet would take sed's own file for one.
const MOVE_CERTIFICATES: &str = r"
    systemctl stop kubelet
    mv /etc/kubernetes/pki /etc/k8s-certs
    sed -i 's,/etc/kubernetes/pki,/etc/k8s-certs,g' /etc/kubernetes/manifests/*.yaml /var/lib/kubelet/config.yaml";

/// etcd becomes a service with its own directory, as on a machine of its own, and the API server its client from another
/// one. kubeadm has neither.
const MOVE_ETCD: &str = r"
    systemctl stop kubelet
    manifests=/etc/kubernetes/manifests pki=/etc/kubernetes/pki
    mkdir /etc/etcd-client
    cp $pki/etcd/ca.crt /etc/etcd-client
    for end in crt key; do mv $pki/apiserver-etcd-client.$end /etc/etcd-client/client.$end; done
    mv $pki/etcd /etc/etcd-server
    {
        printf '[Service]\nExecStart='
        sed -n 's/^    - \(etcd\|--.*\)$/\1/p' $manifests/etcd.yaml |
            sed 's,^etcd$,/usr/bin/etcd,; s,/etc/kubernetes/pki/etcd,/etc/etcd-server,' | tr '\n' ' '
        printf '\n[Install]\nWantedBy=multi-user.target\n'
    } >/etc/systemd/system/external-etcd.service
    rm $manifests/etcd.yaml
    sed -i 's,--etcd-cafile=.*,--etcd-cafile=/etc/etcd-client/ca.crt,
        s,--etcd-certfile=.*,--etcd-certfile=/etc/etcd-client/client.crt,
        s,--etcd-keyfile=.*,--etcd-keyfile=/etc/etcd-client/client.key,
        s,--etcd-servers=.*,--etcd-servers=https://10.77.0.1:2379,
        s,^    volumeMounts:$,&\n    - {mountPath: /etc/etcd-client\, name: etcd-client\, readOnly: true},
        s,^  volumes:$,&\n  - {hostPath: {path: /etc/etcd-client}\, name: etcd-client},' $manifests/kube-apiserver.yaml
    systemctl enable external-etcd";

/// The files of what kubeadm renews here, before anything is moved.
fn files(node: Node<'_>, with_etcd: bool) -> Vec<String> {
    let names = node.names().iter().filter(|(name, _)| with_etcd || !name.contains("etcd"));
    names.map(|(_, file)| format!("/etc/kubernetes/{file}")).collect()
}

/// Where it is once [`MOVE_CERTIFICATES`] is done.
fn moved(file: &str) -> String {
    file.replace("/etc/kubernetes/pki", "/etc/k8s-certs")
}

fn serials(node: Node<'_>, files: &[String]) -> Vec<String> {
    files.iter().map(|file| node.serial(file)).collect()
}

fn age(node: Node<'_>, files: &[String]) {
    for file in files.iter().map(String::as_str).chain([KUBELET_CLIENT]) {
        node.age(file, "13 months ago", "1 month ago");
    }
}

/// The cluster's configuration with `edit`, a sed program, done to it.
fn reconfigure(node: Node<'_>, edit: &str) {
    let config = node.keep_cluster_config();
    let script = format!("sed -i '{edit}' \"$1\"; {TELL}");
    node.run(&["bash", "-euc", &script, "--", config]);
    node.run(&["rm", config]);
}

const TO_K8S_CERTS: &str = "s,^certificatesDir: .*,certificatesDir: /etc/k8s-certs,";
const TO_EXTERNAL: &str = "/^etcd:/,/^[^ ]/{s/^  local:/  external:/; \
    s,^    dataDir:.*,    endpoints: [https://10.77.0.1:2379]\\n    caFile: /etc/etcd-client/ca.crt\\n    \
    certFile: /etc/etcd-client/client.crt\\n    keyFile: /etc/etcd-client/client.key,}";

/// After a power cut. Nobody has worked on it for an hour.
fn boot(cluster: &Cluster, node: Node<'_>) {
    cluster.script(&["boot", "cp1"]);
    node.wait_until_healthy();
    node.let_it_rest();
}

/// All has expired, and then the power was cut.
fn boot_dead(cluster: &Cluster, node: Node<'_>) {
    cluster.script(&["boot", "cp1"]);
    node.wait_until_the_kubelet_refuses();
}

/// The rows that `check` has of these files, each all well.
fn assert_all_well(node: Node<'_>, expected: &[(&str, &str)]) {
    let output = node.output(&[CERTWATCH, "check", "-o", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{document:#}");
    for (path, role) in expected {
        let rows = document["certificates"].as_array().unwrap();
        let row = rows.iter().find(|row| row["path"] == *path);
        let row = row.unwrap_or_else(|| panic!("no {path}: {document:#}"));
        assert_eq!(
            (&row["role"], &row["severity"]),
            (&Value::from(*role), &Value::from("ok")),
            "{path}"
        );
    }
}

#[track_caller]
fn assert_rescued(node: Node<'_>, files: &[String]) {
    node.wait_until_healthy();
    node.run(&["kubectl", "get", "nodes"]);
    for file in files.iter().map(String::as_str).chain([KUBELET_CLIENT]) {
        assert!(node.is_valid_for(file, YEAR), "{file}");
    }
    for component in ["kube-controller-manager", "kube-scheduler"] {
        node.wait_for_lease(component);
    }
    let (current, history) = node.journals();
    assert_eq!(current, None);
    assert_eq!(history.first().unwrap()["step"]["end"], "renewed", "{history:#?}");
    assert_eq!(stray_keys(node), [""; 0]);
}

/// But for where they belong here.
fn stray_keys(node: Node<'_>) -> Vec<String> {
    let belongs = ["/etc/k8s-certs/", "/etc/etcd-server/", "/etc/etcd-client/"];
    let mut strays = node.stray_keys();
    strays.retain(|path| !belongs.iter().any(|dir| path.starts_with(dir)));
    strays
}

#[test]
fn certificates_of_another_directory_are_checked_renewed_and_put_back() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    reconfigure(node, TO_K8S_CERTS);
    node.run(&["bash", "-euc", MOVE_CERTIFICATES]);
    boot(&cluster, node);
    assert_all_well(
        node,
        &[("/etc/k8s-certs/apiserver.crt", "apiserver"), ("/etc/k8s-certs/etcd/ca.crt", "etcd-ca")],
    );
    let files: Vec<_> = files(node, true).iter().map(|file| moved(file)).collect();
    let old = serials(node, &files);
    let run = node.renew(&["--all"]);
    let new = serials(node, &files);
    assert!(old.iter().zip(&new).all(|(old, new)| old != new), "{}", run.said);
    let is_served = |serials: &[String]| {
        for (file, address) in
            [("apiserver.crt", "10.77.0.1:6443"), ("etcd/server.crt", "10.77.0.1:2379")]
        {
            let index = files.iter().position(|it| it.ends_with(file)).unwrap();
            assert_eq!(node.served(address).unwrap().serial, serials[index], "{file}");
        }
    };
    is_served(&new);
    assert_eq!(node.complaint(), None);
    assert_eq!(stray_keys(node), [""; 0]);
    let kept = node.read(&format!("{WORK}/cluster-config.yaml"));
    let kept = String::from_utf8(kept).unwrap();
    assert!(kept.contains("certificatesDir: \"/etc/k8s-certs\"\n"), "{kept}");

    let backup = node.journals().1.first().unwrap()["id"].as_str().unwrap().to_owned();
    let run = node.certwatch(&["restore", &backup]);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(serials(node, &files), old, "{}", run.said);
    is_served(&old);
    assert_eq!(node.complaint(), None);
}

/// Neither the API nor anything that was kept tells where they are: the API server's flags do.
#[test]
fn a_node_with_its_certificates_in_another_directory_is_rescued() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    reconfigure(node, TO_K8S_CERTS);
    let files = files(node, true);
    age(node, &files);
    node.run(&["bash", "-euc", MOVE_CERTIFICATES]);
    boot_dead(&cluster, node);
    let run = node.renew(&["--rescue"]);
    let files: Vec<_> = files.iter().map(|file| moved(file)).collect();
    println!("{}", run.said);
    assert_rescued(node, &files);
}

/// What is presented to it is its own CA's, and for others to renew.
#[test]
fn with_an_external_etcd_all_but_its_certificates_is_renewed() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    reconfigure(node, TO_EXTERNAL);
    node.run(&["bash", "-euc", MOVE_ETCD]);
    boot(&cluster, node);
    let of_etcd = [
        ("/etc/etcd-client/client.crt", "etcd-client"),
        ("/etc/etcd-client/ca.crt", "external-etcd-ca"),
    ];
    assert_all_well(node, &of_etcd);
    let (files, client) = (files(node, false), of_etcd[0].0);
    let (old, of_client) = (serials(node, &files), node.serial(client));
    let run = node.renew(&["--all"]);
    assert!(old.iter().zip(serials(node, &files)).all(|(old, new)| *old != new), "{}", run.said);
    assert_eq!(node.serial(client), of_client);
    assert_eq!(node.complaint(), None);
    assert_eq!(stray_keys(node), [""; 0]);
    let kept = String::from_utf8(node.read(&format!("{WORK}/cluster-config.yaml"))).unwrap();
    assert!(
        kept.contains("  external:\n") && kept.contains("/etc/etcd-client/client.key"),
        "{kept}"
    );
}

#[test]
fn a_node_with_an_external_etcd_is_rescued() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    reconfigure(node, TO_EXTERNAL);
    let files = files(node, false);
    age(node, &files);
    node.run(&["bash", "-euc", MOVE_ETCD]);
    boot_dead(&cluster, node);
    let of_client = node.serial("/etc/etcd-client/client.crt");
    let run = node.renew(&["--rescue"]);
    let said = run.said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("etcd elsewhere"), "{said}");
    assert_rescued(node, &files);
    assert_eq!(node.serial("/etc/etcd-client/client.crt"), of_client);
}
