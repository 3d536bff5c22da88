//! `certwatch copy`: one copy of admin.conf, in a process of its own, which may hang in its file system.

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cli::CopyArgs;
use crate::exit::Exit;
use crate::renew::tree::copy::{Copy, CopyStatus};
use crate::sys;

/// Looks at it or refreshes it, and prints what came of it as JSON.
pub(super) fn run(args: &CopyArgs) -> Exit {
    // Once the process that started this one is gone, nobody would read the result.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let copy =
        Copy { kubernetes: &args.kubernetes, path: &args.path, owner: args.owner, now: sys::now() };
    let look = if args.refresh {
        let left = copy.refresh(args.replaced).err().map(|fault| fault.what);
        CopyStatus { is_stale: left.is_some(), left }
    } else {
        copy.look(args.admin_is_renewed)
    };
    serde_json::to_string(&look).map_or(Exit::Failed, |text| super::print(&text))
}
