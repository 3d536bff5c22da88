//! Secrets: read when needed, from a systemd credential or a file, and never printed.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, OFlags};

use crate::beside;
use crate::config::channels::Secret;
use crate::domain::text::escape_control;
use crate::fs::read::{self, ReadError};
use crate::hangs::Hangs;

use super::{Failure, Network};

/// Where credentials lie for those who are not started by systemd.
const CREDENTIALS: &str = "/etc/certwatch/credentials";

/// The credential of the unit that holds the whole directory, before the `_` of each file.
const UNIT_CREDENTIAL: &str = "cred_";

/// How long a file may take to be read.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Far above any token or URL.
const MAX_BYTES: u64 = 16 << 10;

/// A secret. It is neither `Debug` nor `Display`, so that no log and no message gets it by mistake.
pub(crate) struct Revealed(String);

impl Revealed {
    /// The secret itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// [`read()`] beside the loop: its file system may be away.
///
/// # Errors
/// As of [`read()`], or it does not answer within [`LIMIT`].
pub(crate) async fn reveal(secret: &Secret, network: &Network) -> Result<Revealed, Failure> {
    let (network, wanted) = (network.clone(), secret.clone());
    let hangs = network.hangs.clone();
    let revealed = beside::visit("secret", &hangs, LIMIT, move || look(&wanted, &network)).await;
    revealed
        .unwrap_or_else(|lost| Err(Failure::transient(format!("a secret cannot be read: {lost}"))))
}

/// [`read()`] unless its file hangs already.
///
/// # Errors
/// As of [`read()`], or it has not answered before.
pub(crate) fn look(secret: &Secret, network: &Network) -> Result<Revealed, Failure> {
    enter(&network.hangs, &path(secret))?;
    read(secret)
}

/// To be called before a file is read that may not answer.
///
/// # Errors
/// It did not answer before, and has not since.
pub(super) fn enter(hangs: &Arc<Hangs>, path: &Path) -> Result<(), Failure> {
    hangs.enter(path).map_err(|silent| {
        let path = escape_control(&path.to_string_lossy()).into_owned();
        Failure::transient(format!(
            "{path} has not responded since {}; is its file system unavailable?",
            silent.0
        ))
    })
}

/// Reads a secret: one line of text, white space around it removed.
///
/// # Errors
/// It is not there, cannot be read, others than its owner and group may read it, or it holds more
/// than one line.
pub(crate) fn read(secret: &Secret) -> Result<Revealed, Failure> {
    read_as(secret, one_line)
}

/// Reads a secret of several lines.
///
/// # Errors
/// As for [`read()`], but for the lines.
pub(crate) fn read_text(secret: &Secret) -> Result<Revealed, Failure> {
    read_as(secret, |bytes| {
        String::from_utf8(bytes).map(Revealed).map_err(|_| "is not UTF-8 text".to_owned())
    })
}

fn read_as(
    secret: &Secret,
    understand: impl Fn(Vec<u8>) -> Result<Revealed, String>,
) -> Result<Revealed, Failure> {
    let path = path(secret);
    let closed = |mode: u32| match mode & 0o027 {
        0 => Ok(()),
        _ => Err(format!(
            "has mode {:04o}, so that others can read or change it: `chmod 0600`",
            mode & 0o7777
        )),
    };
    // Transient: a file that appears mends it, and nobody tells us of that.
    read_file(&path, closed)
        .and_then(understand)
        .map_err(|why| Failure::transient(format!("the secret {}: {why}", place(secret))))
}

/// Reads a file that is no secret, with the same bounds.
///
/// # Errors
/// It cannot be read, or is larger than 16 KiB; as a clause.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path, |_| Ok(()))
}

/// The file of a secret.
pub(super) fn file(secret: &Secret) -> PathBuf {
    path(secret)
}

/// Where a secret is, safe to print.
pub(super) fn place(secret: &Secret) -> String {
    escape_control(&path(secret).to_string_lossy()).into_owned()
}

fn path(secret: &Secret) -> PathBuf {
    match secret {
        Secret::File(path) => path.clone(),
        Secret::Credential(name) => of_credential(name),
    }
}

/// The file of a credential: systemd's if it gave this one, else that in [`CREDENTIALS`]. A login can have
/// credentials of its own, of which none is ours.
fn of_credential(name: &str) -> PathBuf {
    let given = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let names = [name.to_owned(), format!("{UNIT_CREDENTIAL}{name}")];
    let given =
        given.and_then(|dir| names.iter().map(|name| dir.join(name)).find(|it| it.exists()));
    given.unwrap_or_else(|| Path::new(CREDENTIALS).join(name))
}

fn read_file(path: &Path, accept: impl Fn(u32) -> Result<(), String>) -> Result<Vec<u8>, String> {
    let file = read::open(CWD, path, OFlags::empty()).map_err(|error| refused(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    accept(metadata.mode())?;
    read::all(file, MAX_BYTES).map_err(|error| refused(&error))
}

fn refused(error: &ReadError) -> String {
    match error {
        ReadError::Io(error) => unreadable(error),
        ReadError::NotRegular => "is not a regular file".to_owned(),
        ReadError::TooLarge(_) => "is too large, more than 16 KiB".to_owned(),
    }
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "cannot be read: there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read: permission denied".to_owned(),
        // The standard library has no kind for many, and then calls them uncategorized.
        _ => format!("cannot be read: {error}"),
    }
}

fn one_line(bytes: Vec<u8>) -> Result<Revealed, String> {
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let line = text.trim();
    if line.is_empty() {
        return Err("is empty".to_owned());
    }
    if line.chars().any(char::is_control) {
        return Err("contains more than one line of text".to_owned());
    }
    Ok(Revealed(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use crate::notify::FailureKind;

    fn read_with(content: &[u8], mode: u32) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(&Secret::File(path)).map(|it| it.expose().to_owned()).map_err(|it| it.reason)
    }

    #[test]
    fn one_line_for_its_owner_alone() {
        assert_eq!(read_with(b" xoxb-1 \n", 0o600).unwrap(), "xoxb-1");
        assert_eq!(read_with(b"xoxb-1", 0o640).unwrap(), "xoxb-1");
        for mode in [0o644, 0o660, 0o604] {
            assert!(read_with(b"xoxb-1", mode).unwrap_err().contains("chmod 0600"));
        }
        assert!(read_with(b" \n", 0o600).unwrap_err().ends_with("is empty"));
        assert!(read_with(b"a\nb", 0o600).unwrap_err().ends_with("one line of text"));
        assert!(read_with(b"\xff", 0o600).unwrap_err().ends_with("UTF-8 text"));
        assert!(read_with(&[b'a'; 16 << 10], 0o600).is_ok());
        let why = read_with(&[b'a'; (16 << 10) + 1], 0o600).unwrap_err();
        assert!(why.ends_with("is too large, more than 16 KiB"), "{why}");
    }

    #[test]
    fn what_is_no_file_is_told_by_name_and_may_become_one() {
        let why = |path: &Path| {
            let failure = read(&Secret::File(path.into())).err().unwrap();
            assert_eq!(failure.kind, FailureKind::Transient(None));
            failure.reason
        };
        assert_eq!(
            why(Path::new("/nonexistent")),
            "the secret /nonexistent: cannot be read: there is no such file"
        );
        assert_eq!(why(Path::new("/dev/null")), "the secret /dev/null: is not a regular file");
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        let words = "cannot be read: Too many levels of symbolic links (os error 40)";
        assert!(why(&link).ends_with(words), "{}", why(&link));
    }

    #[test]
    fn every_error_has_plain_words() {
        let of = |errno: rustix::io::Errno| unreadable(&errno.into());
        assert_eq!(of(rustix::io::Errno::ACCESS), "cannot be read: permission denied");
        assert_eq!(of(rustix::io::Errno::PERM), "cannot be read: permission denied");
        assert_eq!(of(rustix::io::Errno::IO), "cannot be read: Input/output error (os error 5)");
    }
}
