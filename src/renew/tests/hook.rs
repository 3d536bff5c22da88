use super::*;
use crate::domain::renewal::sample::journal;
use crate::domain::renewal::{Outcome, Task};
use crate::domain::time::Span;
use crate::renew::testing::{Node, set_mode};

fn hook(command: &[&str]) -> Hook {
    let command = command.iter().map(|it| (*it).to_owned()).collect();
    Hook { name: "reload".to_owned(), command, timeout: Span::seconds(1) }
}

fn outcome(command: &[&str]) -> Result<String, String> {
    let node = Node::new();
    let journal = journal(Task::Renew, Outcome::Renewed);
    run(&hook(command), &journal, &node.paths).map_err(|fault| fault.what)
}

#[test]
fn it_is_told_what_was_renewed_and_nothing_else() {
    let said = outcome(&["/bin/sh", "-c", "env | grep ^CERTWATCH_ | sort | grep -v KUBERNETES"]);
    let told = "CERTWATCH_ID=2026-11-23T12-00-00Z; \
                CERTWATCH_RENEWED=apiserver,apiserver-etcd-client,front-proxy-client,scheduler.conf; \
                CERTWATCH_TASK=renew";
    assert_eq!(said, Ok(format!("the hook reload was run: exit status: 0; it said: {told}")));
}

#[test]
fn no_shell_reads_its_arguments() {
    let said = outcome(&["/bin/echo", "$(id)", "a; b"]).unwrap();
    assert!(said.ends_with("it said: $(id) a; b"), "{said}");
}

#[test]
fn what_fails_hangs_or_is_not_there_is_told() {
    let failed = |command: &[&str]| outcome(command).unwrap_err();
    let why = failed(&["/bin/sh", "-c", "echo no; exit 3"]);
    assert_eq!(why, "the hook reload failed: exit status: 3; it said: no");
    let why = failed(&["/bin/sleep", "60"]);
    assert_eq!(why, "the hook reload failed: it timed out");
    let why = failed(&["/nonexistent"]);
    assert!(why.contains("/nonexistent was not run"), "{why}");
}

#[test]
fn a_program_that_others_can_change_is_not_run() {
    let node = Node::new();
    let path = node.path("hook");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    set_mode(&path, 0o755);
    let run_it = |path: &Path| outcome(&[path.to_str().unwrap()]);
    assert!(run_it(&path).is_ok());
    assert!(refused(&[hook(&[path.to_str().unwrap()])]).is_empty());
    set_mode(&path, 0o757);
    let why = run_it(&path).unwrap_err();
    assert!(why.contains("can write to"), "{why}");
    let told = refused(&[hook(&[path.to_str().unwrap()])]);
    assert!(told[0].starts_with("the hook reload will fail as it is now"), "{told:?}");
}
