//! Secrets, which the file only names.

use std::path::PathBuf;

use serde::Serialize;
use toml::de::DeValue;

use super::error::Problem;
use super::path;
use super::section::{Section, Setting};
use super::value::{text, wrong};

/// Where a secret is. It is read when it is needed, so that a new one needs no restart, and never
/// kept longer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// The name of a systemd credential; without systemd, of a file in /etc/certwatch/credentials.
    Credential(String),
    /// A file, absolute.
    File(PathBuf),
}

/// The secret that one of two keys names.
pub(super) fn read(
    section: &mut Section<'_, '_>,
    credential: &'static str,
    file: &'static str,
) -> Setting<Option<Secret>> {
    let name = section.optional(credential, credential_name);
    let path = section.optional(file, path::file);
    if name.value.is_some() && path.value.is_some() {
        section.refuse_both(&path, "conflicts with", &name, "one of them");
    }
    if path.value.is_some() || path.is_unusable() {
        return path.map(|path| path.map(Secret::File));
    }
    name.map(|name| name.map(Secret::Credential))
}

/// A file name, as systemd.exec(5) has it.
fn credential_name(value: &DeValue<'_>) -> Result<String, Problem> {
    let name = text(value)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if (1..=200).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.') {
        return Ok(name.to_owned());
    }
    let expected = "the name of a credential, such as \"smtp-password\": letters, digits, \"-\", \".\" \
                    and \"_\". The secret itself goes into that file";
    Err(wrong("is not the name of a credential", expected))
}
