//! SIGHUP: the configuration is read again, and a wrong one changes nothing.

use super::{Daemon, request};
use crate::config::Config;
use crate::{scan, systemd};

impl Daemon {
    pub(super) async fn reload(&mut self) {
        systemd::reloading();
        match (self.load)() {
            Ok(config) => self.take_over(config).await,
            Err(errors) => {
                for line in errors.to_string().lines() {
                    tracing::error!("{line}");
                }
                tracing::error!(
                    "the new configuration is invalid; the previous one stays in effect"
                );
                self.monitor.config_is_refused(Some(&errors.to_string()));
            }
        }
        self.start_scan();
        systemd::ready();
    }

    async fn take_over(&mut self, mut config: Config) {
        self.monitor.config_is_refused(None);
        let state_dir = self.monitor.config.daemon.state_dir.clone();
        if config.daemon.state_dir != state_dir {
            tracing::warn!("daemon.state-dir has changed: restart certwatch to apply it");
            config.daemon.state_dir = state_dir;
        }
        self.monitor.configure(config);
        let places = scan::watched_places(&request(&self.monitor.config, &self.root));
        self.watcher.turn_to(places).await;
        tracing::info!("configuration reloaded");
    }
}
