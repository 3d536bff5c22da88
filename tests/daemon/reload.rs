//! SIGHUP.

use std::fs;

use rustix::process::Signal;

use super::common::manager::Manager;
use super::common::pki::Days;
use super::common::proxy::{Manner, Proxy};
use super::common::stage::{Daemon, SOON, Stage};
use super::common::wait;

#[test]
fn a_new_receiver_is_told_all_that_fires() {
    let stage = Stage::new();
    stage.node.leaf("apiserver", SOON);
    let daemon = stage.start();
    stage.receiver.wait_for_messages(1);
    stage.configure(&(stage.webhook() + &stage.slack()));
    daemon.signal(Signal::HUP);
    let slack = &stage.receiver.wait_for_posts("/slack/chat.postMessage", 1)[0];
    assert!(slack.body.contains("apiserver expires in 5 d"), "{slack:?}");
    daemon.wait_for_log("configuration reloaded");
    assert_eq!(stage.receiver.posts("/hook").len(), 1, "the other one knows it");
}

#[test]
fn a_bad_configuration_is_refused_and_told_and_the_old_one_stays() {
    let stage = Stage::new();
    let daemon = stage.started();
    let good = fs::read_to_string(stage.path("config.toml")).unwrap();
    stage.configure("interval = \"soon\"\n[wehook]\n");
    daemon.signal(Signal::HUP);

    let message = &stage.receiver.wait_for_messages(1)[0];
    let text = message.to_string();
    assert!(text.contains("still uses its previous configuration"), "{message:#}");
    assert!(text.contains("config.toml"), "it says which file: {message:#}");
    assert_eq!(message["alerts"][0]["labels"]["severity"], "warning");
    // All that is wrong is in the log, not the first alone.
    let log = daemon.read_log();
    for words in
        ["interval", "wehook", "the new configuration is invalid; the previous one stays in effect"]
    {
        assert!(log.contains(words), "no {words:?} in {log}");
    }
    let status = wait::until("a firing alert in the status", || {
        let status = stage.status_by(&good);
        if status.contains("previous configuration") { Ok(status) } else { Err(status) }
    });
    assert!(status.contains("WARNING"), "{status}");

    // The old one is in effect: what is new is still told.
    stage.renew("apiserver", SOON);
    stage.receiver.wait_for_messages(2);

    fs::write(stage.path("config.toml"), good).unwrap();
    daemon.signal(Signal::HUP);
    let message = &stage.receiver.wait_for_messages(3)[2];
    assert_eq!(message["certwatch"]["kind"], "resolved", "{message:#}");
}

/// The name is one that only the proxy knows.
#[test]
fn a_proxy_takes_effect_and_its_secret_is_nowhere() {
    let stage = Stage::new();
    let proxy = Proxy::start(Manner::Honest(None));
    stage.secret("proxy", &format!("http://user:hunter2@127.0.0.1:{}", proxy.port));
    let url = stage.receiver.url("/hook").replace("127.0.0.1", "hook.invalid");
    stage.secret("hook", &url);
    stage.configure(&stage.webhook());
    stage.node.leaf("apiserver", SOON);
    let daemon = stage.started();
    daemon.wait_for_log("webhook (hook.invalid) has a name that cannot be resolved");
    assert!(stage.receiver.messages().is_empty());
    let named = format!("[http]\nproxy-file = \"{}\"\n", stage.path("proxy").display());
    stage.configure(&(stage.webhook() + &named));
    daemon.signal(Signal::HUP);
    stage.receiver.wait_for_messages(1);
    assert!(proxy.seen()[0].head.starts_with("POST http://hook.invalid:"));
    let shown = stage.certwatch(&["config", "show"]).stdout;
    assert!(shown.contains("[http]\nproxy-file = "), "{shown}");
    let status = stage.certwatch(&["status"]).stdout;
    let state = fs::read_to_string(stage.state().join("state.json")).unwrap();
    for text in [daemon.read_log(), shown, status, state] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// The watchdog's bell is one of many that let the daemon judge the last scan again meanwhile.
#[test]
fn what_is_named_while_a_scan_goes_on_is_looked_at_after_it() {
    let stage = Stage::new();
    let certificate = stage.node.new_leaf("apiserver", Days(-1, 300)).1.certificate;
    let many = stage.node.path("srv/many");
    fs::create_dir_all(&many).unwrap();
    fs::write(many.join("0.crt"), certificate).unwrap();
    for number in 1..9_000 {
        fs::hard_link(many.join("0.crt"), many.join(format!("{number}.crt"))).unwrap();
    }
    let name = |paths: &str| {
        stage.configure(&format!("{}[scan]\npaths = [{paths}]\n", stage.webhook()));
    };
    name("\"/srv/many\"");
    let mut manager = Manager::of(&stage);
    let mut command = stage.run_command();
    command.env("NOTIFY_SOCKET", stage.path("notify")).env("WATCHDOG_USEC", "2000000");
    let mut daemon = Daemon::start(&mut command, stage.path("log"));
    daemon.wait_for_log("started; notifications go to:");
    stage.replace("srv/new.crt", &stage.node.new_leaf("apiserver", SOON).1.certificate);
    name("\"/srv/many\", \"/srv/new.crt\"");
    daemon.signal(Signal::HUP);
    wait::until("a message of what is named now", || {
        manager.hear();
        let told = stage.receiver.posts("/hook");
        let is_told = told.iter().any(|post| post.body.contains("/srv/new.crt"));
        if is_told { Ok(()) } else { Err(daemon.read_log()) }
    });
    assert_eq!(daemon.stop().0, Some(0));
}
