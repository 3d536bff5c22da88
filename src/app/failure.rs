//! `certwatch notify failure`: everybody is told once that a unit of systemd has failed.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::notify::{NO_CHANNEL, attempt};
use crate::cli::FailureArgs;
use crate::config::{self, Config};
use crate::domain::alert::AlertId;
use crate::domain::cluster::NodeIdentity;
use crate::domain::ledger::{Body, Delivery, DeliveryMode, ReceiverSpec};
use crate::domain::message::{Message, MessageKind};
use crate::domain::policy::Severity;
use crate::domain::text::{escape_control, shell_word};
use crate::domain::time::UnixTime;
use crate::exit::Exit;
use crate::notify::{Failure, FailureKind, route};
use crate::{monitor, sys};

/// The waits before what may pass is tried again.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(240)];

/// The daemon's unit.
const DAEMON: &str = "certwatch.service";

/// Tells everybody, and says on standard error who was not told.
pub(crate) fn tell(args: &FailureArgs) -> Exit {
    let config = readable(args.config.as_deref());
    let specs: Vec<_> = route::receivers(&config.channels)
        .into_iter()
        .filter(|spec| spec.mode != DeliveryMode::Heartbeat)
        .collect();
    if specs.is_empty() {
        super::print_error(NO_CHANNEL);
        return Exit::Failed;
    }
    let message = message(&monitor::known_identity(&config), &args.unit, &how(), sys::now());
    match super::runtime() {
        Ok(runtime) => {
            let all_told = runtime.block_on(tell_all(&config, specs, &message));
            runtime.shutdown_background();
            if all_told { Exit::Done } else { Exit::Failed }
        }
        Err(error) => {
            super::print_error(&format!("cannot start: {error}"));
            Exit::Failed
        }
    }
}

/// A configuration that is wrong may be why the daemon has failed, so what can be read of it counts.
fn readable(path: Option<&Path>) -> Config {
    super::config::effective(path).unwrap_or_else(|errors| {
        super::print_error(&errors.to_string());
        config::salvage(path.unwrap_or(Path::new(config::DEFAULT_PATH)))
    })
}

/// True if all have taken it.
async fn tell_all(config: &Config, mut left: Vec<ReceiverSpec>, message: &Message) -> bool {
    let mut all_told = true;
    let mut pauses = PAUSES.into_iter();
    loop {
        let pause = pauses.next();
        let mut again = Vec::new();
        for spec in left {
            let Err(failure) = attempt(config, &delivery(&spec, message)).await else { continue };
            print_error(&spec, &failure);
            if pause.is_some() && failure.kind != FailureKind::Permanent {
                again.push(spec);
            } else {
                all_told = false;
            }
        }
        left = again;
        match pause {
            Some(pause) if !left.is_empty() => sleep(pause).await,
            _ => return all_told,
        }
    }
}

fn print_error(spec: &ReceiverSpec, failure: &Failure) {
    super::print_error(&format!("{} was not notified: {}", spec.id.shown(), failure.reason));
}

fn delivery(spec: &ReceiverSpec, message: &Message) -> Delivery {
    Delivery::message(&spec.id, Body::Message(Box::new(message.clone())), message.id.clone())
}

/// What systemd (251 and later) says of the end, in words.
fn how() -> String {
    let said = |name| {
        std::env::var(name).map(|text| escape_control(&text).into_owned()).unwrap_or_default()
    };
    let status = said("MONITOR_EXIT_STATUS");
    match said("MONITOR_SERVICE_RESULT").as_str() {
        "" => "systemd does not report how".to_owned(),
        "exit-code" => format!("it ended with status {status}"),
        "signal" | "core-dump" => format!("it was killed by SIG{status}"),
        "watchdog" => "it hung, and was killed by the watchdog".to_owned(),
        "timeout" => "it timed out".to_owned(),
        "oom-kill" => "it ran out of memory".to_owned(),
        "start-limit-hit" => "it was restarted too often".to_owned(),
        "resources" => "systemd could not set up its environment".to_owned(),
        other => format!("systemd calls it {other}"),
    }
}

fn message(node: &NodeIdentity, unit: &str, how: &str, now: UnixTime) -> Message {
    let id =
        AlertId::new(&node.to_string(), &[b"failed", unit.as_bytes(), now.to_string().as_bytes()])
            .0;
    let (shown, word) = (escape_control(unit), escape_control(&shell_word(unit)).into_owned());
    let mut text = vec![format!("{shown} of {} has failed: {how}.", node.name)];
    if unit == DAEMON {
        text.push(
            "Until it runs again, nobody is notified about the certificates of this node."
                .to_owned(),
        );
    }
    text.push(format!(
        "To see why: journalctl -u {word}. Once it is fixed: \
         systemctl reset-failed {word} && systemctl restart {word}"
    ));
    Message {
        thread: id[..16].to_owned(),
        id,
        kind: MessageKind::News,
        node: node.clone(),
        former: None,
        at: now,
        severity: Severity::Critical,
        headline: format!("{shown} has failed"),
        text,
        firing: Vec::new(),
        resolved: Vec::new(),
        next: String::new(),
    }
}
