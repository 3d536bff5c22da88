//! `certwatch run` on a live control plane, as a service of the node's systemd.

use std::thread::sleep;
use std::time::Duration;

use crate::common::receiver::Receiver;
use crate::harness::{Cluster, Node, wait_for};

const CERTWATCH: &str = "/usr/local/bin/certwatch";

/// Longer than what has to be seen three times: 5 and 15 seconds, with the 2 before.
const BELIEVED: Duration = Duration::from_secs(25);

/// kubeadm's leaves that are files of their own, as certwatch calls them.
const LEAVES: [(&str, &str); 3] = [
    ("apiserver", "/etc/kubernetes/pki/apiserver.crt"),
    ("apiserver-kubelet-client", "/etc/kubernetes/pki/apiserver-kubelet-client.crt"),
    ("front-proxy-client", "/etc/kubernetes/pki/front-proxy-client.crt"),
];

/// Starts the daemon as a unit would, with everybody told by `receiver`, and these sections in its configuration.
pub(crate) fn start(node: Node<'_>, receiver: &Receiver, sections: &str) {
    node.install(env!("CARGO_BIN_EXE_certwatch"), CERTWATCH);
    node.write("/etc/certwatch/credentials/url", receiver.url("/hook").as_bytes());
    node.run(&["chmod", "600", "/etc/certwatch/credentials/url"]);
    let config = format!("[webhook]\nurl-credential = \"url\"\n{sections}");
    node.write("/etc/certwatch/config.toml", config.as_bytes());
    // systemd-run comes back once READY was said.
    node.run(&[
        "systemd-run",
        "--unit=certwatch",
        "--property=Type=notify",
        "--property=WatchdogSec=20",
        "--property=Restart=on-failure",
        "--property=RestartSec=1",
        "--property=StateDirectory=certwatch",
        "--property=LoadCredential=cred:/etc/certwatch/credentials",
        CERTWATCH,
        "run",
    ]);
}

fn property(node: Node<'_>, name: &str) -> String {
    node.run(&["systemctl", "show", "certwatch", "--value", "--property", name]).trim().to_owned()
}

/// The daemon remembers that the message was taken, so that a kill does not repeat it.
fn wait_until_noted(node: Node<'_>, count: usize) {
    wait_for("the receipt on disk", Duration::from_secs(30), || {
        let status = node.output(&[CERTWATCH, "status", "-o", "json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).ok()?;
        (status["receivers"][0]["delivered"] == count).then_some(())
    });
}

#[test]
fn a_renewal_by_kubeadm_wakes_nobody_and_ends_the_alert() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    for (_, path) in LEAVES {
        node.age(path, "345 days ago", "20 days");
    }
    let receiver = node.inside(Receiver::new);
    start(node, &receiver, "");
    let first = receiver.wait_for_messages(1);
    let alerts = first[0]["alerts"].as_array().unwrap();
    for (name, _) in LEAVES {
        let is_it = |alert: &&serde_json::Value| alert["labels"]["name"] == name;
        let alert = alerts.iter().find(is_it).unwrap_or_else(|| panic!("{name}: {first:#?}"));
        assert_eq!(alert["status"], "firing");
    }
    assert_eq!(alerts.len(), LEAVES.len(), "all else is well: {first:#?}");
    wait_until_noted(node, 1);
    assert!(
        property(node, "StatusText").contains("webhook ok"),
        "{}",
        property(node, "StatusText")
    );
    assert!(node.journal("certwatch").contains("WARNING: apiserver expires in"));

    // kubeadm writes each file in place, the key before its certificate.
    let names = LEAVES.map(|(name, _)| name).join(" ");
    node.run(&["bash", "-ec", &format!("for name in {names}; do kubeadm certs renew $name; done")]);
    let second = receiver.wait_for_messages(2);
    assert_eq!(second[1]["status"], "resolved", "{second:#?}");
    let resolved = second[1]["alerts"].as_array().unwrap();
    assert_eq!(resolved.len(), LEAVES.len(), "{second:#?}");
    sleep(BELIEVED);
    assert_eq!(receiver.messages().len(), 2, "nothing else was told: {:#?}", receiver.headlines());

    // A kill and a restart tell nothing again.
    wait_until_noted(node, 2);
    let before = property(node, "MainPID");
    node.run(&["systemctl", "kill", "--signal=SIGKILL", "certwatch"]);
    wait_for("a new process", Duration::from_secs(60), || {
        let is_new =
            property(node, "MainPID") != before && property(node, "ActiveState") == "active";
        is_new.then_some(())
    });
    sleep(BELIEVED);
    assert_eq!(receiver.messages().len(), 2, "{:#?}", receiver.headlines());
    node.run(&["systemctl", "stop", "certwatch"]);
}
