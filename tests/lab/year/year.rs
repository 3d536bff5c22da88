//! A node whose clock is moved, and what its owner gets to see meanwhile.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use certwatch::domain::time::UnixTime;
use serde_json::Value;

use crate::common::smtp::Guarded;
use crate::harness::{
    KUBELET_CLIENT, Node, bring, follow, mail_server, property, readme, wait_for, wait_for_mail,
};

/// The end of the cluster's bridge that is ours: `OUTSIDE` of uml.sh.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 253);

pub(crate) const DAY: i64 = 86_400;

/// Steps are longer: what was done later than this after one began was done after it.
const LEAST: i64 = 1_800;

/// Far more than a mail takes, and more than a renewal does on a part of a processor.
const LONG: Duration = Duration::from_secs(900);

/// So long nothing may happen until a step counts as done: a mail that nobody expects is to be seen.
const QUIET: Duration = Duration::from_secs(3);

/// Everything of this node that presents a certificate, and the name that it is asked for. kube-apiserver presents the
/// one in its memory to who asks for that.
const SERVED: &str = "10.77.0.1:6443 control-plane
10.77.0.1:6443 apiserver-loopback-client
10.77.0.1:2379 cp1
10.77.0.1:2380 cp1
127.0.0.1:10250 cp1
127.0.0.1:10257 localhost
127.0.0.1:10259 localhost";

pub(crate) struct Year<'a> {
    pub(crate) node: Node<'a>,
    server: Guarded,
    pub(crate) begun: i64,
    daemon: String,
    /// What `certwatch check` says of the day.
    rows: Vec<Value>,
    /// All that have come, each with the days that were left then.
    pub(crate) mails: Vec<(i64, String)>,
}

impl<'a> Year<'a> {
    /// The package, installed as the README says, with mail and with these settings besides.
    pub(crate) fn begin(node: Node<'a>, settings: Option<&str>) -> Self {
        let blocks = readme();
        bring(node);
        follow(node, &blocks[0]);
        let server = mail_server(node, OUTSIDE);
        follow(node, &blocks[1]);
        wait_for_mail(&server, "TEST cp1", LONG);
        settings.map(|block| follow(node, block));
        let begun = node.now();
        let daemon = property(node, "certwatch", "MainPID");
        let mut year = Self { node, server, begun, daemon, rows: Vec::new(), mails: Vec::new() };
        year.settle(0);
        assert_eq!(year.server.subjects().len(), 1, "{:?}", year.server.subjects());
        println!("{:>5}  {:<10}  {:>5}  WHAT HAPPENED", "DAY", "DATE", "LEFT");
        year.step_to_noon();
        year
    }

    /// Half a day from any threshold, so that what whole days cross does not hang on how long a step takes.
    fn step_to_noon(&mut self) {
        self.rows = self.node.judged();
        let now = self.node.now() + LEAST;
        let noon = now + (self.seconds_left() - LEAST - DAY / 2).rem_euclid(DAY) + 60;
        self.step(&format!("@{noon}"));
    }

    /// Moves the clock, in the words of date(1), and waits until the daemon is done with that day.
    #[track_caller]
    pub(crate) fn step(&mut self, by: &str) {
        let before = self.node.now();
        self.node.run(&["lab-clock", by]);
        self.note("", before + LEAST);
    }

    /// Waits until the daemon is done with what has just been done on the node, to which these words go.
    #[track_caller]
    pub(crate) fn after(&mut self, what: &str) {
        self.note(what, 0);
    }

    #[track_caller]
    fn note(&mut self, what: &str, since: i64) {
        self.settle(since);
        let now = self.node.now();
        self.rows = self.node.judged();
        let subjects = self.server.subjects();
        // The first is the README's test.
        let news = &subjects[self.mails.len() + 1..];
        let left = self.days_left();
        let said: Vec<_> = [what].into_iter().chain(news.iter().map(String::as_str)).collect();
        let said = said.join("\n                             ");
        let date = &UnixTime::new(now).to_string()[..10];
        println!("{:>5}  {date}  {left:>5}  {}", (now - self.begun) / DAY, said.trim());
        self.mails.extend(news.iter().map(|subject| (left, subject.clone())));
    }

    pub(crate) fn days_left(&self) -> i64 {
        self.seconds_left().div_euclid(DAY)
    }

    /// Of the first that ends of all that kubeadm renews.
    fn seconds_left(&self) -> i64 {
        let of_kubeadm = self.rows.iter().filter(|it| it["renewable_by"] == "kubeadm");
        of_kubeadm.map(|it| it["seconds_left"].as_i64().unwrap()).min().unwrap()
    }

    /// The row of a certificate, by its role.
    pub(crate) fn row(&self, role: &str) -> &Value {
        self.rows.iter().find(|it| it["role"] == role).unwrap()
    }

    /// What is on disk, or in the memory of the API server, and has expired.
    pub(crate) fn expired(&self) -> Vec<String> {
        let has_expired = |it: &&Value| it["seconds_left"].as_i64().is_none_or(|left| left <= 0);
        self.rows.iter().filter(has_expired).map(|it| it["path"].to_string()).collect()
    }

    /// Waits until the daemon has looked after this moment, told all there is to tell, renewed what is due, and is quiet.
    #[track_caller]
    fn settle(&self, since: i64) {
        let mut quiet: Option<(Instant, usize)> = None;
        wait_for("the daemon to be done with this day", LONG, || {
            let mails = self.server.subjects().len();
            let begun = quiet.filter(|(_, before)| *before == mails).map(|(begun, _)| begun);
            let begun = begun.unwrap_or_else(Instant::now);
            quiet = self.is_done(since).then_some((begun, mails));
            (quiet.is_some() && begun.elapsed() > QUIET).then_some(())
        });
        assert_eq!(property(self.node, "certwatch", "MainPID"), self.daemon, "the same process");
    }

    fn is_done(&self, since: i64) -> bool {
        let line = "systemctl is-active certwatch-renew; date +%s; certwatch status -o json";
        let said = self.node.run(&["bash", "-c", line]);
        let mut parts = said.splitn(3, '\n');
        let [renewer, now, status] = [(); 3].map(|()| parts.next().unwrap());
        let status: Value = serde_json::from_str(status).unwrap();
        let now = now.parse().unwrap();
        let at = |time: &Value| time.as_str().and_then(unix);
        let has_looked = at(&status["last_scan"]["at"]).is_some_and(|at| at >= since);
        let is_told = status["receivers"][0]["pending"] == 0;
        let renewal = &status["renewal"];
        let is_due = at(&renewal["next"]["at"]).is_some_and(|at| at <= now);
        let renews = !renewal["running"].is_null() || is_due || renewer.ends_with("activating");
        has_looked && is_told && !renews
    }

    /// Where certwatch renews nothing: the kubelet renews its certificate between 70 and 90 % of its life, at a moment that
    /// it draws when it starts. Its timer does not notice that the clock was moved, so its restart stands for the time that it has slept through.
    #[track_caller]
    pub(crate) fn let_the_kubelet_rotate(&mut self) {
        let own = self.row("kubelet-client");
        let [begin, end] =
            ["not_before_unix", "not_after_unix"].map(|it| own[it].as_i64().unwrap());
        let lived = (self.node.now() - begin) * 100 / (end - begin);
        if lived < 80 {
            return;
        }
        assert!(lived < 90, "the step was too large: it has lived {lived} % of its life");
        let old = self.node.serial(KUBELET_CLIENT);
        wait_for("the kubelet's rotation", LONG, || {
            self.node.run(&["systemctl", "restart", "kubelet"]);
            // At once, if it has drawn a moment that is past.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(20) {
                if self.node.serial(KUBELET_CLIENT) != old {
                    return Some(());
                }
            }
            None
        });
        self.after("(kubelet restarted: it has renewed its certificate)");
    }
}

impl Node<'_> {
    pub(crate) fn now(&self) -> i64 {
        self.run(&["date", "+%s"]).trim().parse().unwrap()
    }

    /// The rows of `certwatch check`.
    pub(crate) fn judged(&self) -> Vec<Value> {
        // Its exit code is the worst row's.
        let output = self.output(&["certwatch", "check", "-o", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["certificates"].as_array().unwrap().clone()
    }

    /// The certificates that are presented and have expired, or that nobody presents; nothing if all is well.
    pub(crate) fn expired_in_use(&self) -> String {
        let line = r#"while read -r address name; do
            openssl s_client -connect "$address" -servername "$name" </dev/null 2>/dev/null |
                openssl x509 -noout -checkend 0 >/dev/null 2>&1 || echo "$address $name"
        done <<<"$1""#;
        self.run(&["bash", "-c", line, "--", SERVED])
    }
}

/// A time as JSON has it.
fn unix(text: &str) -> Option<i64> {
    UnixTime::parse(text).ok().map(UnixTime::seconds)
}
