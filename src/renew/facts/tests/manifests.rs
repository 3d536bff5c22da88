use super::*;
use crate::renew::testing::Node;

fn pod(name: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec: {{containers: []}}\n")
}

fn put(node: &Node, file: &str, name: &str) {
    fs::write(node.live("manifests").join(file), pod(name)).unwrap();
}

#[test]
fn second_copies_are_found_whatever_they_are_called() {
    let node = Node::new();
    put(&node, "etcd.yaml", "etcd");
    put(&node, "kube-vip.yaml", "kube-vip");
    put(&node, ".etcd.yaml.old", "etcd");
    fs::write(node.live("manifests/notes"), "no manifest").unwrap();
    fs::create_dir(node.live("manifests/old")).unwrap();
    assert!(strays(&node.paths).is_empty());

    put(&node, "etcd.yaml.bak", "etcd");
    put(&node, "aaa", "kube-apiserver");
    put(&node, "kube-vip.yaml.bak", "kube-vip");
    let expected = ["aaa", "etcd.yaml.bak", "kube-vip.yaml.bak"];
    assert_eq!(strays(&node.paths), expected.map(|it| node.live("manifests").join(it)));
}

#[test]
fn a_change_is_new_for_two_minutes() {
    let node = Node::new();
    put(&node, "etcd.yaml", "etcd");
    let path = node.live("manifests/etcd.yaml");
    let at = UnixTime::new(fs::metadata(&path).unwrap().ctime());
    assert_eq!(changed(&node.paths, None, at + Span::seconds(119)), Some(path));
    assert_eq!(changed(&node.paths, None, at + Span::seconds(121)), None);

    let upgrade = node.live("tmp/kubeadm-backup-manifests");
    fs::create_dir_all(&upgrade).unwrap();
    let at = UnixTime::new(fs::metadata(&upgrade).unwrap().ctime());
    fs::remove_file(node.live("manifests/etcd.yaml")).unwrap();
    assert_eq!(changed(&node.paths, None, at), Some(upgrade));
}

#[test]
fn what_is_only_touched_has_not_changed() {
    let node = Node::new();
    put(&node, "etcd.yaml", "etcd");
    let path = node.live("manifests/etcd.yaml");
    let at = UnixTime::new(fs::metadata(&path).unwrap().ctime());
    let known =
        |ago: i64| Manifests { digest: digest(&node.paths), since: at - Span::seconds(ago) };
    assert_eq!(
        changed(&node.paths, Some(&known(120)), at),
        None,
        "it was the same two minutes ago"
    );
    assert_eq!(changed(&node.paths, Some(&known(119)), at), Some(path.clone()));
    assert_eq!(changed(&node.paths, Some(&known(-999)), at), Some(path.clone()));
    let before = known(120);
    put(&node, "etcd.yaml", "etcd2");
    assert_eq!(changed(&node.paths, Some(&before), at), Some(path));
    let before = known(120);
    fs::create_dir_all(node.live("tmp/kubeadm-upgraded-manifests1")).unwrap();
    assert!(changed(&node.paths, Some(&before), at).is_some(), "an upgrade has begun");
}
