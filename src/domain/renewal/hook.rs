//! Commands of root's that are run after a renewal, such as the reload of a load balancer.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::time::Span;

use super::{Journal, SideResult, Task};

/// A command as the configuration lists it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hook {
    /// What it is called in messages.
    pub name: String,
    /// The program, by its absolute path, and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Span,
}

/// One that belongs to a renewal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct HookRun {
    /// What is run.
    pub hook: Hook,
    /// How it ended.
    pub result: SideResult,
}

impl Hook {
    /// Its name where it is given none: that of its program.
    pub(crate) fn name_of(program: &str) -> String {
        let name = Path::new(program).file_name();
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}

impl HookRun {
    /// One whose turn has not come.
    pub(crate) const fn pending(hook: Hook) -> Self {
        Self { hook, result: SideResult::Pending }
    }
}

/// What a hook is told: variables and their values.
pub(crate) fn variables(journal: &Journal, kubernetes: &str) -> Vec<(&'static str, String)> {
    let task = match journal.task {
        Task::Renew => "renew",
        Task::Rescue => "rescue",
        Task::Restore(_) => "restore",
        Task::Repair => "repair",
    };
    vec![
        ("CERTWATCH_ID", journal.id.clone()),
        ("CERTWATCH_TASK", task.to_owned()),
        ("CERTWATCH_RENEWED", journal.names.join(",")),
        ("CERTWATCH_KUBERNETES", kubernetes.to_owned()),
    ]
}
