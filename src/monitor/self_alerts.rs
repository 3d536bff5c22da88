//! What is wrong with certwatch itself, as alerts: whoever relies on it has to know.

use std::collections::BTreeMap;

use crate::domain::alert::{Alert, of_certwatch};
use crate::domain::policy::Severity;
use crate::domain::text::escape_control;

/// What can be wrong with certwatch itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SelfAlert {
    /// It cannot look at the node at all.
    Blind,
    /// The configuration on disk is refused, and the old one is still in effect.
    Config,
    /// A key is not its certificate's, and the renewer could not mend that.
    Pairs,
    /// What the renewer remembers cannot be read.
    RenewalState,
    /// A renewal was asked for, and nobody renews.
    Renewer,
    /// It cannot write down whom it has told what.
    Unsaved,
}

/// All that is wrong now.
#[derive(Debug, Default)]
pub(super) struct SelfAlerts(BTreeMap<SelfAlert, Alert>);

impl SelfAlerts {
    pub(super) fn set(&mut self, kind: SelfAlert, why: &str) {
        self.note(kind, Some(why));
    }

    pub(super) fn clear(&mut self, kind: SelfAlert) {
        self.note(kind, None);
    }

    /// Sets it with its reason, or ends it; true if that is news.
    pub(super) fn note(&mut self, kind: SelfAlert, why: Option<&str>) -> bool {
        let Some(why) = why else {
            let ended = self.0.remove(&kind);
            if let Some(alert) = &ended {
                tracing::info!("no longer: {}", alert.text.summary);
            }
            return ended.is_some();
        };
        let alert = kind.alert(why);
        let is_known = self.0.get(&kind).is_some_and(|known| known.text == alert.text);
        if !is_known {
            tracing::error!("{}: {}", alert.text.summary, alert.text.lines.join("; "));
        }
        self.0.insert(kind, alert);
        !is_known
    }

    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.0.values()
    }

    /// What is wrong, in a few words each.
    pub(super) fn briefs(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().map(|kind| kind.summary()).filter(|summary| !summary.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong, in words.
    pub(super) fn line(&self, kind: SelfAlert) -> Option<&str> {
        self.0.get(&kind)?.text.lines.first().map(String::as_str)
    }
}

impl SelfAlert {
    /// In a few words, for one line with everything; empty if that line says so anyway.
    pub(super) fn summary(self) -> &'static str {
        match self {
            Self::Blind => "",
            Self::Config => "configuration invalid, the previous one is in effect",
            Self::Pairs => "a key does not match its certificate",
            Self::RenewalState => "cannot read the state of renewals",
            Self::Renewer => "renewer not responding",
            Self::Unsaved => "cannot save its state",
        }
    }

    fn alert(self, why: &str) -> Alert {
        let first = escape_control(why.lines().next().unwrap_or_default()).into_owned();
        match self {
            Self::Blind => of_certwatch(
                "scan_failed",
                Severity::Unknown,
                "cannot scan this node",
                &first,
                "see `journalctl -u certwatch`",
            ),
            Self::Config => of_certwatch(
                "config_invalid",
                Severity::Warning,
                "still uses its previous configuration",
                &format!("the new one is invalid: {first}"),
                "see all of it with `certwatch config check`, fix it, and run `systemctl reload certwatch`",
            ),
            Self::Pairs => of_certwatch(
                "key_mismatch",
                Severity::Critical,
                "found a key that does not match its certificate",
                &format!("{first} is unusable until its key and certificate match"),
                "see the blockers with `certwatch renew --dry-run`, then run `certwatch renew`",
            ),
            Self::RenewalState => of_certwatch(
                "renewal_state_unreadable",
                Severity::Unknown,
                "does not know whether a renewal is unfinished",
                &first,
                "run `certwatch renew --dry-run` as root, and then `certwatch renew`, which moves a damaged \
                 state aside",
            ),
            Self::Renewer => of_certwatch(
                "renewer_unresponsive",
                Severity::Critical,
                "cannot start renewals",
                &first,
                "see `systemctl status certwatch-renew.path certwatch-renew.service`, or renew manually: \
                 `certwatch renew`",
            ),
            Self::Unsaved => of_certwatch(
                "state_unsaved",
                Severity::Warning,
                "cannot save the notification state",
                &format!("{first}. After a restart you are notified again about known alerts"),
                "make its state directory writable (`daemon.state-dir`)",
            ),
        }
    }
}
