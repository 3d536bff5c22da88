//! The name of the cluster: where it comes from, and where it goes to.

use serde_json::Value;

use super::common::stage::{LATER, SOON, Stage};

const VERB: &[&str] = &["check", "--notify"];
const ADMIN: &str = "etc/kubernetes/admin.conf";

/// A node whose admin.conf says that the cluster has this name.
fn stage(name: &str) -> Stage {
    let stage = Stage::new();
    let admin = stage.node.read(ADMIN);
    stage.replace(ADMIN, &admin.replace("kubernetes", name));
    stage.node.leaf("apiserver", SOON);
    stage
}

fn json(stage: &Stage, verb: &[&str]) -> Value {
    serde_json::from_str(&stage.certwatch(verb).stdout).unwrap()
}

#[test]
fn a_cluster_that_has_a_name_is_named_everywhere() {
    let stage = stage("prod");
    let prints = |format| stage.certwatch(&["check", "-o", format]).stdout;
    assert!(prints("table").contains(" ok on prod/cp1\n"));
    assert!(prints("nagios").contains("apiserver"));
    assert!(
        prints("prometheus").contains("\ncertwatch_node_info{cluster=\"prod\",node=\"cp1\"} 1\n")
    );
    let report = json(&stage, &["check", "-o", "json"]);
    assert_eq!((&report["cluster"], &report["node"]), (&"prod".into(), &"cp1".into()));
    stage.certwatch(VERB);
    let told = stage.receiver.messages().pop().unwrap();
    assert_eq!(told["certwatch"]["cluster"], "prod");
    assert_eq!(told["commonLabels"]["cluster"], "prod");
    assert_eq!(told["alerts"][0]["labels"]["cluster"], "prod");
    assert_eq!(told["alerts"][0]["labels"]["node"], "cp1");
    let summary = told["alerts"][0]["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("prod/cp1: apiserver "), "{summary}");
    // Who has not scanned goes by what was found.
    let status = json(&stage, &["status", "-o", "json"]);
    assert_eq!((&status["cluster"], &status["node"]), (&"prod".into(), &"cp1".into()));
    assert_eq!(status["alerts"][0]["id"], told["alerts"][0]["labels"]["id"]);
    assert!(stage.certwatch(&["status"]).stdout.starts_with("certwatch on prod/cp1: "));
    assert_eq!(stage.certwatch(&["notify", "test"]).code, 0);
    assert_eq!(stage.receiver.messages().pop().unwrap()["certwatch"]["cluster"], "prod");
}

/// A file that is written anew is not there for a moment, and incidents are kept by the name.
#[test]
fn a_name_that_cannot_be_read_is_still_the_name() {
    let stage = stage("prod");
    stage.certwatch(VERB);
    stage.node.remove(ADMIN);
    stage.node.leaf("etcd-server", SOON);
    stage.certwatch(VERB);
    assert_eq!(stage.receiver.messages().pop().unwrap()["certwatch"]["cluster"], "prod");
    assert_eq!(json(&stage, &["status", "-o", "json"])["cluster"], "prod");
}

#[test]
fn the_configured_name_counts_before_the_one_that_is_found() {
    let stage = stage("prod");
    stage.configure(&format!("[cluster]\nname = \"eu-1\"\n{}", stage.webhook()));
    stage.certwatch(VERB);
    assert_eq!(stage.receiver.messages().pop().unwrap()["certwatch"]["cluster"], "eu-1");
    assert_eq!(json(&stage, &["check", "-o", "json"])["cluster"], "eu-1");
    let shown = stage.certwatch(&["config", "show"]).stdout;
    assert!(shown.contains("\n[cluster]\nname = \"eu-1\"\n"), "{shown}");
}

/// As kubeadm makes it: fifty clusters have this name, and a node of an address.
#[test]
fn a_name_that_all_clusters_have_is_none() {
    let stage = stage("kubernetes");
    stage.node.leaf("etcd-server", LATER);
    stage.certwatch(VERB);
    let told = stage.receiver.messages().pop().unwrap();
    assert_eq!(told["certwatch"]["cluster"], Value::Null);
    assert_eq!(told["commonLabels"], serde_json::json!({"node": "cp1"}));
    assert_eq!(json(&stage, &["check", "-o", "json"])["cluster"], Value::Null);
    assert!(stage.certwatch(&["status"]).stdout.starts_with("certwatch on cp1: "));
    let shown = stage.certwatch(&["config", "show"]).stdout;
    assert!(shown.contains("\n[cluster]\n# name: the one in admin.conf"), "{shown}");
}
