//! `conf.d` beside the file.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::config::{Config, load, load_if_present, salvage};

struct Etc(TempDir);

impl Etc {
    fn new(files: &[(&str, &str)]) -> Self {
        let etc = Self(TempDir::new().unwrap());
        fs::create_dir(etc.path("conf.d")).unwrap();
        for (name, text) in files {
            fs::write(etc.path(name), text).unwrap();
        }
        etc
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn load(&self) -> Config {
        load(&self.path("config.toml")).unwrap()
    }

    /// What is wrong, without the name of the directory.
    fn errors(&self) -> String {
        let errors = load(&self.path("config.toml")).unwrap_err().to_string();
        errors.replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[test]
fn the_last_one_holds_key_by_key() {
    let etc = Etc::new(&[
        ("config.toml", "node-name = 'a'\n[scan]\nmax-files = 1\npaths = ['/a', '/b']\n"),
        ("conf.d/20-b.toml", "\u{feff}node-name = 'c'\n[scan]\npaths = ['/c']\n"),
        ("conf.d/10-a.toml", "node-name = 'b'\n[renew]\nenabled = true\n"),
        ("conf.d/30-c.toml.bak", "node-name = 'd'"),
        ("conf.d/.40-d.toml", "node-name = 'e'"),
    ]);
    let config = etc.load();
    assert_eq!(config.node.as_deref(), Some("c"));
    assert_eq!((config.scan.max_files, config.scan.paths), (1, vec!["/c".to_owned()]));
    assert!(config.renew.enabled);
}

#[test]
fn each_file_adds_its_endpoints() {
    let endpoint = |address: &str| format!("[[endpoint]]\naddress = '{address}'\n");
    let etc = Etc::new(&[
        ("config.toml", &endpoint("a:1")),
        ("conf.d/a.toml", &(endpoint("b:1") + &endpoint("c:1"))),
        ("conf.d/b.toml", "[renew]\nkubeconfig-copies = ['/a']\n"),
        ("conf.d/c.toml", "[renew]\nkubeconfig-copies = ['/b']\n"),
    ]);
    let config = etc.load();
    let addresses: Vec<_> = config.endpoints.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(addresses, ["a:1", "b:1", "c:1"]);
    assert_eq!(config.renew.copies.len(), 1);
}

#[test]
fn the_file_itself_may_be_missing() {
    let etc = Etc::new(&[("conf.d/a.toml", "node-name = 'a'")]);
    let config = load_if_present(&etc.path("config.toml")).unwrap();
    assert_eq!(config.node.as_deref(), Some("a"));
    assert_eq!(etc.errors(), "config.toml: does not exist: expected a configuration file");
}

#[test]
fn a_problem_names_its_file() {
    let etc = Etc::new(&[
        ("config.toml", "[renew]\nbefore = '2d'"),
        ("conf.d/a.toml", "nodename = 'a'\n[scan]\ntimeout = 3\n"),
        ("conf.d/b.toml", "[renew]\ndeadline = '3d'\n"),
    ]);
    let errors = etc.errors();
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 3, "{errors}");
    assert!(lines[0].starts_with("conf.d/a.toml:1:1: unknown key \"nodename\""), "{errors}");
    assert!(lines[1].starts_with("conf.d/a.toml:3:11: scan.timeout is a number"), "{errors}");
    let both = "conf.d/b.toml:2:12: renew.deadline is not below renew.before (config.toml, line 2, column 10)";
    assert!(lines[2].starts_with(both), "{errors}");
}

#[test]
fn a_torn_file_is_told_alone() {
    let etc = Etc::new(&[
        ("config.toml", "[scan"),
        ("conf.d/a.toml", "nodename = 'a'"),
        ("conf.d/b.toml", "node-name = 'hunter2"),
    ]);
    let errors = etc.errors();
    let files: Vec<_> = errors.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(files.first(), Some(&"config.toml"), "{errors}");
    assert_eq!(files.last(), Some(&"conf.d/b.toml"), "{errors}");
    assert!(!errors.contains("nodename") && !errors.contains("hunter2"), "{errors}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let etc = Etc::new(&[("config.toml", "")]);
    fs::create_dir(etc.path("conf.d/a.toml")).unwrap();
    let what = "conf.d/a.toml: is not a regular file: expected a file with TOML in it";
    assert_eq!(etc.errors(), what);

    let etc = Etc::new(&[("config.toml", "")]);
    for number in 0..=100 {
        fs::write(etc.path(&format!("conf.d/{number}.toml")), "").unwrap();
    }
    assert_eq!(etc.errors(), "conf.d: contains too many files: expected at most 100");

    let etc = Etc::new(&[("config.toml", "")]);
    fs::remove_dir(etc.path("conf.d")).unwrap();
    fs::write(etc.path("conf.d"), "").unwrap();
    assert!(etc.errors().starts_with("conf.d: cannot be read, "), "{}", etc.errors());
}

#[test]
fn what_can_be_read_is_salvaged() {
    let etc = Etc::new(&[("config.toml", "node-name = 'a'"), ("conf.d/b.toml", "nodename = 'b'")]);
    fs::create_dir(etc.path("conf.d/a.toml")).unwrap();
    assert_eq!(salvage(&etc.path("config.toml")).node.as_deref(), Some("a"));
}
