//! `certwatch config`: look at the configuration without doing anything with it.
//!
//! Each function gives the text for standard output, or the errors for standard error and
//! exit code 78.

use std::path::Path;
use std::sync::Arc;

use crate::beside;
use crate::cli::ConfigCheckArgs;
use crate::config::{self, Config, ConfigErrors, DEFAULT_PATH};
use crate::domain::text::escape_control;
use crate::notify::{Network, http, route, secret, tls};

/// `config check`: one line that says the file is fine.
///
/// # Errors
/// Everything that is wrong with the file, or else with the secrets that it names.
pub(crate) fn check(args: &ConfigCheckArgs) -> Result<String, String> {
    let path = args.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
    let shown = escape_control(&path.to_string_lossy()).into_owned();
    let config = effective(args.config.as_deref()).map_err(|errors| errors.to_string())?;
    let unreadable = if args.no_secrets { Vec::new() } else { unreadable(&config, &shown) };
    match unreadable.is_empty() {
        true if path.exists() => Ok(format!("{shown}: ok\n")),
        true => Ok(format!("{shown} does not exist; the defaults apply\n")),
        false => Err(unreadable.join("\n")),
    }
}

/// What is wrong with the secrets that it names, a line each; with the proxy of the environment too, if
/// that is the one.
fn unreadable(config: &Config, shown: &str) -> Vec<String> {
    let network = Network::of(config, &Arc::default());
    let (hangs, config, named) = (network.hangs.clone(), config.clone(), shown.to_owned());
    let look = move || look(&config, &network, &named);
    let looked =
        super::runtime().map(|it| it.block_on(beside::visit("files", &hangs, secret::LIMIT, look)));
    match looked {
        Ok(Ok(found)) => found,
        Ok(Err(missed)) => vec![format!("{shown}: {missed}")],
        Err(error) => vec![format!("cannot wait for files: {error}")],
    }
}

fn look(config: &Config, network: &Network, shown: &str) -> Vec<String> {
    let channels = &config.channels;
    let proxy = http::check_proxy(network).err();
    let proxy = proxy.map(|failure| format!("{shown}: [http]: {}", failure.reason));
    let secrets = channels.secrets().into_iter().filter_map(|(section, secret)| {
        let failure = secret::look(secret, network).err()?;
        Some(format!("{shown}: [{section}] names {}", failure.reason))
    });
    let clients = channels.clients().into_iter().filter_map(|(section, client)| {
        let failure = tls::identity(client, &network.hangs).err()?;
        Some(format!("{shown}: [{section}]: {}", failure.reason))
    });
    let urls = route::check_urls(channels, network).into_iter();
    let urls = urls.map(|(section, failure)| format!("{shown}: [{section}]: {}", failure.reason));
    proxy.into_iter().chain(secrets).chain(clients).chain(urls).collect()
}

/// `config show`: the configuration in effect, defaults included, as TOML.
///
/// # Errors
/// As for [`effective`].
pub(crate) fn show(path: Option<&Path>) -> Result<String, String> {
    let config = effective(path).map_err(|errors| errors.to_string())?;
    config.to_toml().map_err(|error| error.to_string())
}

/// `config default`: the example, which says what each key is for.
pub(crate) fn default() -> &'static str {
    include_str!("../../config.example.toml")
}

/// The configuration that every verb works with. A file that was named must exist; without a
/// name and without a file at [`DEFAULT_PATH`] the defaults hold.
///
/// # Errors
/// Everything that is wrong with the file.
pub(crate) fn effective(path: Option<&Path>) -> Result<Config, ConfigErrors> {
    match path {
        Some(path) => config::load(path),
        None => config::load_if_present(Path::new(DEFAULT_PATH)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

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

    /// A file that others cannot read.
    fn private(dir: &Path, name: &str, content: &str) -> String {
        let path = dir.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn a_proxy_and_a_client_certificate_that_cannot_be_used_are_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let file = |name: &str, content: &str| private(dir.path(), name, content);
        let socks = file("socks", "socks5://user:SECRET@proxy.example.org:1080");
        let certificate = file("client.crt", "no PEM");
        std::fs::write(
            &path,
            format!(
                "[http]\nproxy-file = '{socks}'\n[alertmanager]\nurls = ['https://am']\n\
                 client-cert = '{certificate}'\nclient-key-file = '/nonexistent'\n"
            ),
        )
        .unwrap();
        let why = checked(&path).unwrap_err();
        let shown = path.display();
        assert_eq!(
            why,
            format!(
                "{shown}: [http]: http.proxy-file is not a proxy URL of the form http://user:password@host:port, the only kind that certwatch supports\n\
                 {shown}: [alertmanager]: the client certificate {certificate} contains no PEM certificate"
            )
        );
        std::fs::write(&path, "[http]\nproxy-credential = 'no-such-credential'\n").unwrap();
        let why = checked(&path).unwrap_err();
        assert!(why.contains("[http]: http.proxy-credential names the secret "), "{why}");
    }

    /// Only who reads the secret sees what kind of URL it is.
    #[test]
    fn a_url_that_no_message_can_go_to_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let file = |name: &str, content: &str| private(dir.path(), name, content);
        let pair = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        let certificate = file("client.crt", &pair.cert.pem());
        let key = file("client.key", &pair.signing_key.serialize_pem());
        let [hook, slack, beat] = [
            ("hook", "http://am.example.org/SECRET"),
            ("slack", "http://hooks.slack.com/SECRET"),
            ("beat", "hc.example.org/SECRET"),
        ]
        .map(|(name, url)| file(name, url));
        let configure = |hook: &str| {
            let text = format!(
                "[webhook]\nurl-file = '{hook}'\nclient-cert = '{certificate}'\nclient-key-file = '{key}'\n\
                 [slack]\nwebhook-file = '{slack}'\n[heartbeat]\nurl-file = '{beat}'\n"
            );
            std::fs::write(&path, text).unwrap();
            checked(&path).unwrap_err()
        };
        let shown = path.display();
        let others = format!(
            "{shown}: [slack]: Slack (hooks.slack.com) must be reached by https://, since what is sent holds a \
             secret\n"
        );
        let last = format!(
            "{shown}: [heartbeat]: heartbeat has no URL that begins with https:// and names a host"
        );
        let expected = format!(
            "{others}{shown}: [webhook]: webhook (am.example.org) has an http:// URL, where no client certificate \
             can be presented: set an https:// one\n{last}"
        );
        assert_eq!(configure(&hook), expected);
        let private = file("private", "https://am.example.org/SECRET");
        assert_eq!(configure(&private), format!("{others}{last}"));
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        assert!(effective(Some(Path::new("/nonexistent/certwatch.toml"))).is_err());
    }
}
