use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::super::testing::{Node, words};
use super::*;
use crate::domain::renewal::Component;
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
    assert!(backup::list(&node.places).unwrap().is_empty());
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
    backup::back_up(&node.places, "kept", &[], first.begun).unwrap();
    let kept = Journal { id: "kept".to_owned(), ..first };
    assert_eq!(renewer.begin(kept, &mut |_| ()).id, "kept-2");
}

/// A node may be half-way, and nobody knows it any more.
#[test]
fn a_lost_journal_is_told_once() {
    let node = Node::new();
    fs::create_dir_all(&node.places.work).unwrap();
    fs::write(node.places.work.join("state.json"), "no JSON").unwrap();
    let open = || Renewer::open(node.places.clone(), 3, Arc::default());
    let Err(lost) = open() else { panic!() };
    assert!(lost.to_string().contains("forgotten"), "{lost}");
    assert!(open().is_ok());
}
