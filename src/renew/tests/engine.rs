use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::*;
use crate::domain::renewal::plan::{Plan, RestartPolicy};
use crate::domain::renewal::{Component, FileChange};
use crate::renew::testing::{Leaf, Node, words};
use crate::renew::tree::files;

fn no_copies() -> Arc<Copies> {
    Arc::new(Copies::new(Vec::new()))
}

fn renewer(node: &Node, is_asked_to_stop: bool) -> Renewer {
    fs::create_dir_all(&node.paths.work).unwrap();
    let stop = Stop::default();
    if is_asked_to_stop {
        stop.ask();
    }
    Renewer::open_beside(node.paths.clone(), 3, no_copies(), stop, |_| None).unwrap()
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
    assert_eq!(ended.fault.unwrap(), (Step::BackUp, Fault::failed("it was stopped")));
    assert!(backup::list(&node.paths).unwrap().is_empty());
    let ended = renewer.carry_out(journal(&[], Step::Install), &mut |_| ());
    assert_eq!(ended.outcome(), Some(Outcome::Renewed), "{ended:?}");
}

/// A port at which etcd says that it is healthy, after three connections that it has dropped.
fn moody_etcd() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().skip(3).flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"health\":\"true\"}",
            );
        }
    });
    address
}

#[test]
fn an_answer_that_is_missed_undoes_nothing() {
    let node = Node::new();
    let manifest = format!(
        "kind: Pod\nspec:\n  containers:\n  - command: [etcd, --listen-client-urls=http://127.0.0.1:1, --listen-peer-urls=http://127.0.0.1:1, --listen-metrics-urls=http://{}]\n    image: etcd\n",
        moody_etcd()
    );
    fs::write(node.live("manifests/etcd.yaml"), manifest).unwrap();
    let live = vec![Live { component: Component::Etcd, restart: false }];
    let verified = Journal { live, ..journal(&[], Step::Verify) };
    let ended = renewer(&node, false).carry_out(verified, &mut |_| ());
    assert_eq!((ended.outcome(), ended.fault), (Some(Outcome::Renewed), None));
}

/// Its backup would be that of the other, and the wrong files would go back.
#[test]
fn no_two_have_the_same_name() {
    let node = Node::new();
    let mut renewer = renewer(&node, false);
    let first = journal(&["apiserver"], Step::BackUp);
    let ids = [(); 3].map(|()| renewer.begin(first.clone(), &mut |_| ()).id);
    assert_eq!(ids, ["", "-2", "-3"].map(|end| format!("{}{end}", first.id)));
    backup::back_up(&node.paths, "kept", &[], first.begun).unwrap();
    let kept = Journal { id: "kept".to_owned(), ..first };
    assert_eq!(renewer.begin(kept, &mut |_| ()).id, "kept-2");
}

const PAIRS: [&str; 2] = ["apiserver", "apiserver-kubelet-client"];

/// The old pairs live and the new ones beside them, `renamed` of those files in their place: what a kill between two
/// renames leaves.
fn killed_while_installing(renamed: usize) -> Node {
    let node = Node::new();
    let sign = |name, days| node.ca.sign(&Leaf { age: 3_650, ..Leaf::new(name, days) });
    let mut count = 0;
    for name in PAIRS {
        let [old, new] = [36_000, 36_500].map(|days| sign(name, days));
        for (ending, old, new) in [("key", old.1, new.1), ("crt", old.0, new.0)] {
            let file = format!("{name}.{ending}");
            let is_renamed = count < renamed;
            count += 1;
            let (live, beside) = if is_renamed { (new, old) } else { (old, new) };
            fs::write(node.live("pki").join(&file), live).unwrap();
            fs::write(node.live("pki").join(format!(".certwatch-{file}")), beside).unwrap();
        }
    }
    node
}

fn hidden(node: &Node) -> Vec<std::ffi::OsString> {
    let names = fs::read_dir(node.live("pki")).unwrap().flatten().map(|it| it.file_name());
    names.filter(|name| name.to_string_lossy().starts_with('.')).collect()
}

/// The state-dir may be lost, and with it the journal.
#[test]
fn without_a_journal_a_pair_that_was_cut_in_two_is_made_whole() {
    for renamed in 0..=4 {
        let node = killed_while_installing(renamed);
        let is_cut = renamed % 2 == 1;
        assert_eq!(pairs::are_broken(&node.paths), is_cut, "{renamed}");
        let mut renewer = renewer(&node, false);
        let ended = renewer.recover(&mut |_| ()).unwrap();
        assert!(!pairs::are_broken(&node.paths), "{renamed}: {ended:#?}");
        assert_eq!(hidden(&node), [""; 0], "a key outside of its place");
        assert!(!node.paths.work.join("found").exists());
        assert_eq!(ended.len(), usize::from(is_cut));
        for journal in ended {
            assert_eq!((&journal.task, journal.outcome()), (&Task::Repair, Some(Outcome::Renewed)));
            assert_eq!(journal.names, [PAIRS[renamed / 2]]);
            assert_eq!(renewer.memory().history, [journal]);
        }
        assert_eq!(renewer.recover(&mut |_| ()), Ok(Vec::new()), "there is nothing left to do");
    }
}

/// It is written down before it is begun, and what was found outlives the places in which it was found.
#[test]
fn a_repair_that_is_interrupted_is_begun_again() {
    let node = killed_while_installing(1);
    let mut renewer = renewer(&node, true);
    let ended = renewer.recover(&mut |_| ()).unwrap();
    assert_eq!(ended[0].outcome(), Some(Outcome::Unchanged), "it was stopped");
    assert!(pairs::are_broken(&node.paths));
    assert_eq!(hidden(&node), [""; 0]);
    renewer.stop = Stop::default();
    let ended = renewer.recover(&mut |_| ()).unwrap();
    assert_eq!(ended[0].outcome(), Some(Outcome::Renewed), "{ended:#?}");
    assert!(!pairs::are_broken(&node.paths));
}

/// It writes a key, and then its certificate; and its files are not ours to clear away.
#[test]
fn while_kubeadm_is_at_work_nothing_is_repaired() {
    let node = killed_while_installing(1);
    fs::create_dir_all(&node.paths.work).unwrap();
    let open = |find: fn(&NodePaths) -> Option<Blocker>| {
        Renewer::open_beside(node.paths.clone(), 3, no_copies(), Stop::default(), find)
    };
    assert_eq!(
        open(|_| Some(Blocker::KubeadmRuns { pid: 7, verb: String::new() }))
            .unwrap()
            .recover(&mut |_| ()),
        Ok(Vec::new())
    );
    assert!(pairs::are_broken(&node.paths) && hidden(&node).len() == 4);
    assert_eq!(open(|_| None).unwrap().recover(&mut |_| ()).unwrap().len(), 1);
    assert!(!pairs::are_broken(&node.paths));
}

/// A half that is nowhere has to be made anew, by kubeadm, and until then it stays as it is.
#[test]
fn what_has_no_other_half_is_left_to_kubeadm() {
    let node = killed_while_installing(1);
    for name in hidden(&node) {
        fs::remove_file(node.live("pki").join(name)).unwrap();
    }
    fs::write(node.live("pki/.certwatch-apiserver.key"), "cut").unwrap();
    assert_eq!(renewer(&node, false).recover(&mut |_| ()), Ok(Vec::new()));
    assert_eq!(pairs::mismatched(&node.paths), [PAIRS[0]]);
    assert_eq!(hidden(&node), [""; 0], "a key outside of its place");
}

/// A node may be half-way, and nobody knows it any more.
#[test]
fn a_lost_journal_is_told_once_and_what_it_was_for_is_made_whole() {
    let node = killed_while_installing(1);
    fs::create_dir_all(&node.paths.work).unwrap();
    fs::write(node.paths.work.join("state.json"), "no JSON").unwrap();
    let open = || {
        let (copies, stop) = (no_copies(), Stop::default());
        Renewer::open_beside(node.paths.clone(), 3, copies, stop, |_| None)
    };
    let Err(lost) = open() else { panic!() };
    assert!(lost.to_string().contains("no longer be resumed"), "{lost}");
    assert!(!pairs::are_broken(&node.paths));
    assert_eq!(open().unwrap().memory().history[0].task, Task::Repair);
}

/// Nobody could use it; what was sound goes back.
#[test]
fn what_did_not_match_before_is_not_put_back() {
    let node = Node::new();
    let [old, new] = PAIRS.map(|name| [5, 365].map(|days| node.ca.sign(&Leaf::new(name, days))))[0]
        .each_ref()
        .map(|pair| (pair.0.clone(), pair.1.clone()));
    let conf = fs::read_to_string(node.live("admin.conf")).unwrap();
    fs::write(node.live("pki/apiserver.crt"), &old.0).unwrap();
    for key in [None, Some(&new.1)] {
        match key {
            None => fs::remove_file(node.live("pki/apiserver.key")).unwrap(),
            Some(key) => fs::write(node.live("pki/apiserver.key"), key).unwrap(),
        }
        let renewer = renewer(&node, false);
        let begun = journal(&["admin.conf", "apiserver"], Step::RollBack);
        let id = format!("{}-{}", begun.id, key.is_some());
        let begun = Journal { id, ..begun };
        renewer.back_up(&begun).unwrap();
        let read = |path: &str| fs::read(node.live(path)).ok();
        let sum = |path: &str| read(path).map(|bytes| files::hex_sha256(&bytes));
        let file_paths = ["admin.conf", "pki/apiserver.key", "pki/apiserver.crt"];
        let before = file_paths.map(sum);
        for (path, content) in [
            ("admin.conf", "new\n"),
            ("pki/apiserver.key", &*new.1),
            ("pki/apiserver.crt", &*new.0),
        ] {
            fs::write(node.live(path), content).unwrap();
        }
        let changes = file_paths.into_iter().zip(before).map(|(path, before)| FileChange {
            path: path.into(),
            before,
            after: sum(path).unwrap(),
        });
        let begun = Journal { changes: changes.collect(), ..begun };
        let done = renewer.roll_back(&begun).unwrap();
        assert!(done.note.unwrap().contains("but for apiserver, whose old key did not match"));
        assert_eq!(fs::read_to_string(node.live("admin.conf")).unwrap(), conf);
        assert!(!pairs::are_broken(&node.paths));
        assert_eq!(read("pki/apiserver.crt").unwrap(), new.0.as_bytes());
        fs::write(node.live("pki/apiserver.crt"), &old.0).unwrap();
    }
}

/// It is tried more often than it is told.
#[test]
fn what_fails_again_without_a_person_is_remembered_once_a_day() {
    let node = Node::new();
    let mut renewer = renewer(&node, false);
    let fault = Some((Step::Install, Fault::failed("the disk is full")));
    let step = Step::End(Outcome::NeedsOperator);
    let failed = Journal { fault, step, ..journal(&["apiserver"], Step::Install) };
    let repair = Journal { task: Task::Repair, ..failed.clone() };
    for (journal, count) in [(&failed, 1), (&failed, 2), (&repair, 3), (&repair, 3)] {
        renewer.conclude(journal.clone());
        assert_eq!(renewer.memory().history.len(), count, "a person may ask twice");
    }
    renewer.conclude(failed.clone());
    renewer.is_asked_by_nobody();
    renewer.conclude(failed.clone());
    assert_eq!(renewer.memory().history.len(), 4);
    let begun = failed.begun + crate::domain::time::Span::hours(25);
    renewer.conclude(Journal { begun, ..failed });
    assert_eq!(renewer.memory().history.len(), 5);
}

#[test]
fn pairs_that_do_not_match_are_noted_for_the_daemon() {
    let node = killed_while_installing(1);
    let mut renewer = renewer(&node, false);
    renewer.note_mismatched().unwrap();
    assert_eq!(renewer.memory().mismatched, [PAIRS[0]]);
    renewer.recover(&mut |_| ()).unwrap();
    renewer.note_mismatched().unwrap();
    let saved = crate::store::peek::<RenewerState>(&node.paths.work).unwrap().unwrap();
    assert_eq!(saved.mismatched, [""; 0]);
}

/// It goes on with the copy for a moment after certwatch was killed.
#[test]
fn a_kubeadm_that_outlives_its_certwatch_leaves_no_key_on_the_stage() {
    let node = Node::new();
    let mut renewer = renewer(&node, false);
    renewer.memory.current = Some(journal(&["apiserver"], Step::Stage));
    renewer.find_kubeadm = |paths| {
        let verb = String::new();
        paths.kubeadm.exists().then_some(Blocker::KubeadmRuns { pid: 7, verb })
    };
    fs::write(&node.paths.kubeadm, "at work").unwrap();
    let paths = node.paths.clone();
    let orphan = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        fs::create_dir_all(paths.stage().join("pki")).unwrap();
        fs::write(paths.stage().join("pki/apiserver.key"), "a key").unwrap();
        fs::remove_file(&paths.kubeadm).unwrap();
    });
    let ended = renewer.recover(&mut |_| ()).unwrap();
    orphan.join().unwrap();
    assert_eq!(ended[0].outcome(), Some(Outcome::Unchanged));
    assert!(!node.staged("pki/apiserver.key").exists());
}
