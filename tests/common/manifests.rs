//! The manifests of a control plane, with the flags and volumes that kubeadm 1.31 writes.

use super::node::Node;

/// The flags of each component that name files, as kubeadm has them.
pub fn api_server_flags(pki: &str) -> Vec<String> {
    [
        "advertise-address=10.0.0.11".to_owned(),
        format!("client-ca-file={pki}/ca.crt"),
        format!("etcd-cafile={pki}/etcd/ca.crt"),
        format!("etcd-certfile={pki}/apiserver-etcd-client.crt"),
        format!("etcd-keyfile={pki}/apiserver-etcd-client.key"),
        "etcd-servers=https://127.0.0.1:2379".to_owned(),
        format!("kubelet-client-certificate={pki}/apiserver-kubelet-client.crt"),
        format!("kubelet-client-key={pki}/apiserver-kubelet-client.key"),
        format!("proxy-client-cert-file={pki}/front-proxy-client.crt"),
        format!("proxy-client-key-file={pki}/front-proxy-client.key"),
        format!("requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        "secure-port=6443".to_owned(),
        format!("service-account-key-file={pki}/sa.pub"),
        format!("service-account-signing-key-file={pki}/sa.key"),
        format!("tls-cert-file={pki}/apiserver.crt"),
        format!("tls-private-key-file={pki}/apiserver.key"),
    ]
    .to_vec()
}

pub fn controller_manager_flags(pki: &str) -> Vec<String> {
    let conf = "/etc/kubernetes/controller-manager.conf";
    [
        format!("authentication-kubeconfig={conf}"),
        format!("authorization-kubeconfig={conf}"),
        format!("client-ca-file={pki}/ca.crt"),
        format!("cluster-signing-cert-file={pki}/ca.crt"),
        format!("cluster-signing-key-file={pki}/ca.key"),
        format!("kubeconfig={conf}"),
        format!("requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        format!("root-ca-file={pki}/ca.crt"),
        format!("service-account-private-key-file={pki}/sa.key"),
    ]
    .to_vec()
}

pub fn scheduler_flags() -> Vec<String> {
    ["authentication-kubeconfig", "authorization-kubeconfig", "kubeconfig"]
        .map(|flag| format!("{flag}=/etc/kubernetes/scheduler.conf"))
        .to_vec()
}

pub fn etcd_flags(pki: &str) -> Vec<String> {
    [
        format!("cert-file={pki}/etcd/server.crt"),
        "client-cert-auth=true".to_owned(),
        "data-dir=/var/lib/etcd".to_owned(),
        format!("key-file={pki}/etcd/server.key"),
        format!("peer-cert-file={pki}/etcd/peer.crt"),
        format!("peer-key-file={pki}/etcd/peer.key"),
        format!("peer-trusted-ca-file={pki}/etcd/ca.crt"),
        format!("trusted-ca-file={pki}/etcd/ca.crt"),
    ]
    .to_vec()
}

/// A static pod of these flags, to which each of `host_paths` is shown under its own path.
pub fn manifest(program: &str, image: &str, flags: &[String], host_paths: &[&str]) -> String {
    let flags: String = flags.iter().map(|flag| format!("    - --{flag}\n")).collect();
    let listed = |line: &dyn Fn(usize, &str) -> String| -> String {
        host_paths.iter().enumerate().map(|(index, path)| line(index, path)).collect()
    };
    let mounts = listed(&|index, path| format!("    - {{mountPath: {path}, name: v{index}}}\n"));
    let volumes =
        listed(&|index, path| format!("  - {{hostPath: {{path: {path}}}, name: v{index}}}\n"));
    let list = |key: &str, items: &str| {
        if items.is_empty() { String::new() } else { format!("{key}:\n{items}") }
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {program}\n  namespace: kube-system\nspec:\n  containers:\n  \
         - name: {program}\n    image: {image}\n    command:\n    - {program}\n{flags}{}  hostNetwork: true\n{}",
        list("    volumeMounts", &mounts),
        list("  volumes", &volumes),
    )
}

impl Node {
    /// kube-controller-manager signs nothing, or with a file of its own: then ca.crt may be a bundle.
    pub fn sign_elsewhere(&self) {
        let mut flags = controller_manager_flags("/etc/kubernetes/pki");
        flags.retain(|flag| !flag.starts_with("cluster-signing"));
        self.manifest("kube-controller-manager", &flags, &["/etc/kubernetes"]);
    }

    /// All four, with the certificates in `pki`.
    pub fn manifests(&self, pki: &str) {
        let confs = ["controller-manager.conf", "scheduler.conf"];
        let [controller_manager, scheduler] = confs.map(|name| format!("/etc/kubernetes/{name}"));
        let etcd = format!("{pki}/etcd");
        let paths: [&[&str]; 4] = [
            &[pki, "/etc/ssl/certs"],
            &[pki, "/etc/ssl/certs", &controller_manager],
            &[&scheduler],
            &[&etcd, "/var/lib/etcd"],
        ];
        self.manifest("kube-apiserver", &api_server_flags(pki), paths[0]);
        self.manifest("kube-controller-manager", &controller_manager_flags(pki), paths[1]);
        self.manifest("kube-scheduler", &scheduler_flags(), paths[2]);
        self.manifest("etcd", &etcd_flags(pki), paths[3]);
    }

    /// The manifest of one component of 1.31.
    pub fn manifest(&self, program: &str, flags: &[String], host_paths: &[&str]) {
        let tag = if program == "etcd" { "3.5.15-0" } else { "v1.31.2" };
        let text =
            manifest(program, &format!("registry.k8s.io/{program}:{tag}"), flags, host_paths);
        self.write(&format!("etc/kubernetes/manifests/{program}.yaml"), &text);
    }
}
