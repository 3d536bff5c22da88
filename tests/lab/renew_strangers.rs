//! Strangers who would like to have admin.conf's key, or root work elsewhere, and the real kubeadm.

use crate::harness::{Cluster, Node};

/// A user with a kubeconfig of this certificate and key, and the cluster's CA.
const USERS: &str = r#"
    cd "$(mktemp -d)"
    admin=/etc/kubernetes/admin.conf
    field() { sed -n "s/^ *$1: //p" "$admin"; }
    give() {
        useradd -m "$1"; mkdir "/home/$1/.kube"
        sed "s/client-certificate-data: .*/client-certificate-data: $(base64 -w0 "$2.crt")/
             s/client-key-data: .*/client-key-data: $(base64 -w0 "$2.key")/" "$admin" >"/home/$1/.kube/config"
        chmod 600 "/home/$1/.kube/config"; chown -R "$1": "/home/$1/.kube"
    }
    subject=/O=system:masters/CN=kubernetes-admin
    sign() { openssl x509 -req -in own.csr -CA "$1.crt" -CAkey "$1.key" -set_serial 7 -days 30 "${@:2}" -out own.crt; }
    openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj "$subject"
    # A CA of her own, of the cluster's name, and an algorithm that not everybody knows.
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=kubernetes -days 30
    echo extendedKeyUsage=clientAuth >client; echo extendedKeyUsage=serverAuth >server
    sign ca -sha224 -extfile client; give anna own
    sign ca -sha256 -extfile client; give bob own
    # The cluster's CA, for a server: whoever may have those signed is no admin.
    sign /etc/kubernetes/pki/ca -sha256 -extfile server; give cara own
    # And who is admin.
    field client-certificate-data | base64 -d >real.crt; field client-key-data | base64 -d >real.key; give dora real"#;

fn config(user: &str) -> String {
    format!("/home/{user}/.kube/config")
}

/// Whether the API server lets them in as admin.
fn is_admin(node: Node<'_>, user: &str) -> bool {
    let path = config(user);
    node.output(&["kubectl", "--kubeconfig", &path, "get", "secrets", "-A"]).status.success()
}

#[test]
fn nobody_gets_admin_s_key_who_is_not_admin() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let users = ["anna", "bob", "cara", "dora"];
    let listed =
        users.map(|user| format!("{{ path = '{}', owner = '{user}' }}", config(user))).join(", ");
    node.install_certwatch(&format!("kubeconfig-copies = [{listed}]"));
    node.run(&["bash", "-euc", USERS]);
    assert_eq!(users.map(|user| is_admin(node, user)), [false, false, false, true]);
    let before = users.map(|user| node.read(&config(user)));
    node.let_it_rest();
    let run = node.renew(&["admin.conf"]);
    let told =
        format!("{} is not refreshed: its certificate is not a client certificate", config("cara"));
    assert!(
        run.said.split_whitespace().collect::<Vec<_>>().join(" ").contains(&told),
        "{}",
        run.said
    );
    let after = users.map(|user| node.read(&config(user)));
    assert_eq!(after[..3], before[..3]);
    assert_ne!(after[3], before[3]);
    assert_eq!(after[3], node.read("/etc/kubernetes/admin.conf"));
    assert_eq!(users.map(|user| is_admin(node, user)), [false, false, false, true]);
}

/// kubeadm reads it as a path, and would renew what lies there.
#[test]
fn a_certificates_dir_that_leads_out_of_the_tree_is_refused() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    let kept = node.keep_cluster_config();
    let lead_out = "cp -a /etc/kubernetes/pki /run/x
        sed -i 's,^certificatesDir: .*,certificatesDir: /etc/kubernetes/../../run/x,' \"$1\"
        grep -q ^certificatesDir: \"$1\"";
    node.run(&["bash", "-euc", lead_out, "--", kept]);
    node.let_it_rest();
    let outside = || node.run(&["bash", "-c", "find /run/x -printf '%p %i %C@\\n' | sort"]);
    let all = || (outside(), node.fingerprint(), node.stray_keys());
    let before = all();
    let refused = |arguments: &[&str]| {
        let run = node.certwatch(&[&["renew", "--all", "--force"], arguments].concat());
        let said = run.said.split_whitespace().collect::<Vec<_>>().join(" ");
        let why = "certificatesDir is /etc/kubernetes/../../run/x, and only a dedicated directory";
        assert!(run.code == Some(1) && said.contains(why), "{said}");
        assert_eq!(all(), before);
    };
    refused(&["--cluster-config", kept]);
    // As the cluster itself says.
    let tell = "kubectl -n kube-system create configmap kubeadm-config --from-file=ClusterConfiguration=\"$1\" \
        --dry-run=client -o yaml | kubectl apply -f -";
    node.run(&["bash", "-euc", tell, "--", kept]);
    refused(&[]);
}
