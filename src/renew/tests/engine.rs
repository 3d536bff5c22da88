use std::fs;

use super::super::testing::{Node, words};
use super::*;
use crate::domain::renewal::plan::{Plan, RestartPolicy};

fn renewer(node: &Node, is_asked_to_stop: bool) -> Renewer {
    fs::create_dir_all(&node.places.work).unwrap();
    Renewer::open(node.places.clone(), 3, Arc::new(AtomicBool::new(is_asked_to_stop))).unwrap()
}

fn journal(names: &[&str], step: Step) -> Journal {
    let begun = Journal::begin(Task::Renew, &Plan::default(), RestartPolicy::None, sys::now());
    Journal { names: words(names), step, ..begun }
}

#[test]
fn who_is_asked_to_stop_ends_only_where_nothing_is_touched() {
    let node = Node::new();
    let mut renewer = renewer(&node, true);
    let ended = renewer.carry_out(journal(&["apiserver"], Step::BackUp), &mut |_| ());
    assert_eq!(ended.outcome(), Some(Outcome::Unchanged));
    assert_eq!(ended.fault.unwrap(), (Step::BackUp, Fault::failed("it was asked to stop")));
    assert!(renewer.backups().is_empty());
    let ended = renewer.carry_out(journal(&[], Step::Install), &mut |_| ());
    assert_eq!(ended.outcome(), Some(Outcome::Renewed), "{ended:?}");
}
