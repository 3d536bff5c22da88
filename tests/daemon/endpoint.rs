//! Endpoints: what a server presents is told of like what is in a file.

use std::fs;
use std::process::Command;

use super::common::endpoint::Presenting;
use super::common::pki::{Authority, Days};
use super::common::stage::{Daemon, Stage};

#[test]
fn a_server_that_was_not_reloaded_is_told_of_until_it_is() {
    let stage = Stage::new();
    let ca = Authority::new("site-ca", Days(-1, 3_650));
    let leaf = |days| ca.leaf("www", "", &["localhost"], days);
    let (old, new) = (leaf(Days(-100, 200)), leaf(Days(-1, 365)));
    let (trusted, file, server) =
        (stage.path("ca.pem"), stage.path("tls/tls.crt"), Presenting::new(&old));
    fs::create_dir(stage.path("tls")).unwrap();
    fs::write(&trusted, &ca.pair.certificate).unwrap();
    fs::write(&file, &old.certificate).unwrap();
    stage.configure(&format!(
        "[scan]\nstandard = false\npaths = [{trusted:?}]\n{}[[endpoint]]\naddress = {:?}\nca-file = {trusted:?}\n\
         file = {file:?}\n",
        stage.webhook(),
        server.address()
    ));
    // Not with --root, as the other tests: of a node that is mounted nobody is asked.
    let mut command = Command::new(env!("CARGO_BIN_EXE_certwatch"));
    command.args(["run", "--log", "text", "--log-level", "debug", "--config"]);
    command.arg(stage.path("config.toml")).env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
    let daemon = Daemon::start(&mut command, stage.path("log"));
    daemon.wait_for_log("DEBUG scanned");

    fs::write(&file, &new.certificate).unwrap();
    let message = &stage.receiver.wait_for_messages(1)[0];
    let alerts = message["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 1, "{message:#}");
    let headline = message["certwatch"]["headline"].as_str().unwrap();
    assert_eq!(headline, format!("{} does not serve {}", server.address(), file.display()));

    server.reload(&new);
    fs::write(&file, &new.certificate).unwrap();
    let message = &stage.receiver.wait_for_messages(2)[1];
    assert_eq!(message["certwatch"]["kind"], "resolved", "{message:#}");
}
