use super::*;
use crate::renew::program;
use crate::renew::testing::{Node, words};
use crate::renew::tree::stage;

/// A shell script instead of kubeadm. A shell writes it: this process, were it to fork meanwhile,
/// would keep it from being run.
fn stand_in(node: &Node, version: &str, body: &str) {
    let script =
        format!("#!/bin/sh\ncase \"$*\" in version*) echo '{version}'; exit 0;; esac\n{body}\n");
    let mut shell = program::command(Path::new("/bin/sh")).unwrap();
    shell.args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", &script]);
    shell.arg(&node.paths.kubeadm);
    assert!(program::run(shell, SHORT_LIMIT).unwrap().is_success());
    stage::stage(&node.paths).unwrap();
}

fn in_root(node: &Node, name: &str) -> Result<(), Fault> {
    in_view(&node.paths, View::Root, || renew_one(&node.paths, View::Root, name, true))
}

#[test]
fn the_command_is_the_one_of_today() {
    let node = Node::new();
    let said = node.path("said");
    stand_in(&node, "v1.33.0-rc.1", &format!("echo \"$*\" > {}", said.display()));
    in_root(&node, "apiserver").unwrap();
    let root = node.paths.work.join("root");
    let expected = format!(
        "--rootfs {} certs renew apiserver --config /etc/kubernetes/.certwatch-config.yaml\n",
        root.display()
    );
    assert_eq!(fs::read_to_string(&said).unwrap(), expected);
}

#[test]
fn in_a_root_of_its_own_it_works_on_the_stage_which_comes_back() {
    let node = Node::new();
    stand_in(&node, "v1.20.2", "echo new > \"$2/etc/kubernetes/pki/apiserver.crt\"; exit 1");
    let fault = in_root(&node, "apiserver").unwrap_err();
    assert_eq!(fault.what, "`kubeadm certs renew apiserver` failed on the copy: exit status: 1");
    assert_eq!(fs::read(node.staged("pki/apiserver.crt")).unwrap(), b"new\n");
    assert_ne!(fs::read(node.live("pki/apiserver.crt")).unwrap(), b"new\n");
    assert!(!node.paths.work.join("root").exists());
}

#[test]
fn what_says_no_version_is_not_let_to_work() {
    let node = Node::new();
    let touched = node.path("touched");
    stand_in(&node, "garbage \u{1b}[2J", &format!("touch {}", touched.display()));
    let fault = renew(&node.paths, &words(&["apiserver"]), None).unwrap_err();
    assert!(fault.what.contains("does not report a version"), "{fault}");
    assert!(!fault.what.contains('\u{1b}'));
    assert!(!touched.exists());
}

#[test]
fn an_unknown_name_is_refused() {
    let node = Node::new();
    let fault = renew(&node.paths, &words(&["apiserver", "all"]), None).unwrap_err();
    assert_eq!(fault.what, "kubeadm does not know `all`");
}

#[test]
fn a_unit_that_does_not_show_the_stage_is_not_believed() {
    let mut node = Node::new();
    let touched = node.path("touched");
    stand_in(&node, "v1.20.2", &format!("touch {}", touched.display()));
    node.paths.is_stage_shown = true;
    let fault = renew(&node.paths, &words(&["apiserver"]), None).unwrap_err();
    assert!(fault.what.contains("is not the staging copy"), "{fault}");
    assert!(!touched.exists());
}
