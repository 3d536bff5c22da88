//! Whether the node is going down: then nothing that is stopped starts again.

use std::time::Duration;

use super::program::{self, command, find};

/// To say so takes systemd a moment.
const LIMIT: Duration = Duration::from_secs(5);

/// True if systemd is on its way to a reboot or the end. What cannot be asked is not.
pub fn is_under_way() -> bool {
    let Some(systemctl) = find("systemctl") else { return false };
    let mut command = command(&systemctl);
    command.arg("is-system-running");
    program::run(command, LIMIT).is_ok_and(|ran| ran.text().trim() == "stopping")
}
