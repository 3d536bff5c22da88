//! `certwatch restore`: puts a backup back.

use crate::cli::RestoreArgs;
use crate::exit::Exit;

/// Puts a backup back, or lists them.
pub fn run(args: &RestoreArgs) -> Exit {
    let config = match super::config::effective(args.config.as_deref()) {
        Ok(config) => config,
        Err(errors) => {
            super::complain(&errors.to_string());
            return Exit::Config;
        }
    };
    let places = super::renew::places(&config.renew, None);
    let dir = crate::domain::text::safe(&places.backups().to_string_lossy()).into_owned();
    super::complain(&format!("this certwatch cannot put a backup of {dir} back yet"));
    Exit::Failed
}
