//! What the daemon does about the renewer's notes, and about those that are lost or damaged.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::common::stage::{Daemon, Stage};
use super::common::wait;

fn notes(stage: &Stage) -> PathBuf {
    fs::create_dir_all(stage.path("renew")).unwrap();
    stage.path("renew/state.json")
}

fn told(stage: &Stage, words: &str) {
    wait::until(words, || {
        let told = stage.receiver.headlines();
        if told.iter().any(|it| it.contains(words)) { Ok(()) } else { Err(told) }
    });
}

/// One may be half-way, and nobody else can tell.
#[test]
fn notes_that_cannot_be_read_are_told_and_so_is_their_end() {
    for damaged in ["", "{\"version\":1,\"sta", "{\"version\":9}"] {
        let stage = Stage::new();
        let file = notes(&stage);
        fs::write(&file, damaged).unwrap();
        let mut daemon = stage.start();
        told(&stage, "does not know whether a renewal is unfinished");
        let message = stage.receiver.messages()[0].to_string();
        assert!(message.contains("renew/state.json"), "{message}");
        assert!(message.contains("certwatch renew --dry-run"), "{message}");
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged, "it only looks");
        assert_eq!(daemon.stop().0, Some(0));
        fs::remove_file(&file).unwrap();
        let _daemon = stage.started_again();
        wait::until("its end", || {
            let told = stage.receiver.messages();
            let is_over = |it: &serde_json::Value| it["certwatch"]["kind"] == "resolved";
            if told.iter().any(is_over) { Ok(()) } else { Err(told) }
        });
    }
}

/// The daemon reads no key: it has the renewer's word.
#[test]
fn a_pair_that_the_renewer_could_not_mend_is_told() {
    let stage = Stage::new();
    let state = json!({"version": 1, "state": {"mismatched": ["etcd-server"]}});
    fs::write(notes(&stage), state.to_string()).unwrap();
    let _daemon = stage.start();
    told(&stage, "found a key that does not match its certificate");
    let message = stage.receiver.messages()[0].to_string();
    assert!(message.contains("etcd-server is unusable"), "{message}");
}

/// Whatever is remembered may be lost. As root it starts the renewer, which moves away what is damaged; as a user it
/// asks for it.
#[test]
fn each_start_asks_the_renewer_to_look() {
    let stage = Stage::new();
    let config = fs::read_to_string(stage.path("config.toml")).unwrap();
    let request = stage.path("request");
    let line = format!("request-file = \"{}\"\n", request.display());
    fs::write(stage.path("config.toml"), config + &line).unwrap();
    fs::write(notes(&stage), "no JSON").unwrap();
    let mut command = stage.command(&["status"]);
    let config = stage.path("config.toml");
    // Without --root: a node that is mounted somewhere is left alone.
    let program = command.get_program().to_owned();
    command = std::process::Command::new(program);
    command.args(["run", "--log", "text", "--config", config.to_str().unwrap()]);
    command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
    let _daemon = Daemon::start(&mut command, stage.path("log"));
    let is_root = rustix::process::geteuid().is_root();
    wait::until("a look", || {
        let names = fs::read_dir(stage.path("renew")).unwrap().map(|it| it.unwrap().file_name());
        let is_aside = names.into_iter().any(|it| it.to_string_lossy().contains(".set-aside-"));
        let log = fs::read_to_string(stage.path("log")).unwrap_or_default();
        if is_aside == is_root && request.exists() != is_root { Ok(()) } else { Err(log) }
    });
}
