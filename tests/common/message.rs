//! Messages of every kind, made by hand, harmless and hostile.

use certwatch::domain::advice::Remedy;
use certwatch::domain::alert::{AlertId, AlertText, Level};
use certwatch::domain::cluster::NodeIdentity;
use certwatch::domain::message::{AlertChange, Firing, Message, MessageKind, Resolved};
use certwatch::domain::policy::Severity;
use certwatch::domain::time::{Span, UnixTime};

/// 2026-11-23T02:00:00Z.
pub const NOW: UnixTime = UnixTime::new(1_795_399_200);

/// What names and paths may hold: Slack's markup, code fences, HTML, a long word.
pub const HOSTILE: [&str; 8] = [
    "<!channel>",
    "<https://evil.example.org|click>",
    "<@U123> & <#C123>",
    "a`b``c```d",
    "*bold* _it_ ~no~ >quote",
    "&lt;!here&gt;",
    "💥\"\\'{}[]:smile:",
    "/srv/tls/very-long-directory-name/very-long-directory-name/very-long-directory-name/very-long-directory-name/very-long-directory-name/very-long-directory-name/x.pem",
];

/// Nothing yet, of this kind.
pub fn message(kind: MessageKind, severity: Severity, headline: &str) -> Message {
    Message {
        id: "5f0c2a7e91b34d6885c1e02f7ab94d30".to_owned(),
        thread: "9d3e51c07ab2f648".to_owned(),
        kind,
        node: NodeIdentity::of_node("cp1"),
        former: None,
        at: NOW,
        severity,
        headline: headline.to_owned(),
        text: Vec::new(),
        firing: Vec::new(),
        resolved: Vec::new(),
        next: String::new(),
    }
}

/// An alert as certwatch makes it.
pub fn sample() -> Message {
    let mut expired = firing(1, Severity::Critical, "front-proxy-client", "", -3);
    expired.text.title = "front-proxy client of kube-apiserver".to_owned();
    expired.text.lines = vec![
        "expired 3 d ago, on 2026-11-20: aggregated APIs such as metrics (kubectl top, \
             autoscaling) stop"
            .to_owned(),
    ];
    let mut nearly = firing(2, Severity::Critical, "apiserver", "", 4);
    nearly.text.title = "serving certificate of kube-apiserver".to_owned();
    nearly.text.lines = vec![
        "expires in 4 d, on 2026-11-27; then kubectl, nodes and controllers reject this API server"
            .to_owned(),
    ];
    nearly.change = AlertChange::Worse;
    let mut soon =
        firing(3, Severity::Warning, "kubelet-client", "client of the API of the kubelet", 20);
    soon.text.place = "/var/lib/kubelet/pki/kubelet-client-current.pem".to_owned();
    soon.text.lines = vec![
        "expires in 20 d, on 2026-12-13; then this node goes NotReady, and its kubelet does not \
             start again"
            .to_owned(),
        "the kubelet should have rotated it by 2026-11-11: its rotation does not work".to_owned(),
    ];
    soon.text.automatic = "The kubelet should have renewed it automatically.".to_owned();
    soon.text.remedies = vec![
        Remedy::Command("systemctl restart kubelet".to_owned()),
        Remedy::Words("if a restart of the kubelet does not help, see why with `journalctl -u kubelet | grep \
                 -i certificate` and `kubectl get csr`".to_owned()),
    ];
    soon.change = AlertChange::Still;
    Message {
        firing: vec![expired, nearly, soon],
        resolved: vec![resolved(4, "etcd-peer")],
        next: "Looks again every hour; tells what has expired again in 6 h.".to_owned(),
        ..message(
            MessageKind::Alert,
            Severity::Critical,
            "front-proxy-client expired 3 d ago, and 2 more",
        )
    }
}

/// What is over, and nothing else.
pub fn over() -> Message {
    let resolved = vec![resolved(1, "apiserver"), resolved(2, "scheduler.conf")];
    Message {
        resolved,
        ..message(MessageKind::Resolved, Severity::Ok, "apiserver is well, and 1 more")
    }
}

/// `certwatch notify test`.
pub fn test() -> Message {
    let text = vec!["This is a test of certwatch: nothing is wrong.".to_owned()];
    Message { text, ..message(MessageKind::Test, Severity::Ok, "a test, nothing is wrong") }
}

/// How a renewal ended.
pub fn renewal(severity: Severity) -> Message {
    let text = vec!["`kubeadm certs renew all` failed; all files are as they were.".to_owned()];
    Message { text, ..message(MessageKind::Renewal, severity, "renewal failed") }
}

/// Exactly one alert, as PagerDuty gets it.
pub fn single() -> Message {
    let mut message = sample();
    message.firing.truncate(1);
    message.resolved.clear();
    message
}

/// `count` alerts and as many that are over, with hostile text everywhere.
pub fn hostile(count: usize) -> Message {
    let bad = |index: usize| HOSTILE[index % HOSTILE.len()].to_owned();
    let mut message = message(MessageKind::Alert, Severity::Critical, &bad(count));
    message.node = NodeIdentity::of_node(&bad(count + 1));
    message.text = HOSTILE.map(str::to_owned).to_vec();
    message.next = HOSTILE.concat();
    for index in 0..count {
        let mut it = firing(index, Severity::Critical, &bad(index), &bad(index + 1), 5);
        it.text.place = bad(index + 2).repeat(3);
        it.text.summary = bad(index + 3);
        it.text.automatic = bad(index + 4);
        it.text.lines = (0..index % 40).map(|line| bad(line).repeat(2)).collect();
        it.text.remedies = (0..index % 9)
            .flat_map(|it| [Remedy::Command(bad(it).repeat(20)), Remedy::Words(bad(it).repeat(9))])
            .collect();
        let over = Resolved { how: bad(index), ..resolved(index, &bad(index)) };
        message.firing.push(it);
        message.resolved.push(over);
    }
    message
}

/// One thing that is wrong, `days` from its end.
pub fn firing(number: usize, severity: Severity, name: &str, title: &str, days: i64) -> Firing {
    let expires = NOW + Span::days(days);
    let (summary, line) = if days < 0 {
        (
            format!("expired {} d ago", -days),
            format!("expired {} d ago, on {}", -days, expires.date()),
        )
    } else {
        (format!("expires in {days} d"), format!("expires in {days} d, on {}", expires.date()))
    };
    Firing {
        id: AlertId(format!("{number:032x}")),
        change: AlertChange::New,
        level: Level {
            severity,
            threshold: Some(Span::days(days)),
            codes: vec!["expires".to_owned()],
        },
        since: NOW - Span::days(2),
        text: AlertText {
            name: name.to_owned(),
            title: title.to_owned(),
            place: format!("/etc/kubernetes/pki/{name}.crt"),
            summary,
            expires: Some(expires),
            lines: vec![format!("{line}: no component and no user can reach the API server")],
            automatic: "Nothing renews it automatically.".to_owned(),
            remedies: vec![Remedy::Command(format!("kubeadm certs renew {name}"))],
        },
    }
}

/// One thing that was wrong.
pub fn resolved(number: usize, name: &str) -> Resolved {
    let was = firing(number, Severity::Warning, name, "client of an aggregated API server", 12);
    Resolved {
        id: was.id,
        level: was.level,
        since: was.since,
        at: NOW,
        text: was.text,
        how: "it is well: ends in 364 d, on 2027-11-22".to_owned(),
    }
}
