//! When to stop: a person or a service manager asks for it, or the node is going down, after which nothing
//! that is stopped starts again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::program::{self, command, find};

/// To say so takes systemd a moment.
const LIMIT: Duration = Duration::from_secs(5);

/// What a signal asks of this process, and whether something is under way.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    is_asked: Arc<AtomicBool>,
    is_at_work: Arc<AtomicBool>,
}

/// While there is one, a renewal is under way.
#[derive(Debug)]
#[must_use]
pub(crate) struct AtWork(Arc<AtomicBool>);

impl Stop {
    /// Asks for it. True if a renewal is under way, which ends at a moment at which the node is whole;
    /// otherwise nobody is in the way of an end at once.
    pub fn ask(&self) -> bool {
        self.is_asked.store(true, Ordering::SeqCst);
        self.is_at_work.load(Ordering::SeqCst)
    }

    /// True once it was asked for.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }

    /// Says that a renewal is under way for as long as what is given lives.
    pub(crate) fn at_work(&self) -> AtWork {
        self.is_at_work.store(true, Ordering::SeqCst);
        AtWork(self.is_at_work.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// True if systemd is on its way to a reboot or the end. What cannot be asked is not.
pub(crate) fn is_under_way() -> bool {
    let Ok(mut command) = find("systemctl").and_then(|systemctl| command(&systemctl)) else {
        return false;
    };
    command.arg("is-system-running");
    program::run(command, LIMIT).is_ok_and(|output| output.text().trim() == "stopping")
}
