//! The crash campaign: a daemon is killed again and again (SIGKILL) while it starts, sends and
//! writes, and its node changes. No alert may be lost, and what is told twice must be told as the
//! same message, at most once for each kill.
//!
//! `CERTWATCH_KILLS` says how often (200 if not set), `CERTWATCH_SEED` repeats a campaign.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::dice::{Dice, of_environment};
use common::node::YEAR;
use common::pki::Days;
use common::receiver::{Manner, Moment, Post};
use common::stage::{Daemon, LATER, SOON, Stage};
use common::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const GONE: Days = Days(-400, -3);
const NAMES: [&str; 4] = ["apiserver", "etcd-server", "etcd-peer", "front-proxy-client"];

/// Longest wait for a request that does not come, since nothing is new.
const PATIENCE: Duration = Duration::from_millis(200);

/// After so many kills the daemon is left alone until it has told everything.
const ROUND: usize = 25;

/// When a daemon is killed.
#[derive(Clone, Copy, Debug)]
enum Plan {
    /// So long after its start.
    After(Duration),
    /// So long after a moment of its first request.
    At(Moment, Duration),
}

/// How bad a certificate is; what is not wrong is 0.
fn rank(days: Days) -> u8 {
    match days.1 {
        ..0 => 3,
        0..7 => 2,
        7..30 => 1,
        _ => 0,
    }
}

/// The same from a message's words.
fn rank_of(summary: &str) -> u8 {
    let words: [(&str, u8); 3] = [("expired", 3), ("expires in 5 d", 2), ("expires in 20 d", 1)];
    let found = words.iter().find(|(words, _)| summary.contains(words));
    found.unwrap_or_else(|| panic!("unexpected: {summary}")).1
}

#[derive(Default)]
struct Totals {
    kills: usize,
    messages: usize,
    repeats: usize,
    torn_writes: usize,
    changes: usize,
    stale: usize,
    longest: Duration,
}

impl fmt::Display for Totals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} kills ({} within a write), {} changes of the node, {} messages, {} of them repeats \
             with the same id, 0 alerts lost, {} RESOLVED not sent; longest run {:?}",
            self.kills,
            self.torn_writes,
            self.changes,
            self.messages,
            self.repeats,
            self.stale,
            self.longest
        )
    }
}

struct Campaign {
    stage: Stage,
    dice: Dice,
    window: Duration,
    node: BTreeMap<String, Days>,
    /// What the receiver believes, by its messages.
    view: BTreeMap<String, u8>,
    /// What it has believed since the daemon was last left alone: one that is killed may not have
    /// noted that it told the end of something.
    believed: BTreeSet<String>,
    ids: BTreeSet<String>,
    /// The node has changed since the last message: what was better for a moment is told again.
    has_changed: bool,
    posts_seen: usize,
    totals: Totals,
}

impl Campaign {
    fn new() -> Self {
        let stage = Stage::new();
        Self {
            window: Duration::from_millis(150).max(start_to_request(&stage) * 2),
            stage: {
                // What was measured is forgotten.
                std::fs::remove_dir_all(stage.state()).unwrap();
                stage.renew("apiserver", YEAR);
                stage
            },
            dice: Dice::of_environment(),
            node: BTreeMap::new(),
            view: BTreeMap::new(),
            believed: BTreeSet::new(),
            ids: BTreeSet::new(),
            has_changed: true,
            posts_seen: 1,
            totals: Totals::default(),
        }
    }

    fn change_node(&mut self) {
        let name = NAMES[usize::try_from(self.dice.below(4)).unwrap()];
        let days = [SOON, LATER, YEAR, GONE][usize::try_from(self.dice.below(4)).unwrap()];
        self.stage.renew(name, days);
        self.node.insert(name.to_owned(), days);
        self.totals.changes += 1;
        self.has_changed = true;
    }

    fn plan(&mut self) -> Plan {
        let (zero, short) = (Duration::ZERO, Duration::from_millis(15));
        match self.dice.below(10) {
            0..4 => Plan::After(self.dice.micros(self.window)),
            4 => Plan::At(Moment::Read, zero),
            5 => Plan::At(Moment::Answered, zero),
            6 => Plan::At(Moment::Read, self.dice.micros(short)),
            _ => Plan::At(Moment::Answered, self.dice.micros(short)),
        }
    }

    /// One daemon, from its start to its end.
    fn kill_one(&mut self) {
        if self.dice.below(2) == 0 {
            self.change_node();
        }
        let begin = Instant::now();
        let plan = self.plan();
        let mut command = self.stage.run_command();
        let mut daemon = Daemon::start(&mut command, self.stage.path("log"));
        if self.dice.below(8) == 0 {
            self.change_node();
        }
        carry_out(plan, &self.stage, &mut daemon.child);
        daemon.child.wait().unwrap();
        self.totals.kills += 1;
        self.totals.longest = self.totals.longest.max(begin.elapsed());
        let repeats = self.take_posts();
        assert!(repeats <= 1, "{repeats} repeats after one kill, {plan:?}");
        self.look_at_state(plan);
    }

    /// Takes in what has come; gives how many of it had come before.
    fn take_posts(&mut self) -> usize {
        // A request that was cut off by the kill is not counted by the server; one that it has read
        // whole is counted before it is answered.
        let posts = self.stage.receiver.posts("/hook");
        let mut repeats = 0;
        for post in &posts[self.posts_seen..] {
            repeats += usize::from(self.take_post(post));
        }
        self.posts_seen = posts.len();
        self.totals.repeats += repeats;
        repeats
    }

    /// True if it is a repeat.
    fn take_post(&mut self, post: &Post) -> bool {
        assert_eq!(post.manner, Manner::Takes);
        let message: Value = serde_json::from_str(&post.body).unwrap();
        let key = post.headers.iter().find(|(name, _)| name == "idempotency-key");
        let id = key.unwrap().1.clone();
        assert_eq!(message["certwatch"]["id"], id.as_str());
        assert_ne!(message["certwatch"]["kind"], "news", "memory was lost: {message:#}");
        self.totals.messages += 1;
        let before = self.view.clone();
        for alert in message["alerts"].as_array().unwrap() {
            let name = alert["labels"]["name"].as_str().unwrap().to_owned();
            if alert["status"] == "resolved" {
                self.view.remove(&name);
            } else {
                let summary = alert["annotations"]["summary"].as_str().unwrap();
                self.view.insert(name, rank_of(summary));
            }
        }
        let is_repeat = !self.ids.insert(id);
        // What says nothing new must at least be known as the same message.
        let had_changed = std::mem::take(&mut self.has_changed);
        let says_nothing = before == self.view && !had_changed;
        assert!(is_repeat || !says_nothing, "told again under another id: {message:#}");
        self.believed.extend(self.view.keys().cloned());
        is_repeat
    }

    /// Whatever the daemon was doing: there is a state, and it claims nothing that was not received.
    fn look_at_state(&mut self, plan: Plan) {
        let dir = self.stage.state();
        if !dir.exists() {
            return;
        }
        let names = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        assert!(!names.iter().any(|name| name.contains("set-aside")), "{plan:?}: {names:?}");
        self.totals.torn_writes +=
            usize::from(names.iter().any(|name| name.contains(".certwatch-")));
        let memory = certwatch::store::peek::<certwatch::monitor::MonitorState>(&dir).unwrap();
        if memory.is_none() {
            return;
        }
        let memory = self.stage.memory();
        let ledger = &memory["state"]["ledger"];
        let empty = serde_json::Map::new();
        let count = ledger["receivers"]["webhook"]["count"].as_u64().unwrap_or(0);
        assert!(count <= self.ids.len() as u64, "{plan:?}: more counted than received");
        let told = ledger["receivers"]["webhook"]["notified"].as_object().unwrap_or(&empty);
        for told in told.values() {
            let name = told["text"]["name"].as_str().unwrap();
            let is_known = self.believed.contains(name);
            assert!(is_known, "{plan:?}: {name} counts as told and is not");
        }
    }

    /// Lets a daemon tell everything, and compares what the receiver believes with the node.
    fn settle(&mut self) {
        let mut daemon = self.stage.start();
        let wrong: BTreeMap<_, _> = self
            .node
            .iter()
            .map(|(name, days)| (name.clone(), rank(*days)))
            .filter(|it| it.1 > 0)
            .collect();
        let mut repeats = 0;
        wait::until("all alerts at the receiver: LOST", || {
            repeats += self.take_posts();
            let knows =
                |(name, rank): (&String, &u8)| self.view.get(name).is_some_and(|it| it >= rank);
            let queue = self.queue();
            if wrong.iter().all(knows) && queue == Some(0) {
                Ok(())
            } else {
                Err((self.view.clone(), wrong.clone(), queue))
            }
        });
        repeats += self.take_posts();
        assert!(repeats <= 1, "{repeats} repeats after one kill");
        assert_eq!(daemon.stop().0, Some(0));
        repeats = self.take_posts();
        assert_eq!(repeats, 0, "SIGTERM repeats nothing");
        // One killed after it told of something that was mended before it could note that: it knows
        // nothing of it, so the receiver never hears the end.
        self.totals.stale += self.view.keys().filter(|name| !wrong.contains_key(*name)).count();
        self.view = wrong.clone();
        self.believed = wrong.into_keys().collect();
    }

    /// What is still to be told, as `status` says it; nothing before the first scan of this daemon.
    fn queue(&self) -> Option<u64> {
        let run = self.stage.certwatch(&["status", "-o", "json"]);
        let status: Value = serde_json::from_str(&run.stdout).ok()?;
        let open: BTreeSet<_> =
            status["alerts"].as_array()?.iter().map(|it| it["name"].as_str().unwrap()).collect();
        let wrong = self.node.iter().filter(|(_, days)| rank(**days) > 0).map(|it| it.0.as_str());
        let is_current = open == wrong.collect() && status["daemon"]["running"] == true;
        status["receivers"][0]["pending"].as_u64().filter(|_| is_current)
    }
}

/// How long it takes until a daemon sends its first request here.
fn start_to_request(stage: &Stage) -> Duration {
    stage.renew("apiserver", SOON);
    let begin = Instant::now();
    let _daemon = stage.start();
    stage.receiver.wait_for_posts("/hook", 1);
    begin.elapsed()
}

/// Kills the daemon as planned, or later if what was waited for does not come.
fn carry_out(plan: Plan, stage: &Stage, daemon: &mut Child) {
    // Nobody waits for the child before this is over, so its number is its own.
    let kill = |pid: Pid| {
        // It may be dead already.
        let _ = kill_process(pid, Signal::KILL);
    };
    let pid = Pid::from_child(daemon);
    match plan {
        Plan::After(pause) => sleep(pause),
        Plan::At(moment, pause) => {
            let is_armed = Arc::new(Mutex::new(true));
            let armed = is_armed.clone();
            stage.receiver.on(move |now| {
                let mut armed = armed.lock().unwrap();
                if *armed && now == moment {
                    sleep(pause);
                    kill(pid);
                    *armed = false;
                }
            });
            let end = Instant::now() + PATIENCE;
            while *is_armed.lock().unwrap() && Instant::now() < end {
                sleep(Duration::from_millis(1));
            }
            *is_armed.lock().unwrap() = false;
        }
    }
    kill(pid);
}

#[test]
fn no_alert_is_lost_and_nothing_is_told_twice_but_by_a_kill() {
    let kills = usize::try_from(of_environment("CERTWATCH_KILLS").unwrap_or(200)).unwrap();
    let mut campaign = Campaign::new();
    for kill in 1..=kills {
        campaign.kill_one();
        if kill % ROUND == 0 || kill == kills {
            campaign.settle();
        }
    }
    println!("window {:?}; {}", campaign.window, campaign.totals);
    assert!(campaign.totals.messages > kills / 20, "it told enough to be a test");
    assert!(campaign.totals.repeats <= kills);
}
