//! What `certwatch restore` lists.

use std::fmt::Write as _;
use std::path::Path;

use crate::domain::text::safe;
use crate::domain::time::UnixTime;
use crate::renew::backup::Backup;

use super::escape::Escaping;

/// The backups for people: one line each, the newest first.
pub fn table(backups: &[Backup], dir: &Path, now: UnixTime) -> String {
    let dir = safe(&dir.to_string_lossy()).into_owned();
    if backups.is_empty() {
        return format!("There is no backup in {dir}: nothing has been renewed yet.\n");
    }
    let mut text = format!("Backups in {dir}, the newest first:\n\n");
    for backup in backups {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}   {} ago, {} files",
            safe(&backup.id),
            now - backup.at,
            backup.files.len()
        );
    }
    text.push_str("\nPut one back with `certwatch restore BACKUP`.\n");
    text
}

/// The backups as JSON: a list of `id`, `at` (seconds since 1970) and `files` (`path`, `sha256`).
pub fn json(backups: &[Backup]) -> String {
    let mut out = Vec::new();
    let mut json = serde_json::Serializer::with_formatter(&mut out, Escaping::default());
    // Strings and numbers can always be written to memory.
    let _ = serde::Serialize::serialize(backups, &mut json);
    String::from_utf8_lossy(&out).into_owned() + "\n"
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
        insta::assert_snapshot!(table(&[backup.clone()], Path::new("/b"), now), @"");
        assert!(table(&[], Path::new("/b"), now).contains("no backup"));
        let json: serde_json::Value = serde_json::from_str(&json(&[backup])).unwrap();
        assert_eq!(json[0]["files"][0]["path"], "admin.conf");
    }
}
