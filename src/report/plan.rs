//! A renewal's plan for people: what would be done, what would not, and why.

use std::fmt::Write as _;
use std::path::Path;

use crate::domain::cluster::NodeIdentity;
use crate::domain::renewal::Component;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::kubelet_renewal::KubeletWay;
use crate::domain::renewal::leftover::Leftover;
use crate::domain::renewal::plan::Plan;
use crate::domain::text::{escape_control, escaped, shell_word};
use crate::domain::time::UnixTime;

use super::lines::{columns, line, wrap};

/// A plan, and what it would be carried out with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanReport<'a> {
    /// The node's name, and its cluster's.
    pub node: &'a NodeIdentity,
    /// What is planned.
    pub plan: &'a Plan,
    /// When it was made.
    pub now: UnixTime,
    /// The program that renews.
    pub kubeadm: &'a Path,
    /// The configuration that it is given.
    pub kubeadm_config: &'a Path,
}

/// Below this a column is not squeezed: the terminal may break the line.
const LEAST: usize = 40;

const FIGURES: &str = "The outage is that of the API on a single control plane, as measured in the \
                       lab.";

impl PlanReport<'_> {
    /// The plan in sections, those that are empty left out; lines are broken at `width` columns.
    pub(crate) fn table(&self, width: Option<usize>) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "Renewal on {}, as planned at {}", self.node.shown(), self.now);
        let leftovers: Vec<_> = self.plan.leftovers.iter().map(Leftover::words).collect();
        section(&mut out, "First, left by an earlier run; then this is planned again", &leftovers);
        if self.plan.incomplete {
            out.push_str(
                "\nSomething that is due or was requested cannot be renewed here: see below.\n",
            );
        } else if self.plan.is_empty() {
            out.push_str("\nNothing to do.\n");
        }
        self.renewed(&mut out, width);
        self.restarted(&mut out, width);
        self.others(&mut out);
        section(&mut out, "Commands, in this order", &self.commands());
        section(&mut out, "Warnings", &self.plan.warnings);
        blockers(&mut out, "Overridden", &self.plan.overridden, width);
        blockers(&mut out, "Blocked", &self.plan.blockers, width);
        out
    }

    fn renewed(&self, out: &mut String, width: Option<usize>) {
        let rows = self
            .plan
            .renew
            .iter()
            .map(|it| [it.name.to_owned(), self.end(it.ends), it.why.words().to_owned()]);
        table(out, ["RENEWED", "EXPIRES", "WHY"], rows, width);
        let rows =
            self.plan.skip.iter().map(|it| {
                [escape_control(&it.name).into_owned(), self.end(it.ends), it.why.words()]
            });
        table(out, ["NOT RENEWED", "EXPIRES", "WHY NOT"], rows, width);
    }

    fn restarted(&self, out: &mut String, width: Option<usize>) {
        let rows = self.plan.restart.iter().map(|(component, why)| {
            [component.to_string(), self.plan.outage(*component), why.words()]
        });
        table(out, ["RESTARTED", "OUTAGE", "WHY"], rows, width);
        let rows = self.plan.skip_restart.iter().map(|(component, why)| {
            [component.to_string(), "none".to_owned(), why.words().to_owned()]
        });
        table(out, ["NOT RESTARTED", "OUTAGE", "WHY NOT"], rows, width);
        let rows = self.plan.other_pods.iter().map(|pod| {
            let is_restarted = if pod.restart { "yes" } else { "no" };
            [escape_control(&pod.name).into_owned(), is_restarted.to_owned(), pod.words()]
        });
        table(out, ["OTHER POD", "RESTARTED", "AFTERWARDS"], rows, width);
        if !self.plan.restart.is_empty() {
            out.push('\n');
            for line in wrap(FIGURES, width.unwrap_or(usize::MAX)) {
                let _ = writeln!(out, "{line}");
            }
        }
    }

    fn others(&self, out: &mut String) {
        let copies = self
            .plan
            .copies
            .iter()
            .map(|path| escape_control(&path.to_string_lossy()).into_owned());
        section(out, "Copies of admin.conf that are refreshed", &copies.collect::<Vec<_>>());
        let hooks = self.plan.hooks.iter().map(|hook| {
            let (name, limit) = (escape_control(&hook.name), hook.timeout);
            format!("{name}, for {limit} at most: {}", shell_line(&hook.command))
        });
        section(out, "Hooks that are run at the end", &hooks.collect::<Vec<_>>());
        let rescued = self.plan.kubelet.then_some(KubeletWay::Recovery);
        if let Some(way) = self.plan.kubelet_renewal.map(|it| it.way).or(rescued) {
            section(out, "The kubelet", &[way.words().to_owned()]);
        }
    }

    /// What is run, in order. Words between `<` and `>` are found out when it is done.
    pub(crate) fn commands(&self) -> Vec<String> {
        let [kubeadm, config] = [self.kubeadm, self.kubeadm_config]
            .map(|path| escape_control(&shell_word(&path.to_string_lossy())).into_owned());
        let renew = self.plan.renew.iter().map(|it| {
            format!(
                "{kubeadm} certs renew {} --config {config}   # on a copy of /etc/kubernetes",
                it.name
            )
        });
        let is_kubelet_restarted = self.plan.kubelet || self.plan.kubelet_renewal.is_some();
        let kubelet = is_kubelet_restarted.then(|| "systemctl restart kubelet".to_owned());
        let mut restart: Vec<_> = self.plan.restart.iter().map(|(it, _)| *it).collect();
        if self.plan.restarts_together() {
            // The API server is told first.
            restart.swap(0, 1);
        }
        let restart = restart.into_iter().map(|component| {
            let killed = match component {
                Component::Apiserver => "-KILL some seconds after it has closed its port",
                _ => "-KILL if it hangs",
            };
            format!("kill -TERM <process of {component}>   # {killed}; the kubelet starts it again")
        });
        let others = self.plan.other_pods.iter().filter(|pod| pod.restart).map(|pod| {
            let name = escape_control(&pod.name);
            format!("kill -TERM <processes of {name}>   # -KILL if they hang; the kubelet starts them again")
        });
        let hooks = self.plan.hooks.iter().map(|hook| shell_line(&hook.command));
        renew.chain(kubelet).chain(restart).chain(others).chain(hooks).collect()
    }

    fn end(&self, ends: Option<UnixTime>) -> String {
        match ends {
            None => "-".to_owned(),
            Some(end) if end < self.now => format!("{} ago, {}", self.now - end, end.date()),
            Some(end) => format!("in {}, {}", end - self.now, end.date()),
        }
    }
}

/// As a shell would be given it.
fn shell_line(command: &[String]) -> String {
    let words: Vec<_> = command.iter().map(|word| shell_word(word)).collect();
    escape_control(&words.join(" ")).into_owned()
}

fn table(
    out: &mut String,
    head: [&str; 3],
    rows: impl ExactSizeIterator<Item = [String; 3]>,
    width: Option<usize>,
) {
    if rows.len() > 0 {
        out.push('\n');
        columns(out, head, rows, width);
    }
}

/// Lines that are never broken: they may be pasted.
fn section(out: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(out, "\n{title}:");
        lines.iter().for_each(|it| line(out, &format!("  {it}")));
    }
}

fn blockers(out: &mut String, title: &str, blockers: &[Blocker], width: Option<usize>) {
    if blockers.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}:");
    let room = |indent| width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST));
    for blocker in blockers {
        for line in wrap(&escaped(&blocker.what()), room(2)) {
            let _ = writeln!(out, "  {line}");
        }
        for line in wrap(&escaped(&format!("-> {}", blocker.remedy())), room(6)) {
            let _ = writeln!(out, "      {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::domain::renewal::sample::{NOW, plan};

    static CP1: LazyLock<NodeIdentity> = LazyLock::new(|| NodeIdentity::of_node("cp1"));

    fn report(plan: &Plan) -> PlanReport<'_> {
        PlanReport {
            node: &CP1,
            plan,
            now: NOW,
            kubeadm: Path::new("/usr/bin/kubeadm"),
            kubeadm_config: Path::new("/var/lib/certwatch-renew/kubeadm-config.yaml"),
        }
    }

    #[test]
    fn all_that_can_be_said() {
        insta::assert_snapshot!(report(&plan()).table(Some(100)));
    }

    #[test]
    fn on_a_narrow_terminal() {
        insta::assert_snapshot!(report(&plan()).table(Some(80)));
    }

    #[test]
    fn nothing_to_do() {
        let skip = plan().skip.into_iter().take(1).collect();
        let idle = Plan { skip, ..Plan::default() };
        insta::assert_snapshot!(report(&idle).table(None), @r"
        Renewal on cp1, as planned at 2026-11-23T12:00:00Z

        Nothing to do.

        NOT RENEWED  EXPIRES               WHY NOT
        admin.conf   in 299 d, 2027-09-18  not due yet
        ");
    }
}
