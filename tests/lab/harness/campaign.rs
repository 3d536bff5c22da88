//! A campaign of crashes: certwatch is killed at its renames and at any other moment, kubeadm is killed beneath it, the
//! power is cut. The next `certwatch renew` has to end with all of what was asked for renewed and in use, or with every
//! file as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::{CERTWATCH, Cluster, Fingerprint, Node, Run, STAND_IN};
use crate::common::dice::{Dice, of_environment};

/// What makes a new file be there, a note in the journal or a certificate in its place.
const RENAMES: &str = "rename,renameat,renameat2";

/// kubeadm, killed in the middle of one certificate: which, and after how many seconds, says a file.
/// Where it is asked to, it makes a live file immutable, which is seen before a renewal begins if it is so before.
const KUBEADM: &str = r#"#!/bin/sh
[ "$1" != certs ] || [ ! -e /root/spoil ] || chattr +i /proc/1/root/etc/kubernetes/pki/front-proxy-client.key
read -r name seconds 2>/dev/null </root/kill-kubeadm
[ -n "$name" ] && [ "$3" = "$name" ] || exec /usr/bin/kubeadm "$@"
exec timeout --signal=KILL "$seconds" /usr/bin/kubeadm "$@"
"#;

/// It cannot be replaced while it is immutable: half of a set is in place when that is found out.
const LAST_FILE: &str = "/etc/kubernetes/pki/front-proxy-client.key";

const BACKUPS: &str = "/var/lib/certwatch-renew/backups";

/// kubeadm renews one certificate in 0.1 to 0.2 s.
const KUBEADM_TAKES: Duration = Duration::from_millis(150);

/// What is asked for. Most of it needs no restart: a component that is restarted again and again is
/// held back by the kubelet for up to five minutes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Wish {
    Reloaded,
    Restarted,
    All,
    /// The same as [`Self::Reloaded`], but one file cannot be replaced, so the others have to be put back.
    Undone,
    /// The same once more, from the backup of the renewal before.
    Restored,
}

impl Wish {
    pub(crate) const EACH: [Self; 5] =
        [Self::Reloaded, Self::Restarted, Self::All, Self::Undone, Self::Restored];

    fn of(run: usize) -> Self {
        use Wish::{All, Reloaded, Restarted, Restored, Undone};
        [Reloaded, Restarted, Undone, All, Reloaded, Restored, Undone][run % 7]
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            // Without the API server's own, which it takes up to a minute to read.
            Self::Reloaded | Self::Undone | Self::Restored => {
                &["admin.conf", "etcd-peer", "etcd-server", "front-proxy-client"]
            }
            Self::Restarted => &["controller-manager.conf", "scheduler.conf"],
            Self::All => &["--all"],
        }
    }

    /// Makes the node ready for it, and says what certwatch is asked.
    fn prepare(self, node: Node<'_>) -> Vec<String> {
        // What was signed in this second ends no earlier than what would be signed now: it would be left out.
        sleep(Duration::from_secs(1));
        let words = match self {
            Self::Restored => {
                node.renew(self.names());
                vec!["restore".to_owned(), newest_backup(node)]
            }
            _ => [&["renew"], self.names()].concat().into_iter().map(str::to_owned).collect(),
        };
        match self {
            Self::Reloaded | Self::Restored => {}
            Self::Undone => set_immutable(node, true),
            Self::Restarted | Self::All => forget_restarts(node),
        }
        words
    }

    /// The files that a renewal of it replaces, all of them.
    fn files(self, node: Node<'_>) -> BTreeSet<String> {
        let is_asked = |name| self == Self::All || self.names().contains(&name);
        let asked = node.names().iter().filter(|(name, _)| is_asked(*name));
        let with_key =
            |(_, file): &(&str, &str)| [(*file).to_owned(), file.replace(".crt", ".key")];
        asked.flat_map(with_key).map(|file| format!("/etc/kubernetes/{file}")).collect()
    }
}

/// What happens in the middle of it.
#[derive(Clone, Debug)]
pub(crate) enum Blow {
    /// certwatch is killed as it is about to make the n-th of these calls, from 1.
    At(String, usize),
    /// certwatch is killed after so long.
    After(Duration),
    /// kubeadm is killed so long after it has begun this certificate.
    Kubeadm(&'static str, Duration),
    /// The power is cut after so long.
    Power(Duration),
}

/// What became of one blow.
pub(crate) struct Dealt {
    /// Whether it came before certwatch had ended by itself.
    pub(crate) has_hit: bool,
    /// The step that certwatch was in, if it had begun any.
    pub(crate) step: Option<String>,
    /// Whether all of it is new in the end. Otherwise all is as it was.
    pub(crate) is_new: bool,
}

#[derive(Default)]
pub(crate) struct Totals {
    blows: BTreeMap<&'static str, usize>,
    pub(crate) missed: usize,
    resumed: usize,
    ends: BTreeMap<String, usize>,
    longest_resume: Duration,
}

impl fmt::Display for Totals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:?}; {} came too late, {} left a journal; ends {:?}; longest way to the end {:?}",
            self.blows, self.missed, self.resumed, self.ends, self.longest_resume
        )
    }
}

pub(crate) struct Campaign<'a> {
    cluster: &'a Cluster,
    node: Node<'a>,
    seed: u64,
    dice: Dice,
    /// How long a renewal takes, and its renames.
    known: BTreeMap<Wish, (Duration, Vec<Blow>)>,
    swept: BTreeMap<Wish, usize>,
    pub(crate) totals: Totals,
}

impl<'a> Campaign<'a> {
    /// Learns how a renewal of each of these goes if nothing happens.
    pub(crate) fn new(cluster: &'a Cluster, wishes: &[Wish]) -> Self {
        let node = cluster.node("cp1");
        node.install_certwatch(&format!("enabled = true\nkubeadm = \"{STAND_IN}\""));
        node.write_program(STAND_IN, KUBEADM.as_bytes());
        node.let_it_rest();
        let known = wishes.iter().map(|wish| (*wish, learn(node, *wish))).collect();
        Self {
            cluster,
            node,
            seed: of_environment("CERTWATCH_SEED").unwrap_or(0),
            dice: Dice::of_environment(),
            known,
            swept: BTreeMap::new(),
            totals: Totals::default(),
        }
    }

    fn blow(&mut self, run: usize, wish: Wish) -> Blow {
        let (takes, renames) = &self.known[&wish];
        match run % 9 {
            4 if wish != Wish::Restored => {
                Blow::Kubeadm(self.one_of(wish), self.dice.micros(KUBEADM_TAKES))
            }
            2 | 4 | 6 => Blow::After(self.dice.micros(*takes)),
            8 => Blow::Power(self.dice.micros(*takes)),
            _ => {
                // Campaigns with seeds 0, 1 and 2 share the renames between them.
                let third = usize::try_from(self.seed % 3).unwrap() * renames.len() / 3;
                let next = self.swept.entry(wish).or_default();
                *next += 1;
                renames[(*next - 1 + third) % renames.len()].clone()
            }
        }
    }

    fn one_of(&mut self, wish: Wish) -> &'static str {
        let all: Vec<_> = self.node.names().iter().map(|(name, _)| *name).collect();
        let names = if wish == Wish::All { &all[..] } else { wish.names() };
        // A number below a length that fits.
        names[usize::try_from(self.dice.below(names.len() as u64)).unwrap()]
    }

    /// The next of a sweep through all wishes and all kinds of blows.
    pub(crate) fn run(&mut self, run: usize) {
        let wish = Wish::of(run);
        let blow = self.blow(run, wish);
        self.deal(wish, &blow, run.is_multiple_of(2));
    }

    /// A kill of certwatch, at one of its renames or at any moment of the time that it takes.
    pub(crate) fn kill_at_random(&mut self, wish: Wish) -> Dealt {
        let (takes, renames) = &self.known[&wish];
        let blow = if self.dice.below(2) == 0 {
            Blow::After(self.dice.micros(*takes))
        } else {
            // A number below a length that fits.
            renames[usize::try_from(self.dice.below(renames.len() as u64)).unwrap()].clone()
        };
        let asks_nobody = self.dice.below(2) == 0;
        self.deal(wish, &blow, asks_nobody)
    }

    /// Every other time nobody asks for anything afterwards: what was begun goes on all the same. While a node boots,
    /// nothing else may be asked for.
    fn deal(&mut self, wish: Wish, blow: &Blow, asks_nobody: bool) -> Dealt {
        let node = self.node;
        let asked = wish.prepare(node);
        let before = (node.fingerprint(), node.manifests());
        let missed = self.totals.missed;
        let struck = self.strike(wish, &asked, blow);
        let has_hit = self.totals.missed == missed;
        let (journal, _) = node.journals();
        if matches!(blow, Blow::Power(_)) && journal.is_none() {
            node.wait_until_healthy();
        }
        let begin = Instant::now();
        let is_booting = matches!(blow, Blow::Power(_)) && journal.is_some();
        let asks_nobody = asks_nobody || is_booting || wish == Wish::Undone;
        let next = node.renew(if asks_nobody { &["--auto"] } else { wish.names() });
        self.totals.longest_resume = self.totals.longest_resume.max(begin.elapsed());
        self.totals.resumed += usize::from(journal.is_some());
        if wish == Wish::Undone {
            set_immutable(node, false);
        }
        let context = format!("{wish:?}, {blow:?}: {struck:?}, then {next:?}");
        let is_new = self.assert_whole(wish, &before, &context);
        Dealt { has_hit, step: journal.map(|journal| step(&journal)), is_new }
    }

    /// Begins a renewal and strikes.
    fn strike(&mut self, wish: Wish, asked: &[String], blow: &Blow) -> Run {
        let command = certwatch(self.node, asked);
        let (name, output) = match blow {
            Blow::At(call, nth) => {
                let inject = format!("inject={call}:signal=KILL:when={nth}");
                ("renames", traced(&command, &["-o", "/dev/null", "-e", &inject]))
            }
            Blow::After(pause) => ("moments", self.interrupted(command, &asked[0], *pause)),
            Blow::Power(pause) => ("power cuts", self.interrupted_by_power(command, *pause)),
            Blow::Kubeadm(name, pause) => ("kubeadm", self.beneath(command, name, *pause)),
        };
        *self.totals.blows.entry(name).or_default() += 1;
        let run = Run::from(output);
        let is_end_of_itself = match wish {
            Wish::Undone => !matches!(blow, Blow::Kubeadm(..)) && run.code == Some(1),
            _ => run.code == Some(0),
        };
        self.totals.missed += usize::from(is_end_of_itself);
        run
    }

    fn interrupted(&self, mut command: Command, verb: &str, pause: Duration) -> Output {
        let child = piped(&mut command).spawn().unwrap();
        sleep(pause);
        if let Some(pid) = self.node.pid(&format!("{CERTWATCH} {verb}")) {
            self.node.output(&["kill", "-KILL", &pid.to_string()]);
        }
        child.wait_with_output().unwrap()
    }

    fn interrupted_by_power(&self, mut command: Command, pause: Duration) -> Output {
        let child = piped(&mut command).spawn().unwrap();
        sleep(pause);
        self.cluster.script(&["boot", "cp1"]);
        child.wait_with_output().unwrap()
    }

    fn beneath(&self, mut command: Command, name: &str, pause: Duration) -> Output {
        const FILE: &str = "/root/kill-kubeadm";
        self.node.write(FILE, format!("{name} {:.4}\n", pause.as_secs_f64()).as_bytes());
        let output = command.output().unwrap();
        self.node.run(&["rm", FILE]);
        output
    }

    /// All of it or nothing, in use, and nothing left behind. Says whether it is all.
    fn assert_whole(
        &mut self,
        wish: Wish,
        before: &(Fingerprint, Fingerprint),
        context: &str,
    ) -> bool {
        let node = self.node;
        let (current, history) = node.journals();
        assert_eq!(current, None, "{context}");
        let after = node.fingerprint();
        assert!(before.0.keys().eq(after.keys()), "files came or went, {context}");
        let is_changed = |path: &&String| before.0[*path] != after[*path];
        let changed: BTreeSet<_> = after.keys().filter(is_changed).cloned().collect();
        let is_all = changed == wish.files(node) && wish != Wish::Undone;
        assert!(changed.is_empty() || is_all, "{changed:?} is half of it, {context}");
        assert_eq!(node.manifests(), before.1, "{context}");
        node.wait_until_healthy();
        node.assert_served();
        node.run(&["kubectl", "get", "nodes"]);
        if matches!(wish, Wish::Restarted | Wish::All) {
            node.wait_for_lease("kube-controller-manager");
            node.wait_for_lease("kube-scheduler");
        }
        assert_eq!(node.stray_keys(), [""; 0], "{context}");
        let end = history.first().map(|journal| journal["step"]["end"].to_string());
        *self.totals.ends.entry(end.unwrap_or_default()).or_default() += 1;
        is_all
    }
}

/// The kubelet holds back what ends again and again, and forgets that when it is restarted.
fn forget_restarts(node: Node<'_>) {
    node.run(&["systemctl", "restart", "kubelet"]);
    node.wait_until_healthy();
}

pub(crate) fn certwatch(node: Node<'_>, asked: &[String]) -> Command {
    let words: Vec<&str> =
        [CERTWATCH].into_iter().chain(asked.iter().map(String::as_str)).collect();
    node.command(&words)
}

/// From when kubeadm works on the copy.
fn set_immutable(node: Node<'_>, is: bool) {
    if is {
        node.run(&["touch", "/root/spoil"]);
    } else {
        node.run(&["rm", "-f", "/root/spoil"]);
        node.run(&["chattr", "-i", LAST_FILE]);
    }
}

/// The name of the step in a journal: a word, or an object of one field.
fn step(journal: &Value) -> String {
    let step = &journal["step"];
    let name = step.as_object().and_then(|it| it.keys().next().cloned());
    name.or_else(|| step.as_str().map(str::to_owned)).unwrap_or_default()
}

fn newest_backup(node: Node<'_>) -> String {
    let all = node.run(&["ls", BACKUPS]);
    all.lines().last().unwrap().to_owned()
}

/// What a renewal does if nothing happens.
fn learn(node: Node<'_>, wish: Wish) -> (Duration, Vec<Blow>) {
    let log = NamedTempFile::new().unwrap();
    let command = certwatch(node, &wish.prepare(node));
    let begin = Instant::now();
    let run = Run::from(traced(&command, &["-o", log.path().to_str().unwrap()]));
    let takes = begin.elapsed();
    if wish == Wish::Undone {
        set_immutable(node, false);
        assert_eq!(run.code, Some(1), "{}", run.said);
        assert!(run.said.contains("as it was before"), "{}", run.said);
    } else {
        assert_eq!(run.code, Some(0), "{}", run.said);
    }
    // strace counts for each thread and each call on its own.
    let mut counts = BTreeMap::<(String, String), usize>::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let thread_and_call = line.split_once(' ').zip(line.split_once('('));
        let Some(((thread, _), (call, _))) = thread_and_call else { continue };
        let call = call.rsplit(' ').next().unwrap_or_default().to_owned();
        *counts.entry((thread.to_owned(), call)).or_default() += 1;
    }
    let mut most = BTreeMap::<String, usize>::new();
    for ((_, call), count) in counts {
        let known = most.entry(call).or_default();
        *known = (*known).max(count);
    }
    let each =
        |(call, count): (String, usize)| (1..=count).map(move |nth| Blow::At(call.clone(), nth));
    (takes, most.into_iter().flat_map(each).collect())
}

/// The command and all it starts, under strace.
pub(crate) fn traced(command: &Command, options: &[&str]) -> Output {
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={RENAMES}")])
        .args(options);
    strace.arg(command.get_program()).args(command.get_args());
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    strace.envs(set).output().unwrap()
}

pub(crate) fn piped(command: &mut Command) -> &mut Command {
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped())
}
