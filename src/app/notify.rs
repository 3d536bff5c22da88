//! `certwatch notify test`: one real message through every channel.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::cli::TestArgs;
use crate::config::Config;
use crate::domain::alert::AlertId;
use crate::domain::cluster::NodeIdentity;
use crate::domain::ledger::{Body, Delivery, DeliveryMode, ReceiverSpec};
use crate::domain::message::{Message, MessageKind};
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;
use crate::domain::time::{Span, UnixTime};
use crate::exit::Exit;
use crate::notify::route::{self, DeliveryContext};
use crate::notify::{Failure, FailureKind, Network, Receipt};
use crate::{monitor, sys};

pub(super) const NO_CHANNEL: &str = "no notification channel is configured. Fill in [email] or [slack] in the \
                                     configuration; `certwatch config default` shows how";

/// The other side of a heartbeat cannot tell a test from the daemon.
const LEFT_OUT: &str = "skipped: heartbeat, because one sent from here could hide that the daemon is dead; to \
                        test it: certwatch notify test heartbeat\n";

const ONLY_HEARTBEAT: &str =
    "only the heartbeat is configured; `certwatch notify test heartbeat` tests it";

/// Sends the messages and prints how each went.
pub(crate) fn test(args: &TestArgs) -> Exit {
    let config = match super::config::effective(args.config.as_deref()) {
        Ok(config) => config,
        Err(errors) => {
            super::print_error(&errors.to_string());
            return Exit::Config;
        }
    };
    let wanted = match wanted(&config, &args.channels) {
        Ok(wanted) => wanted,
        Err(why) => {
            super::print_error(&why);
            return Exit::Failed;
        }
    };
    match super::runtime() {
        Ok(runtime) => {
            let all_went = runtime.block_on(try_all(&config, &wanted));
            runtime.shutdown_background();
            if args.channels.is_empty() && config.channels.heartbeat.is_some() {
                super::print(LEFT_OUT);
            }
            if all_went { Exit::Done } else { Exit::Failed }
        }
        Err(error) => {
            super::print_error(&format!("cannot start: {error}"));
            Exit::Failed
        }
    }
}

fn wanted(config: &Config, channels: &[String]) -> Result<Vec<ReceiverSpec>, String> {
    let all = route::receivers(&config.channels);
    if all.is_empty() {
        return Err(NO_CHANNEL.to_owned());
    }
    let is_meant =
        |spec: &ReceiverSpec, name: &String| spec.id.0 == *name || route::channel(&spec.id) == name;
    if let Some(unknown) = channels.iter().find(|name| !all.iter().any(|it| is_meant(it, name))) {
        let mut known: Vec<_> = all.iter().map(|spec| route::channel(&spec.id)).collect();
        known.dedup();
        return Err(format!(
            "channel {} is not configured; configured channels: {}",
            escape_control(unknown),
            known.join(", ")
        ));
    }
    let is_wanted = |spec: &ReceiverSpec| match channels {
        [] => spec.mode != DeliveryMode::Heartbeat,
        names => names.iter().any(|it| is_meant(spec, it)),
    };
    let wanted: Vec<_> = all.into_iter().filter(is_wanted).collect();
    if wanted.is_empty() { Err(ONLY_HEARTBEAT.to_owned()) } else { Ok(wanted) }
}

/// One after the other, each told as soon as it is done. True if all went well.
async fn try_all(config: &Config, specs: &[ReceiverSpec]) -> bool {
    let mut all_went = true;
    for spec in specs {
        let delivery = delivery(&monitor::known_identity(config), spec, sys::now());
        let begin = Instant::now();
        let result = attempt(config, &delivery).await;
        all_went &= result.is_ok();
        super::print(&line(spec, result.err().as_ref(), begin.elapsed()));
    }
    all_went
}

/// Delivers without the daemon: nothing is remembered.
pub(super) async fn attempt(config: &Config, delivery: &Delivery) -> Result<Receipt, Failure> {
    let context = DeliveryContext {
        channels: config.channels.clone(),
        network: Network::of(config, &std::sync::Arc::default()),
        until: sys::now() + Span::minutes(5),
    };
    route::deliver(&context, delivery).await
}

fn line(spec: &ReceiverSpec, failure: Option<&Failure>, took: Duration) -> String {
    let who = spec.id.shown();
    let took = format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match failure {
        None => writeln!(text, "ok      {who} ({took})"),
        Some(Failure { reason, kind: FailureKind::Permanent }) => {
            writeln!(text, "FAILED  {who} ({took})\n        {reason}")
        }
        Some(Failure { reason, .. }) => writeln!(
            text,
            "FAILED  {who} ({took})\n        {reason}\n        This may be temporary: the daemon would retry."
        ),
    };
    text
}

fn delivery(node: &NodeIdentity, spec: &ReceiverSpec, now: UnixTime) -> Delivery {
    if spec.mode == DeliveryMode::Heartbeat {
        let text = format!("{node}: a test by `certwatch notify test`\n");
        return Delivery::heartbeat(&spec.id, now.to_string(), true, text);
    }
    let id = AlertId::new(
        &node.to_string(),
        &[b"test", spec.id.0.as_bytes(), &sys::random_u32().to_be_bytes()],
    )
    .0;
    let message = Message {
        thread: id[..16].to_owned(),
        id: id.clone(),
        kind: MessageKind::Test,
        node: node.clone(),
        former: None,
        at: now,
        severity: Severity::Ok,
        headline: "this is what a message from certwatch looks like".to_owned(),
        text: vec![
            format!("Somebody ran `certwatch notify test` on {}. Nothing is wrong.", node.name),
            "When a certificate of this node is about to expire, a message like this says which one, when it \
             expires, what stops working then, and what to do."
                .to_owned(),
        ],
        firing: Vec::new(),
        resolved: Vec::new(),
        next: String::new(),
    };
    Delivery::message(&spec.id, Body::Message(Box::new(message)), id)
}
