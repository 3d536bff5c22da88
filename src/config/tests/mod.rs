use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;
use crate::domain::endpoint::{HostPort, StartTls};
use crate::domain::policy::Thresholds;
use crate::domain::time::Span;

mod channels;
mod directory;
mod mistakes;
mod properties;

const FILE: &str = "c.toml";

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    super::parse(text, Path::new(FILE))
}

fn errors(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn nothing_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse("[scan]\n[thresholds]\n").unwrap(), Config::default());
}

#[test]
fn every_key_is_read() {
    let text = "\u{feff}node-name = 'cp-1'\r\n\
        scan = { standard = false, paths = ['/a', '/b/**/*.crt'], exclude = ['**/old/*'],\n\
        max-files = 1_000, timeout = '2m' }\r\n\
        thresholds.leaf = ['7d', '20d', '7d']\nthresholds.leaf-critical = '3d'\n\
        thresholds.ca = ['26w']\nthresholds.ca-critical = '1d 12h'\n\
        thresholds.short-lived = '20d'\nthresholds.rotation-percent = 0x50\n";
    let config = parse(text).unwrap();
    assert_eq!(config.node.as_deref(), Some("cp-1"));
    assert_eq!(
        config.scan,
        ScanConfig {
            standard: false,
            paths: vec!["/a".into(), "/b/**/*.crt".into()],
            exclude: vec!["**/old/*".into()],
            max_files: 1_000,
            timeout: Duration::from_secs(120),
        }
    );
    assert_eq!(
        config.policy,
        Policy {
            leaf: Thresholds::new(vec![Span::days(20), Span::days(7)], Span::days(3)),
            ca: Thresholds::new(vec![Span::days(182)], Span::seconds(129_600)),
            short_lived: Span::days(20),
            rotation_percent: 80,
        }
    );
}

#[test]
fn each_endpoint_is_a_section_of_its_own() {
    let text = "[[endpoint]]\naddress = 'WWW.example.org:443'\n\
        [[endpoint]]\naddress = '[2001:db8::1]:25'\nserver-name = 'mail.example.org'\n\
        ca-file = '/ca.pem'\nfile = '/tls.crt'\nstarttls = 'none'\n";
    let [web, mail] = <[_; 2]>::try_from(parse(text).unwrap().endpoints).unwrap();
    let address = HostPort::parse("www.example.org:443").unwrap();
    assert_eq!(web, EndpointConfig::of_address(address));
    assert_eq!((&*web.server_name, web.starttls), ("www.example.org", StartTls::None));
    let expected = EndpointConfig {
        address: HostPort::parse("[2001:db8::1]:25").unwrap(),
        server_name: "mail.example.org".into(),
        ca_file: Some("/ca.pem".into()),
        file: Some("/tls.crt".into()),
        starttls: StartTls::None,
    };
    assert_eq!(mail, expected);
    let many = |count| (0..count).map(|n| format!("[[endpoint]]\naddress = 'a:{}'\n", n + 1));
    assert_eq!(parse(&many(200).collect::<String>()).unwrap().endpoints.len(), 200);
    assert_eq!(
        errors(&many(201).collect::<String>()),
        "c.toml:1:1: endpoint is there too often: expected at most 200 of [[endpoint]]"
    );
}

/// Every key, as its section asks for it: the section's name, empty at the top of the file, and the key's.
fn keys() -> Vec<(String, &'static str)> {
    let sources = Sources::default();
    let mut reader = Reader::new(&sources);
    reader.read(Config::read);
    let keys = reader.known().iter().filter(|key| !key.is_section());
    keys.map(|key| (key.section.clone(), key.name)).collect()
}

#[test]
fn the_example_is_the_default_and_knows_every_key() {
    let example = include_str!("../../../config.example.toml");
    assert_eq!(parse(example).unwrap(), Config::default());
    for (section, key) in keys() {
        let begin = match &*section {
            "" => String::new(),
            "endpoint" => "\n#[[endpoint]]\n".to_owned(),
            section => format!("\n[{section}]\n"),
        };
        let (_, own) = example.split_once(&begin).unwrap();
        let mut lines = own.split("\n[").next().unwrap().lines();
        let is_it = |text: &str| text.trim_start_matches('#').starts_with(&format!("{key} ="));
        assert!(lines.any(is_it), "config.example.toml has no {key} in [{section}]");
    }
    let all = example.replace("\n#node-name", "\nnode-name");
    assert!(parse(&all).unwrap().node.is_some());
    let (_, endpoint) = example.split_once("\n#[[endpoint]]\n").unwrap();
    let endpoint =
        endpoint.split("\n\n").next().unwrap().replace("\n#", "\n").replace("\n ", "\n#");
    let endpoint = parse(&format!("[[endpoint]]\n{endpoint}")).unwrap().endpoints.remove(0);
    assert!(endpoint.ca_file.is_some() && endpoint.file.is_some(), "{endpoint:?}");
}

#[test]
fn every_key_is_documented() {
    let manual = include_str!("../../../docs/configuration.md");
    let (_, table) = manual.split_once("## Keys").unwrap();
    for (section, key) in keys() {
        let begin = match &*section {
            "" => String::new(),
            "endpoint" => "**`[[endpoint]]`**".to_owned(),
            section => format!("**`[{section}]`**"),
        };
        let (_, own) = table.split_once(&begin).unwrap();
        let own = own.split("**`[").next().unwrap();
        // It is the same in every channel, and explained below the table.
        let is_there = own.contains(&format!("`{key}`")) || key == "min-severity";
        assert!(is_there, "docs/configuration.md has no {key} in [{section}]");
    }
}

#[test]
fn files_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refusal = |name: &str| {
        let error = load(&at(name)).unwrap_err().to_string();
        error.strip_prefix(&format!("{}:", at(name).display())).unwrap().trim().to_owned()
    };
    assert_eq!(refusal("none"), "does not exist: expected a configuration file");
    assert_eq!(load_if_present(&at("none")), Ok(Config::default()));
    assert_eq!(refusal("."), "is not a regular file: expected a file with TOML in it");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), 0o600.into()).unwrap();
    assert_eq!(refusal("fifo"), "is not a regular file: expected a file with TOML in it");
    symlink("/dev/zero", at("zero")).unwrap();
    assert_eq!(refusal("zero"), "is not a regular file: expected a file with TOML in it");
    symlink("loop", at("loop")).unwrap();
    assert!(refusal("loop").starts_with("cannot be read, "));
    std::fs::File::create(at("huge")).unwrap().set_len(10 << 30).unwrap();
    assert_eq!(refusal("huge"), "is too large: expected at most 1 MiB");
    std::fs::write(at("latin"), b"[scan]\n# caf\xe9").unwrap();
    assert_eq!(refusal("latin"), "2:6: is not UTF-8 from here: expected UTF-8 text");
    std::fs::write(at("good"), "node-name = 'a'").unwrap();
    symlink("good", at("link")).unwrap();
    assert_eq!(load(&at("link")).unwrap().node.as_deref(), Some("a"));
}
