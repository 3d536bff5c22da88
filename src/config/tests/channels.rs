use std::path::PathBuf;

use proptest::prelude::*;

use super::{errors, parse};
use crate::config::channels::{
    Alertmanager, Channels, Email, Heartbeat, Login, PagerDuty, Secret, Security, Slack, SlackBy,
    Webhook,
};
use crate::domain::policy::Severity;

fn secret() -> impl Strategy<Value = Secret> {
    prop_oneof![
        "[a-z][a-z0-9._-]{0,20}".prop_map(Secret::Credential),
        "(/[a-z ü\"\\\\]{1,8}){1,3}".prop_map(|path| Secret::File(PathBuf::from(path))),
    ]
}

fn severity() -> impl Strategy<Value = Severity> {
    prop_oneof![Just(Severity::Warning), Just(Severity::Unknown), Just(Severity::Critical)]
}

prop_compose! {
    fn email()(
        server in "[a-z][a-z0-9.-]{0,20}",
        port in 1..=65_535_u16,
        security in prop_oneof![Just(Security::Tls), Just(Security::StartTls)],
        to in prop::collection::btree_set("[a-z]{1,8}@[a-z]{1,8}\\.org", 1..4),
        login in prop::option::of(("[a-z@.]{1,20}", secret())),
        min_severity in severity(),
    ) -> Email {
        let login = login.map(|(user, password)| Login { user, password });
        let from = "Certwatch <certwatch@example.org>".to_owned();
        let to = to.into_iter().collect();
        Email { server, port, security, from, to, login, min_severity }
    }
}

fn slack() -> impl Strategy<Value = Slack> {
    let bot = (secret(), "[#A-Z0-9]{1,12}", any::<bool>()).prop_map(|(token, channel, threads)| {
        SlackBy::Bot { token, channel, threads, api: "https://slack.example.org/api".to_owned() }
    });
    let by = prop_oneof![secret().prop_map(SlackBy::Webhook), bot];
    (by, severity()).prop_map(|(by, min_severity)| Slack { by, min_severity })
}

prop_compose! {
    pub(super) fn channels()(
        email in prop::option::of(email()),
        slack in prop::option::of(slack()),
        webhook in prop::option::of((secret(), prop::option::of(secret()), severity())
            .prop_map(|(url, key, min_severity)| Webhook { url, key, min_severity })),
        alertmanager in prop::option::of((prop::option::of(secret()), severity())
            .prop_map(|(token, min_severity)| Alertmanager {
                urls: vec!["https://a.example.org".into(), "http://127.0.0.1:9093".into()],
                token,
                min_severity,
            })),
        pagerduty in prop::option::of((secret(), severity()).prop_map(|(routing_key, min_severity)| {
            PagerDuty { routing_key, url: "https://events.eu.pagerduty.com/v2/enqueue".into(), min_severity }
        })),
        heartbeat in prop::option::of(secret().prop_map(|url| Heartbeat { url })),
    ) -> Channels {
        Channels { email, slack, webhook, alertmanager, pagerduty, heartbeat }
    }
}

/// What the example suggests can be used: each line by itself, beside what its section needs.
#[test]
fn the_suggestions_of_the_example_are_sound() {
    let example = include_str!("../../../config.example.toml");
    let mut section = String::new();
    for line in example.lines() {
        if line.starts_with('[') {
            section = line.to_owned();
        }
        let Some(line) = line.strip_prefix('#').filter(|line| !line.starts_with(' ')) else {
            continue;
        };
        let others = match (section.as_str(), line.split(' ').next().unwrap()) {
            ("[email]", key) => {
                let all = "server = 'a'\nfrom = 'a@b.de'\nto = ['c@d.de']\nuser = 'u'\n\
                           password-file = '/p'\n";
                let is_other = |line: &&str| {
                    !(line.starts_with(key) || key.starts_with("pass") && line.starts_with("pass"))
                };
                all.lines().filter(is_other).collect::<Vec<_>>().join("\n")
            }
            ("[slack]", "webhook-credential" | "webhook-file") => String::new(),
            ("[slack]", "channel") => "token-file = '/t'".to_owned(),
            ("[slack]", "token-file" | "token-credential") => "channel = '#c'".to_owned(),
            ("[slack]", _) => "token-file = '/t'\nchannel = '#c'".to_owned(),
            ("[webhook]", "key-credential" | "key-file" | "min-severity") => {
                "url-file = '/u'".to_owned()
            }
            ("[alertmanager]", "token-credential" | "token-file") => {
                "urls = ['https://a']".to_owned()
            }
            ("[alertmanager]", "min-severity") => "urls = ['http://a:9093']".to_owned(),
            ("[pagerduty]", "url" | "min-severity") => "routing-key-file = '/k'".to_owned(),
            _ => String::new(),
        };
        let text = format!("{section}\n{others}\n{line}\n");
        let text = if section.is_empty() { line.to_owned() } else { text };
        assert!(parse(&text).is_ok(), "{text}: {}", errors(&text));
    }
}

#[test]
fn what_does_not_go_together_is_said() {
    let table = [
        (
            "[email]\nport = 25",
            "c.toml:1:1: email.server is missing: expected the mail server's name\n\
             c.toml:1:1: email.from is missing: expected the sender's address, one that the server accepts\n\
             c.toml:1:1: email.to is missing: expected at least one address",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['nobody']",
            "c.toml:4:7: email.to, entry 1, is no mail address: expected ops@example.org or \"Ops <ops@example.org>\"",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['a@b.de', 'c@b.de', 'Ops <A@b.de>']",
            "c.toml:4:6: email.to holds one address twice, as entries 1 and 3: expected each address once, whatever the name before it",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['a@b.de']\nuser = 'u'",
            "c.toml:1:1: email.password-credential is missing: expected where the password of email.user is",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['a@b.de']\nuser = 'u'\npassword-file = '/p'\nsecurity = 'none'",
            "c.toml:7:12: email.security is none, against email.user (line 5, column 8): expected tls or starttls: the password would cross the network in clear text",
        ),
        (
            "[email]\nserver = 'mx:25'\nfrom = 'a@b.de'\nto = ['a@b.de']\nsecurity = 'opportunistic'",
            "c.toml:2:10: email.server is no host: expected a host name or an address, without a port\n\
             c.toml:5:12: email.security is none of the words it can be: expected one of \"tls\", \"starttls\", \"none\"",
        ),
        (
            "[slack]\nwebhook-credential = 'https://hooks.slack.com/services/T/B/hunter2'",
            "c.toml:2:22: slack.webhook-credential is not the name of a credential: expected the name of a credential, such as \"smtp-password\": letters, digits, \"-\", \".\" and \"_\". The secret itself belongs into that file",
        ),
        (
            "[slack]\nwebhook-credential = 'a'\nwebhook-file = '/b'",
            "c.toml:3:16: slack.webhook-file is there beside slack.webhook-credential (line 2, column 22): expected one of them",
        ),
        (
            "[slack]\ntoken-file = '/t'\nchannel = '#c'\napi-url = 'http://slack.com/api'",
            "c.toml:4:11: slack.api-url is not https: expected https://…; http only to this host itself",
        ),
        (
            "[alertmanager]\nurls = ['http://am:9093']\ntoken-file = '/t'",
            "c.toml:2:8: alertmanager.urls holds an http URL, against alertmanager.token-file (line 3, column 14): expected https: the token would cross the network in clear text",
        ),
        (
            "[alertmanager]\nurls = ['https://u:hunter2@am']",
            "c.toml:2:9: alertmanager.urls, entry 1, is no URL that can be used: expected https://host:port/path, without user or query",
        ),
        (
            "[heartbeat]\nurl = 'https://hc-ping.com/hunter2'",
            "c.toml:1:1: heartbeat.url-credential is missing: expected where the URL is: who knows it can fake a heartbeat\n\
             c.toml:2:1: unknown key \"url\" in [heartbeat]: expected it in [pagerduty]",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(errors(text), expected);
    }
}

#[test]
fn an_empty_section_is_the_same_as_none() {
    let text = "[email]\n[slack]\n[webhook]\n[alertmanager]\n[pagerduty]\n[heartbeat]\n";
    assert_eq!(parse(text).unwrap().channels, Channels::default());
}
