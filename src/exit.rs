//! How the program ends.

use std::process::ExitCode;

use crate::domain::policy::Severity;

/// The exit codes of every verb.
///
/// `check` keeps the contract of monitoring plugins (0 to 3), so that a mistake in its use never
/// reads as CRITICAL; the other verbs use sysexits(3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// `check`: by the worst severity.
    Checked(Severity),
    /// 78: the configuration is wrong.
    Config,
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 64: wrong usage of a verb other than `check`.
    Usage,
}

impl Exit {
    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done | Self::Checked(Severity::Ok) => 0,
            Self::Failed | Self::Checked(Severity::Warning) => 1,
            Self::Checked(Severity::Critical) => 2,
            Self::Checked(Severity::Unknown) => 3,
            Self::Usage => 64,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
