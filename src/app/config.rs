//! `certwatch config`: look at the configuration without doing anything with it.
//!
//! Each function gives the text for standard output, or the errors for standard error and
//! exit code 78.

use std::path::Path;

use crate::cli::ConfigCheckArgs;
use crate::config::{self, Config, ConfigErrors, DEFAULT_PATH};
use crate::domain::text::safe;
use crate::notify::secret;

/// `config check`: one line that says the file is fine.
///
/// # Errors
/// Everything that is wrong with the file, or else with the secrets that it names.
pub fn check(args: &ConfigCheckArgs) -> Result<String, String> {
    let path = args.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
    let shown = safe(&path.to_string_lossy()).into_owned();
    let config = effective(args.config.as_deref()).map_err(|errors| errors.to_string())?;
    let unreadable = if args.no_secrets { Vec::new() } else { unreadable(&config, &shown) };
    match unreadable.is_empty() {
        true if path.exists() => Ok(format!("{shown}: ok\n")),
        true => Ok(format!("there is no {shown}: it works without one\n")),
        false => Err(unreadable.join("\n")),
    }
}

/// The secrets that cannot be read, a line each.
fn unreadable(config: &Config, shown: &str) -> Vec<String> {
    let unreadable = |(section, secret)| {
        let failure = secret::read(secret).err()?;
        Some(format!("{shown}: [{section}] names {}", failure.reason))
    };
    config.channels.secrets().into_iter().filter_map(unreadable).collect()
}

/// `config show`: the configuration in effect, defaults included, as TOML.
///
/// # Errors
/// As for [`effective`].
pub fn show(path: Option<&Path>) -> Result<String, String> {
    effective(path).map(|config| config.to_toml()).map_err(|errors| errors.to_string())
}

/// `config default`: the example, which says what each key is for.
pub fn default() -> &'static str {
    include_str!("../../config.example.toml")
}

/// The configuration that every verb works with. A file that was named must exist; without a
/// name and without a file at [`DEFAULT_PATH`] the defaults hold.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn effective(path: Option<&Path>) -> Result<Config, ConfigErrors> {
    match path {
        Some(path) => config::load(path),
        None => config::load_if_present(Path::new(DEFAULT_PATH)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(path: &Path) -> Result<String, String> {
        check(&ConfigCheckArgs { config: Some(path.to_owned()), no_secrets: false })
    }

    #[test]
    fn check_show_and_default_agree() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, default()).unwrap();
        assert_eq!(checked(&path).unwrap(), format!("{}: ok\n", path.display()));
        let shown = show(Some(&path)).unwrap();
        assert_eq!(config::parse(&shown, &path), Ok(Config::default()));

        std::fs::write(&path, "nodename = 'x'").unwrap();
        let errors = checked(&path).unwrap_err();
        assert_eq!(show(Some(&path)), Err(errors.clone()));
        assert!(errors.ends_with("did you mean node-name?"));
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "[slack]\nwebhook-file = '/nonexistent/url'").unwrap();
        let why = checked(&path).unwrap_err();
        let expected =
            "[slack] names the secret /nonexistent/url: cannot be read: there is no such file";
        assert!(why.ends_with(expected), "{why}");
        let args = ConfigCheckArgs { config: Some(path), no_secrets: true };
        assert!(check(&args).unwrap().ends_with(": ok\n"));
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        assert!(effective(Some(Path::new("/nonexistent/certwatch.toml"))).is_err());
    }
}
