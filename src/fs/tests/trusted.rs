use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, lchown, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::testing::set_mode;
use super::*;

fn own() -> u32 {
    geteuid().as_raw()
}

fn file(path: &Path, mode: u32) {
    fs::write(path, "").unwrap();
    set_mode(path, mode);
}

#[test]
fn a_plain_path_is_given_back_without_links() {
    let dir = TempDir::new().unwrap();
    let real = fs::canonicalize(dir.path()).unwrap();
    fs::create_dir(real.join("bin")).unwrap();
    file(&real.join("bin/tool-1"), 0o755);
    symlink("tool-1", real.join("bin/tool")).unwrap();
    symlink(real.join("bin"), real.join("sbin")).unwrap();
    symlink("../../../../../../../../../../..", real.join("bin/up")).unwrap();
    let tool = real.join("bin/tool-1");
    assert_eq!(executable(&real.join("sbin/tool")).unwrap(), tool);
    assert_eq!(executable(&real.join("sbin/./tool")).unwrap(), tool);
    let up = format!("bin/up{}", tool.display());
    assert_eq!(executable(&real.join(up)).unwrap(), tool);
    let entry = entry(&real.join("sbin/tool"), own()).unwrap();
    assert_eq!((entry.path, entry.name), (tool, OsString::from("tool-1")));
}

/// The link in the middle is what the paths before and after it do not show.
#[test]
fn a_directory_that_only_a_link_in_the_middle_goes_through_counts() {
    let dir = TempDir::new().unwrap();
    let at = |below: &str| dir.path().join(below);
    for below in ["usr", "opt", "real"] {
        fs::create_dir(at(below)).unwrap();
    }
    file(&at("real/kubeadm"), 0o755);
    symlink(at("opt/kubeadm"), at("usr/kubeadm")).unwrap();
    symlink(at("real/kubeadm"), at("opt/kubeadm")).unwrap();
    assert_eq!(executable(&at("usr/kubeadm")).unwrap(), at("real/kubeadm"));
    for mode in [0o777, 0o775, 0o1777] {
        set_mode(&at("opt"), mode);
        let error = executable(&at("usr/kubeadm")).unwrap_err();
        let component = if mode == 0o1777 { at("opt/kubeadm") } else { at("opt") };
        assert_eq!(error.component, component, "{mode:o}");
    }
}

#[test]
fn what_is_run_and_where_it_lies_is_nobody_elses() {
    let dir = TempDir::new().unwrap();
    let tool = dir.path().join("tool");
    file(&tool, 0o775);
    assert_eq!(executable(&tool).unwrap_err().component, tool);
    set_mode(&tool, 0o755);
    executable(&tool).unwrap();
    set_mode(dir.path(), 0o1777);
    assert_eq!(executable(&tool).unwrap_err().component, dir.path());
    // On the way, others may make names of their own, since they cannot touch this one.
    entry(&tool, own()).unwrap();
    assert!(open_dir(dir.path(), own()).is_err());
}

#[test]
fn what_is_missing_or_odd_is_told_apart_from_what_is_open() {
    let dir = TempDir::new().unwrap();
    let at = |below: &str| dir.path().join(below);
    let missing = entry(&at("new"), own()).unwrap();
    assert!(missing.stat.is_none() && missing.path == at("new"));
    assert!(executable(&at("new")).unwrap_err().is_absent());
    assert!(open_dir(&at("no/way"), own()).unwrap_err().is_absent());
    symlink("loop", at("loop")).unwrap();
    assert!(entry(&at("loop"), own()).err().unwrap().is_of_the_system());
    symlink("nothing", at("dangling")).unwrap();
    assert_eq!(entry(&at("dangling"), own()).unwrap().path, at("nothing"));
    file(&at("file"), 0o644);
    assert!(executable(&at("file/below")).unwrap_err().is_of_the_system());
    fs::create_dir(at("dir")).unwrap();
    assert!(executable(&at("dir")).unwrap_err().is_of_the_system());
    for odd in ["relative", "", "/", "/.."] {
        assert!(entry(Path::new(odd), own()).is_err(), "{odd}");
    }
}

#[test]
fn a_message_names_the_component_and_escapes_it() {
    let dir = TempDir::new().unwrap();
    let odd = dir.path().join("a\u{1b}[2J");
    fs::create_dir(&odd).unwrap();
    set_mode(&odd, 0o777);
    let said = open_dir(&odd, own()).unwrap_err().to_string();
    assert!(
        said.starts_with("users other than its owner can write to ") && !said.contains('\u{1b}'),
        "{said}"
    );
}

/// One part of a path.
#[derive(Clone, Debug)]
struct Piece {
    /// The directory, and a link to it beside it, if it is named by one.
    dir: (bool, u32),
    link: Option<(bool, bool)>,
}

fn piece() -> impl Strategy<Value = Piece> {
    let mode = prop_oneof![
        6 => Just(0o755), 2 => Just(0o700), 1 => Just(0o1777), 1 => Just(0o775), 1 => Just(0o757)
    ];
    let link = proptest::option::of((proptest::bool::weighted(0.2), any::<bool>()));
    (proptest::bool::weighted(0.15), mode, link)
        .prop_map(|(is_strangers, mode, link)| Piece { dir: (is_strangers, mode), link })
}

/// Only root can give files away; of another user's test, all is its own.
const STRANGER: u32 = 4711;

fn uid(is_strangers: bool) -> u32 {
    if is_strangers && own() == 0 { STRANGER } else { own() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// By the rule, and not by the way it is looked at: what was built is known.
    #[test]
    fn a_path_is_trusted_if_and_only_if_all_that_was_walked_is(
        pieces in proptest::collection::vec(piece(), 1..6),
        names_stranger in any::<bool>(),
    ) {
        let base = TempDir::new().unwrap();
        let owner = if names_stranger { STRANGER } else { own() };
        let (mut real, mut path) = (base.path().to_owned(), base.path().to_owned());
        let mut above = (own(), 0o700);
        let mut is_trusted = true;
        for (index, Piece { dir, link }) in pieces.iter().enumerate() {
            let name = format!("d{index}");
            let at = real.join(&name);
            fs::create_dir(&at).unwrap();
            if let Some((is_strangers, is_absolute)) = link {
                let link = real.join(format!("l{index}"));
                let up = Path::new("..").join(real.file_name().unwrap()).join(&name);
                symlink(if *is_absolute { at.clone() } else { up }, &link).unwrap();
                lchown(&link, Some(uid(*is_strangers)), None).unwrap();
                path.push(format!("l{index}"));
                let is_above_alone = above.0 == own() && above.1 & 0o022 == 0;
                is_trusted &= is_above_alone && uid(*is_strangers) == own();
            } else {
                path.push(&name);
            }
            above = (uid(dir.0), dir.1);
            let is_last = index + 1 == pieces.len();
            let is_open = above.1 & 0o022 != 0 && (is_last || above.1 & 0o1000 == 0);
            is_trusted &= !is_open && [0, own(), owner].contains(&above.0);
            real = at;
        }
        let dirs: Vec<PathBuf> = real.ancestors().take(pieces.len()).map(Path::to_owned).collect();
        for (dir, Piece { dir: (is_strangers, mode), .. }) in dirs.iter().rev().zip(&pieces) {
            chown(dir, Some(uid(*is_strangers)), None).unwrap();
            set_mode(dir, *mode);
        }
        let opened = open_dir(&path, owner);
        prop_assert_eq!(opened.is_ok(), is_trusted, "{}: {:?}", path.display(), opened.err());
        if let Ok(opened) = open_dir(&path, owner) {
            prop_assert_eq!(sys::fstat(opened).unwrap().st_ino, fs::metadata(&real).unwrap().ino());
        }
    }
}
