//! `certwatch renew`: what is asked for, checked, and what people see of it.

use std::sync::Arc;

use crate::cli::RenewArgs;
use crate::domain::renewal::plan::{RenewRequest, Selection};
use crate::domain::role;
use crate::domain::text::escape_control;
use crate::exit::Exit;
use crate::renew::tree::copies::Copies;

use super::renewal::{self, RenewalJob, config_for, node_paths};

/// Renews, or shows what would be done.
pub(crate) fn run(args: &RenewArgs) -> Exit {
    match job(args) {
        Ok(job) if args.dry_run => renewal::dry_run(&job),
        // The owner has not enabled renewals; one that a person began is brought to its end all the
        // same.
        Ok(job) if args.auto && !job.config.renew.enabled => renewal::finish(&job),
        Ok(job) => renewal::renew(&job),
        Err(exit) => exit,
    }
}

/// Checks the command line.
fn job(args: &RenewArgs) -> Result<RenewalJob, Exit> {
    if let Some(why) = args.names.iter().find_map(|name| unknown(name)) {
        super::print_error(&why);
        return Err(Exit::Usage);
    }
    let config = config_for(args.config.as_deref())?;
    Ok(RenewalJob {
        paths: node_paths(&config.renew, args.staged),
        copies: Arc::new(Copies::new(config.renew.copies.clone())),
        config,
        request: request(args),
        cluster_config: args.cluster_config.clone(),
        output: args.output,
        is_auto: args.auto,
    })
}

fn request(args: &RenewArgs) -> RenewRequest {
    let selection = match args.names.as_slice() {
        _ if args.all => Selection::All,
        _ if args.restart_stale => Selection::Stale,
        [] => Selection::Due,
        names => Selection::Named(names.to_vec()),
    };
    RenewRequest { selection, force: args.force, rescue: args.rescue }
}

/// Why a NAME is none, with the one that was meant. What kubeadm knows and cannot renew is no mistake
/// of spelling: the plan says who renews it.
fn unknown(name: &str) -> Option<String> {
    if role::kubeadm(name).is_some() || name.starts_with("kubelet") {
        return None;
    }
    let shown = escape_control(name);
    let near = |known: &&str| {
        name.len() >= 3 && known.starts_with(name)
            || strsim::osa_distance(known, name) <= known.len() / 3
    };
    let known = role::KUBEADM.iter().map(|role| role.id);
    let nearest = known.clone().filter(near).min_by_key(|id| strsim::osa_distance(id, name));
    Some(match nearest {
        Some(nearest) => format!("there is no certificate {shown}: did you mean {nearest}?"),
        None => {
            let all = known.collect::<Vec<_>>().join(", ");
            format!("there is no certificate {shown}: kubeadm renews {all}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_name_is_told_with_what_was_meant() {
        for (name, meant) in [
            ("apisever", "apiserver"),
            ("etcd/server", "etcd-server"),
            ("scheduler", "scheduler.conf"),
            ("front-proxy", "front-proxy-client"),
        ] {
            let why = unknown(name).unwrap();
            assert!(why.ends_with(&format!("did you mean {meant}?")), "{why}");
        }
        for name in ["apiserver", "admin.conf", "ca", "etcd-ca", "kubelet"] {
            assert_eq!(unknown(name), None);
        }
        let why = unknown("x\u{1b}[2J").unwrap();
        assert!(why.contains("kubeadm renews admin.conf, apiserver"), "{why}");
        assert!(!why.contains('\u{1b}'));
    }
}
