//! Messages of a node in a bad way.

use crate::domain::alert::{AlertId, AlertSnapshot, AlertText, Level};
use crate::domain::cluster::NodeIdentity;
use crate::domain::message::{AlertChange, Firing, Message, MessageKind, Resolved};
use crate::domain::policy::{self, Policy, Severity};
use crate::domain::time::Span;
use crate::report::sample::{NOW, inventory};

/// One with nothing in it.
pub(super) fn message(kind: MessageKind, severity: Severity, headline: &str) -> Message {
    Message {
        id: "00112233445566778899aabbccddeeff".to_owned(),
        thread: "0123456789abcdef".to_owned(),
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

/// All that is wrong with the sample node, in the words of the domain; hostile names among it.
pub(super) fn firing() -> Vec<Firing> {
    let inventory = inventory();
    let assessment = policy::assess(&inventory, &Policy::default(), NOW);
    let alerts = AlertSnapshot::of(&inventory, &assessment, None, NOW).alerts;
    let changes = [AlertChange::Worse, AlertChange::New, AlertChange::Still].into_iter().cycle();
    let firing = |(alert, change): (crate::domain::alert::Alert, AlertChange)| Firing {
        id: alert.id,
        change,
        level: alert.level,
        since: NOW - if change == AlertChange::New { Span::seconds(0) } else { Span::days(9) },
        text: alert.text,
    };
    alerts.into_iter().zip(changes).map(firing).collect()
}

/// Something that is over.
pub(super) fn resolved() -> Resolved {
    Resolved {
        id: AlertId("2".repeat(32)),
        level: Level { severity: Severity::Warning, threshold: None, codes: Vec::new() },
        since: NOW - Span::days(4),
        at: NOW - Span::minutes(5),
        text: AlertText {
            name: "controller-manager.conf".to_owned(),
            title: "kubeconfig of kube-controller-manager".to_owned(),
            place: "/etc/kubernetes/controller-manager.conf".to_owned(),
            summary: "expires in 21 d".to_owned(),
            expires: None,
            lines: Vec::new(),
            automatic: String::new(),
            remedies: Vec::new(),
        },
        how: "it is well: expires in 364 d, on 2027-11-22".to_owned(),
    }
}

/// An ordinary bad day.
pub(super) fn mixed() -> Message {
    let is_ordinary = |firing: &Firing| !firing.text.place.starts_with("/srv");
    Message {
        firing: firing().into_iter().filter(is_ordinary).take(6).collect(),
        resolved: vec![resolved()],
        next: "Told again in 24 h, unless something changes before.".to_owned(),
        ..message(MessageKind::Alert, Severity::Critical, "apiserver expired 3 d ago, and 5 more")
    }
}

/// The same with less of it, as docs/mail.png shows it.
pub(super) fn picture() -> Message {
    let names = ["apiserver", "apiserver-kubelet-client", "/root/.kube/config (user jane)"];
    let mut message = mixed();
    message.firing.retain(|firing| names.contains(&firing.text.name.as_str()));
    for (firing, change) in
        message.firing.iter_mut().zip([AlertChange::Worse, AlertChange::New, AlertChange::Still])
    {
        firing.change = change;
    }
    Message { headline: "apiserver expired 3 d ago, and 2 more".to_owned(), ..message }
}

pub(super) fn all_well() -> Message {
    Message {
        resolved: vec![resolved()],
        ..message(MessageKind::Resolved, Severity::Ok, "controller-manager.conf is fine again")
    }
}

pub(super) fn renewal(severity: Severity) -> Message {
    let (headline, text) = match severity {
        Severity::Ok => (
            "3 certificates renewed",
            "apiserver, apiserver-kubelet-client and admin.conf were renewed with kubeadm; each ends on \
             2027-11-23 now. The static pods that use them were restarted one by one and are ready.",
        ),
        _ => (
            "the renewal of apiserver failed",
            "`kubeadm certs renew apiserver` ended with status 1: the key of the CA is not there. Nothing \
             was changed: the old files are in place.",
        ),
    };
    Message {
        text: vec![text.to_owned()],
        next: "The next look is in 1 h.".to_owned(),
        ..message(MessageKind::Renewal, severity, headline)
    }
}

pub(super) fn test() -> Message {
    Message {
        text: vec!["`certwatch notify test` was run on cp1 by root.".to_owned()],
        ..message(MessageKind::Test, Severity::Ok, "mail works")
    }
}

/// What strangers can put into names, paths and words, as far as `escape_control` lets it through.
pub(super) fn hostile() -> Message {
    let markup = "<script>alert(1)</script> & \"quotes\" 'single' </pre>`<b>`";
    let mut message = Message {
        node: NodeIdentity::of_node("<b>cp1</b>"),
        firing: firing(),
        resolved: vec![resolved()],
        text: vec![markup.to_owned()],
        next: markup.to_owned(),
        ..message(MessageKind::Alert, Severity::Critical, markup)
    };
    message.firing.retain(|firing| firing.text.place.starts_with("/srv"));
    message.firing[0].text.lines.push(markup.to_owned());
    message.firing[0].text.place = format!("/srv/{}.pem", "very-long-name".repeat(20));
    message.firing[0].text.remedies =
        vec![crate::domain::advice::Remedy::Command(format!("ls -lL '/srv/{markup}'"))];
    message.resolved[0].text.name = markup.to_owned();
    message.resolved[0].how = markup.to_owned();
    message
}
