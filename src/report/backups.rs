//! What `certwatch restore` lists.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::renew::tree::backup::Backup;

use super::escape;

/// The backups for people: one line each, the newest first.
pub(crate) fn table(backups: &[Backup], dir: &Path, now: UnixTime) -> String {
    let dir = escape_control(&dir.to_string_lossy()).into_owned();
    if backups.is_empty() {
        return format!("No backups in {dir}: nothing has been renewed yet.\n");
    }
    let mut text = format!("Backups in {dir}, the newest first:\n\n");
    for backup in backups {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}   {} ago, {} file{}",
            escape_control(&backup.id),
            now - backup.at,
            backup.files.len(),
            if backup.files.len() == 1 { "" } else { "s" }
        );
    }
    text.push_str("\nRestore one with `certwatch restore BACKUP`.\n");
    text
}

/// A backup, as the JSON has it.
#[derive(Serialize)]
struct Listed<'a> {
    backup: &'a str,
    at: String,
    files: usize,
}

impl<'a> Listed<'a> {
    fn of(backup: &'a Backup) -> Self {
        Self { backup: &backup.id, at: backup.at.to_string(), files: backup.files.len() }
    }
}

/// The backups as JSON: a list, the newest first.
pub(crate) fn json(backups: &[Backup]) -> String {
    let all: Vec<_> = backups.iter().map(Listed::of).collect();
    escape::json(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_above_and_how_to_use_it_below() {
        let backup: Backup = serde_json::from_str(
            r#"{"version": 1, "id": "2026-11-23T10-00-00Z", "at": 1000, "files": [{"path": "admin.conf", "sha256": null}]}"#,
        )
        .unwrap();
        let now = UnixTime::new(1000 + 86_400 * 3);
        insta::assert_snapshot!(table(std::slice::from_ref(&backup), Path::new("/b"), now), @"
        Backups in /b, the newest first:

        2026-11-23T10-00-00Z   3 d ago, 1 file

        Restore one with `certwatch restore BACKUP`.
        ");
        assert!(table(&[], Path::new("/b"), now).contains("No backups in"));
        let json: serde_json::Value = serde_json::from_str(&json(&[backup])).unwrap();
        assert_eq!(
            (&json[0]["files"], &json[0]["at"]),
            (&1.into(), &"1970-01-01T00:16:40Z".into())
        );
    }
}
