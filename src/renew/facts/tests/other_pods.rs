use std::fs;

use super::*;
use crate::renew::testing::Node;

/// A pod with these volumes of the host, and these words.
fn put(node: &Node, name: &str, volumes: &[&str], words: &str) {
    let each = |text: &dyn Fn(usize, &str) -> String| -> String {
        volumes.iter().enumerate().map(|(index, path)| text(index, path)).collect()
    };
    let mounts = each(&|index, path| format!("    - {{name: v{index}, mountPath: {path}}}\n"));
    let volumes =
        each(&|index, path| format!("  - {{name: v{index}, hostPath: {{path: {path}}}}}\n"));
    let text = format!(
        "metadata: {{name: {name}, namespace: kube-system}}\nspec:\n  containers:\n  - name: a\n    command: [{words}]\n    \
         volumeMounts:\n{mounts}  volumes:\n{volumes}"
    );
    fs::write(node.live("manifests").join(format!("{name}.yaml")), text).unwrap();
}

type Seen = (String, bool, Vec<(String, FileAccess)>);

fn seen(node: &Node, restart: &[&str]) -> Vec<Seen> {
    let restart: Vec<String> = restart.iter().map(|it| (*it).to_owned()).collect();
    let pods = other_pods(&node.paths, &restart).into_iter();
    let uses =
        |pod: &OtherPod| pod.uses.iter().map(|it| (it.certificate.clone(), it.access)).collect();
    pods.map(|pod| (pod.name.clone(), pod.restart, uses(&pod))).collect()
}

#[test]
fn who_mounts_or_names_a_file_of_kubeadms_is_found() {
    let node = Node::new();
    for file in ["admin.conf", "pki/apiserver.crt", "pki/apiserver.key"] {
        fs::write(node.live(file), "x").unwrap();
    }
    put(&node, "kube-vip", &["/etc/kubernetes/admin.conf", "/etc/hosts"], "/kube-vip");
    put(&node, "kube-scheduler", &["/etc/kubernetes/admin.conf"], "kube-scheduler");
    put(&node, "stranger", &["/srv"], "x, --a=/etc/kubernetes/admin.conf");
    let admin = |access| ("admin.conf".to_owned(), access);
    let vip = ("kube-vip".to_owned(), false, vec![admin(FileAccess::Mounted)]);
    assert_eq!(seen(&node, &[]), [vip]);

    put(&node, "named", &["/etc/kubernetes"], "x, --kubeconfig=/etc/kubernetes/admin.conf");
    let found = seen(&node, &["named"]);
    let (name, is_restarted, uses) = &found[1];
    assert_eq!((name.as_str(), *is_restarted), ("named", true));
    assert!(uses.contains(&admin(FileAccess::Named)));
    assert!(uses.contains(&("apiserver".to_owned(), FileAccess::Visible)), "{uses:?}");
    assert!(!uses.iter().any(|(_, access)| *access == FileAccess::Mounted));
}

#[test]
fn a_link_leads_to_the_same_file() {
    let node = Node::new();
    fs::write(node.live("admin.conf"), "x").unwrap();
    std::os::unix::fs::symlink("admin.conf", node.live("vip.conf")).unwrap();
    put(&node, "kube-vip", &["/etc/kubernetes/vip.conf"], "/kube-vip");
    assert_eq!(seen(&node, &[])[0].2, [("admin.conf".to_owned(), FileAccess::Mounted)]);
}

#[test]
fn a_name_that_no_pod_has_is_told() {
    let node = Node::new();
    put(&node, "kube-vip", &["/srv"], "x");
    let named = ["kube-vip", "kube-vop"].map(str::to_owned);
    let told = missing(&node.paths, &named);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("names kube-vop"), "{told:?}");
}
