//! The Ansible role, from a controller that reaches the node by ssh.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::receiver::Receiver;
use crate::common::run::{Run, finish};
use crate::harness::{Cluster, Node, wait_for};

use super::{RENEWAL, SOON, package, property, traces};

const ANSIBLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/ansible");

/// Another machine, on the node's network.
struct Controller<'a> {
    node: Node<'a>,
    /// Its key and its inventory.
    home: TempDir,
}

/// What a run of the playbook said of the node.
#[derive(Debug)]
struct Recap {
    run: Run,
    changed: usize,
}

impl<'a> Controller<'a> {
    fn new(node: Node<'a>) -> Self {
        let home = TempDir::new().unwrap();
        let key = home.path().join("key");
        let made =
            finish(Command::new("ssh-keygen").args(["-qt", "ed25519", "-N", "", "-f"]).arg(&key));
        assert_eq!(made.code, 0, "{made:?}");
        node.write("/root/.ssh/authorized_keys", &fs::read(key.with_extension("pub")).unwrap());
        node.run(&["systemctl", "start", "ssh"]);
        let inventory = format!(
            "[control_planes]\ncp1 ansible_host=10.77.0.1 ansible_user=root ansible_ssh_private_key_file={}\n",
            key.display()
        );
        fs::write(home.path().join("inventory.ini"), inventory).unwrap();
        Self { node, home }
    }

    /// Runs the example playbook with these variables, of which the package is one.
    fn play(&self, more: &[&str], mut variables: Value) -> Recap {
        variables["certwatch_deb"] = package().to_str().unwrap().into();
        let home = self.home.path();
        fs::write(home.join("variables.json"), variables.to_string()).unwrap();
        let mut command = Command::new("ansible-playbook");
        command
            .current_dir(ANSIBLE)
            .env("HOME", home)
            .env("ANSIBLE_HOST_KEY_CHECKING", "False")
            .env("ANSIBLE_NOCOLOR", "1")
            .arg("--inventory")
            .arg(home.join("inventory.ini"))
            .arg("--extra-vars")
            .arg(format!("@{}", home.join("variables.json").display()))
            .args(["--diff", "site.yml"])
            .args(more);
        let run = self.node.inside(move || finish(&mut command));
        let changed = count(&run.stdout, "changed").unwrap_or_else(|| panic!("{run:?}"));
        Recap { run, changed }
    }

    #[track_caller]
    fn succeed(&self, more: &[&str], variables: Value) -> Recap {
        let recap = self.play(more, variables);
        assert_eq!(recap.run.code, 0, "{}\n{}", recap.run.stdout, recap.run.stderr);
        recap
    }
}

/// A number of the recap: `cp1 : ok=9 changed=5 unreachable=0 failed=0 …`.
fn count(said: &str, what: &str) -> Option<usize> {
    let (_, recap) = said.split_once("PLAY RECAP")?;
    let words = recap.split_whitespace().filter_map(|word| word.split_once('='));
    words.into_iter().find(|(name, _)| *name == what)?.1.parse().ok()
}

fn daemon(node: Node<'_>) -> String {
    assert_eq!(property(node, "certwatch", "ActiveState"), "active");
    property(node, "certwatch", "MainPID")
}

#[test]
fn the_role_sets_up_what_it_is_told_once_and_takes_it_away() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    let controller = Controller::new(node);
    let before = traces(node);
    node.age("/etc/kubernetes/pki/etcd/server.crt", "360 days ago", "5 days");
    node.let_it_rest();
    let receiver = node.inside(Receiver::new);
    let settings = |renew: bool| {
        json!({
            "certwatch_config": "[webhook]\nurl-credential = \"hook\"\n",
            "certwatch_credentials": { "hook": receiver.url("/hook?token=correct-horse") },
            "certwatch_renew": renew,
        })
    };

    // A look at a new node changes nothing, and says what there is to do.
    let looked = controller.succeed(&["--check"], settings(false));
    assert!(looked.changed > 0, "{looked:?}");
    assert!(!node.output(&["test", "-e", "/etc/certwatch"]).status.success());

    let first = controller.succeed(&["-vvv"], settings(false));
    assert!(first.changed > 0, "{first:?}");
    assert!(!first.run.stdout.contains("correct-horse"), "a secret in the output");
    let pid = daemon(node);
    wait_for("the first alert", SOON, || (!receiver.messages().is_empty()).then_some(()));
    assert_eq!(property(node, "certwatch-renew.path", "ActiveState"), "inactive");
    let secret = ["stat", "-c", "%a %U", "/etc/certwatch/credentials/hook"];
    assert_eq!(node.run(&secret), "600 root\n");

    for more in [&[][..], &["--check"]] {
        let again = controller.succeed(more, settings(false));
        assert_eq!(again.changed, 0, "{}", again.run.stdout);
    }
    assert_eq!(daemon(node), pid, "nothing has changed, so nothing was restarted");

    refuses_mistakes(&controller, &settings(false));
    assert_eq!(daemon(node), pid);
    makes_good_what_failed_half_way(&controller, &settings(false));

    let told = receiver.messages().len();
    controller.succeed(&[], settings(true));
    assert_eq!(property(node, "certwatch-renew.path", "ActiveState"), "active");
    wait_for("the news of a renewal", RENEWAL, || {
        let messages = receiver.messages();
        let mut news = messages.iter().skip(told).map(|it| &it["certwatch"]["kind"]);
        news.any(|kind| kind == "renewal").then_some(())
    });
    node.assert_served();

    controller.succeed(&[], json!({ "certwatch_state": "absent" }));
    assert!(node.pid("/usr/bin/certwatch").is_none());
    node.run(&["test", "-e", "/etc/certwatch/credentials/hook"]);
    controller.succeed(&[], settings(true));
    daemon(node);
    assert_eq!(property(node, "certwatch-renew.path", "ActiveState"), "active");
    controller.succeed(&[], json!({ "certwatch_state": "purged" }));
    assert_eq!(traces(node), before);
    let again = controller.succeed(&[], json!({ "certwatch_state": "purged" }));
    assert_eq!(again.changed, 0, "{}", again.run.stdout);
}

/// What certwatch would refuse gets nowhere, and what the role does not know is told.
fn refuses_mistakes(controller: &Controller<'_>, good: &Value) {
    let file = "/etc/certwatch/conf.d/ansible.toml";
    let before = controller.node.read(file);
    for (variable, value, told) in [
        ("certwatch_config", json!("[scan]\ntimeout = 5\n"), "scan.timeout"),
        ("certwatch_state", json!("gone"), "certwatch_state"),
    ] {
        let mut wrong = good.clone();
        wrong[variable] = value;
        let recap = controller.play(&[], wrong);
        assert_eq!(recap.run.code, 2, "{recap:?}");
        assert!(recap.run.stdout.contains(told), "{recap:?}");
        assert_eq!(controller.node.read(file), before);
    }
}

/// The secret of a run that failed is not forgotten: the daemon has a copy of the one before.
fn makes_good_what_failed_half_way(controller: &Controller<'_>, good: &Value) {
    let node = controller.node;
    let copy = "/run/credentials/certwatch.service/cred_hook";
    let before = (daemon(node), node.read(copy));
    let mut wrong = good.clone();
    let url = &mut wrong["certwatch_credentials"]["hook"];
    *url = format!("{}&rotated", url.as_str().unwrap()).into();
    let mut right = wrong.clone();
    wrong["certwatch_config"] = "[scan]\ntimeout = 5\n".into();
    right["certwatch_config"] = good["certwatch_config"].clone();
    assert_eq!(controller.play(&[], wrong).run.code, 2);
    assert_eq!((daemon(node), node.read(copy)), before);

    controller.succeed(&[], right.clone());
    assert_ne!(daemon(node), before.0);
    assert!(node.read(copy).ends_with(b"&rotated\n"));
    let again = controller.succeed(&[], right);
    assert_eq!(again.changed, 0, "{}", again.run.stdout);
}

/// Whether ansible-lint has nothing to say of what lies here, and what it says.
fn lint(dir: &Path) -> Run {
    let mut command = Command::new("ansible-lint");
    command.current_dir(dir).args([
        "--offline",
        "--nocolor",
        "--strict",
        "--profile",
        "production",
    ]);
    finish(command.args(["site.yml", "roles/certwatch"]))
}

#[test]
fn the_role_is_as_ansible_lint_wants_it() {
    let run = lint(Path::new(ANSIBLE));
    assert_eq!(run.code, 0, "{run:?}");
    // What it overlooks would be well too.
    let copy = TempDir::new().unwrap();
    let copied = finish(Command::new("cp").arg("-r").arg(format!("{ANSIBLE}/.")).arg(copy.path()));
    assert_eq!(copied.code, 0, "{copied:?}");
    let tasks = copy.path().join("roles/certwatch/tasks/deb.yml");
    let slip = fs::read_to_string(&tasks).unwrap() + "\n- name: slip\n  shell: ls\n";
    fs::write(&tasks, slip).unwrap();
    let run = lint(copy.path());
    assert!(run.code == 2 && run.stdout.contains("fqcn"), "{run:?}");
}
