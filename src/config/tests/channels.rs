use std::path::PathBuf;

use proptest::prelude::*;

use super::{errors, parse};
use crate::config::channels::{
    AlertmanagerConfig, Channels, ClientCertificate, EmailConfig, HeartbeatConfig, Login,
    PagerDutyConfig, Secret, Security, SlackBy, SlackConfig, WebhookConfig,
};
use crate::config::{Config, HttpConfig, ProxyConfig};
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
    ) -> EmailConfig {
        let login = login.map(|(user, password)| Login { user, password });
        let from = "Certwatch <certwatch@example.org>".to_owned();
        let to = to.into_iter().collect();
        EmailConfig { server, port, security, from, to, login, min_severity }
    }
}

fn slack() -> impl Strategy<Value = SlackConfig> {
    let bot = (secret(), "[#A-Z0-9]{1,12}", any::<bool>()).prop_map(|(token, channel, threads)| {
        SlackBy::Bot { token, channel, threads, api: "https://slack.example.org/api".to_owned() }
    });
    let by = prop_oneof![secret().prop_map(SlackBy::Webhook), bot];
    (by, severity()).prop_map(|(by, min_severity)| SlackConfig { by, min_severity })
}

fn client() -> impl Strategy<Value = Option<ClientCertificate>> {
    let pair = ("(/[a-z ]{1,8}){1,3}", secret())
        .prop_map(|(path, key)| ClientCertificate { certificate: PathBuf::from(path), key });
    prop::option::of(pair)
}

pub(super) fn http() -> impl Strategy<Value = HttpConfig> {
    let proxy = prop_oneof![
        Just(ProxyConfig::Environment),
        Just(ProxyConfig::Off),
        "http://[a-z]{1,8}(:3128)?/?".prop_map(ProxyConfig::Url),
        secret().prop_map(ProxyConfig::Secret),
    ];
    let entry = "\\*|\\.?[a-z]{1,8}\\.org(:443)?|10\\.0\\.0\\.0/8|\\[::1\\]:80";
    (proxy, prop::collection::vec(entry, 0..3))
        .prop_map(|(proxy, no_proxy)| HttpConfig { proxy, no_proxy })
}

prop_compose! {
    pub(super) fn channels()(
        email in prop::option::of(email()),
        slack in prop::option::of(slack()),
        webhook in prop::option::of((secret(), prop::option::of(secret()), client(), severity())
            .prop_map(|(url, key, client, min_severity)| {
                WebhookConfig { url, key, client, min_severity }
            })),
        alertmanager in prop::option::of((prop::option::of(secret()), client(), severity())
            .prop_map(|(token, client, min_severity)| AlertmanagerConfig {
                urls: vec!["https://a.example.org".into(), "https://127.0.0.1:9093".into()],
                token,
                client,
                min_severity,
            })),
        pagerduty in prop::option::of((secret(), severity()).prop_map(|(routing_key, min_severity)| {
            PagerDutyConfig { routing_key, url: "https://events.eu.pagerduty.com/v2/enqueue".into(), min_severity }
        })),
        heartbeat in prop::option::of(secret().prop_map(|url| HeartbeatConfig { url })),
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
        if line.starts_with('[') || line.starts_with("#[[") {
            section = line.trim_start_matches('#').to_owned();
            continue;
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
            ("[[endpoint]]", key) if key != "address" => "address = 'a:1'".to_owned(),
            ("[slack]", "webhook-credential" | "webhook-file") => String::new(),
            ("[slack]", "channel") => "token-file = '/t'".to_owned(),
            ("[slack]", "token-file" | "token-credential") => "channel = '#c'".to_owned(),
            ("[slack]", _) => "token-file = '/t'\nchannel = '#c'".to_owned(),
            ("[webhook]", "key-credential" | "key-file" | "min-severity") => {
                "url-file = '/u'".to_owned()
            }
            ("[webhook]", "client-cert") => "url-file = '/u'\nclient-key-file = '/k'".to_owned(),
            ("[webhook]", "client-key-credential" | "client-key-file") => {
                "url-file = '/u'\nclient-cert = '/c'".to_owned()
            }
            ("[alertmanager]", "client-cert") => {
                "urls = ['https://a']\nclient-key-file = '/k'".to_owned()
            }
            ("[alertmanager]", "client-key-credential" | "client-key-file") => {
                "urls = ['https://a']\nclient-cert = '/c'".to_owned()
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
            "c.toml:4:7: email.to, entry 1, is not a mail address: expected ops@example.org or \"Ops <ops@example.org>\"",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['a@b.de', 'c@b.de', 'Ops <A@b.de>']",
            "c.toml:4:6: email.to contains an address twice, as entries 1 and 3: expected each address once, whatever the name before it",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['a@b.de']\nuser = 'u'",
            "c.toml:1:1: email.password-credential is missing: expected the location of the password of email.user",
        ),
        (
            "[email]\nserver = 'mx'\nfrom = 'a@b.de'\nto = ['a@b.de']\nuser = 'u'\npassword-file = '/p'\nsecurity = 'none'",
            "c.toml:7:12: email.security is none, but there is email.user (line 5, column 8): expected tls or starttls: the password would be sent in clear text",
        ),
        (
            "[email]\nserver = 'mx:25'\nfrom = 'a@b.de'\nto = ['a@b.de']\nsecurity = 'opportunistic'",
            "c.toml:2:10: email.server is not a host name: expected a host name or an address, without a port\n\
             c.toml:5:12: email.security is invalid: expected one of \"tls\", \"starttls\", \"none\"",
        ),
        (
            "[slack]\nwebhook-credential = 'https://hooks.slack.com/services/T/B/hunter2'",
            "c.toml:2:22: slack.webhook-credential is not the name of a credential: expected the name of a credential, such as \"smtp-password\": letters, digits, \"-\", \".\" and \"_\". The secret itself goes into that file",
        ),
        (
            "[slack]\nwebhook-credential = 'a'\nwebhook-file = '/b'",
            "c.toml:3:16: slack.webhook-file conflicts with slack.webhook-credential (line 2, column 22): expected one of them",
        ),
        (
            "[slack]\ntoken-file = '/t'\nchannel = '#c'\napi-url = 'http://slack.com/api'",
            "c.toml:4:11: slack.api-url is not https: expected https://…; http only to this host",
        ),
        (
            "[alertmanager]\nurls = ['http://am:9093']\ntoken-file = '/t'",
            "c.toml:2:8: alertmanager.urls contains an http URL, but there is alertmanager.token-file (line 3, column 14): expected https: the token would be sent in clear text",
        ),
        (
            "[alertmanager]\nurls = ['https://u:hunter2@am']",
            "c.toml:2:9: alertmanager.urls, entry 1, is not a usable URL: expected https://host:port/path, without user or query",
        ),
        (
            "[alertmanager]\nurls = ['http://am:9093']\nclient-cert = '/c'\nclient-key-file = '/k'",
            "c.toml:2:8: alertmanager.urls contains an http URL, but there is alertmanager.client-cert (line 3, column 15): expected https: client certificates need TLS",
        ),
        (
            "[webhook]\nurl-file = '/u'\nclient-cert = '/c'",
            "c.toml:1:1: webhook.client-key-credential is missing: expected the location of the key of client-cert",
        ),
        (
            "[webhook]\nurl-file = '/u'\nclient-key-file = '/k'",
            "c.toml:1:1: webhook.client-cert is missing: expected the certificate of this key",
        ),
        (
            "[http]\nproxy = 'http://user:hunter2@proxy:3128'",
            "c.toml:2:9: http.proxy contains a user or a password: expected the whole URL in the file that http.proxy-credential or http.proxy-file names",
        ),
        (
            "[http]\nproxy = 'socks5://hunter2:1080'\nno-proxy = ['10.0.0.0/8', 'http://hunter2']",
            "c.toml:2:9: http.proxy is not the URL of an HTTP proxy: expected http://host:port, or \"none\"\n\
             c.toml:3:27: http.no-proxy, entry 2, is not a host name, address or network: expected a name such as \"example.org\" or \".example.org\", an address, or a network such as \"10.0.0.0/8\"",
        ),
        (
            "[http]\nproxy = 'proxy.example.org:3128'",
            "c.toml:2:9: http.proxy is not the URL of an HTTP proxy: expected http://host:port, or \"none\"",
        ),
        (
            "[http]\nproxy = 'none'\nproxy-file = '/p'",
            "c.toml:3:14: http.proxy-file conflicts with http.proxy (line 2, column 9): expected one of them",
        ),
        (
            "[heartbeat]\nurl = 'https://hc-ping.com/hunter2'",
            "c.toml:1:1: heartbeat.url-credential is missing: expected the location of the URL: whoever knows it can fake a heartbeat\n\
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

/// Who goes by what can be understood of a refused file must not connect past the proxy for that.
#[test]
fn a_proxy_that_is_refused_is_not_the_same_as_none() {
    let salvaged = |text: &str| {
        let sources = crate::config::sources::Sources::of(text, std::path::Path::new("c.toml"));
        crate::config::Reader::new(&sources).read(Config::read).http.proxy
    };
    for text in ["proxy = 'https://p'", "proxy = 3", "proxy-file = 'p'", "proxy-credential = '/p'"]
    {
        let proxy = salvaged(&format!("[http]\n{text}"));
        assert_eq!(proxy, ProxyConfig::Url(String::new()), "{text}");
    }
    assert_eq!(salvaged("[http]\nx = 1"), ProxyConfig::Environment);
}

#[test]
fn what_is_presented_is_looked_at_as_well() {
    let text = "[scan]\npaths = ['/a']\n[webhook]\nurl-file = '/u'\nclient-cert = '/c[1].crt'\n\
                client-key-file = '/k'";
    assert_eq!(parse(text).unwrap().paths(), ["/a", "/c[[]1[]].crt"]);
}
