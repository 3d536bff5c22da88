//! Its client certificate, whose rotation is overdue.

use crate::domain::model::Certificate;
use crate::domain::renewal::Fault;
use crate::domain::time::UnixTime;
use crate::node::kubelet::{CURRENT, pki};
use crate::node::{ControlPlane, NodePaths, NodePresence};
use crate::renew::kubelet::wait::wait_until;
use crate::renew::kubelet::{ROTATION, answers, fresh, restart};
use crate::sys;

use super::SIGN_OF_LIFE;

/// Restarts the kubelet, unless it has rotated the certificate that `ends` then already; waits for another one, and for
/// a sign of life of the node.
pub(super) fn rotate(paths: &NodePaths, ends: UnixTime) -> Result<String, Fault> {
    let current = pki(paths).join(CURRENT);
    let rotated = || fresh(&current).filter(|it| it.not_after > ends);
    // Nobody waits for what was not there before, such as a network plugin.
    let was_ready = presence(paths).is_ok_and(|it| it.is_ready);
    if rotated().is_none() {
        restart(paths)?;
    }
    let new = wait_until(ROTATION, rotated).ok_or_else(|| Fault::not_taken(pending(ends)))?;
    answers(paths)?;
    sign_of_life(paths, &new, was_ready)
}

fn pending(ends: UnixTime) -> String {
    format!(
        "the kubelet was restarted and has not got a new client certificate within {} s; it goes on with the present \
         one, until {}. See whether its request is pending with `kubectl get csr`: kube-controller-manager approves and \
         signs it; and `journalctl -u kubelet`",
        ROTATION.as_secs(),
        ends.date()
    )
}

/// An API server that cannot be asked says nothing of the kubelet: it has signed the certificate.
fn sign_of_life(paths: &NodePaths, new: &Certificate, was_ready: bool) -> Result<String, Fault> {
    let since = sys::now();
    let mut last = Err("nobody was asked".to_owned());
    let seen = wait_until(SIGN_OF_LIFE, || {
        last = presence(paths);
        let seen = last.as_ref().ok()?;
        (seen.at > since && (seen.is_ready || !was_ready)).then_some(seen.is_ready)
    });
    let rotated = format!(
        "the kubelet has rotated its client certificate, which now expires on {}",
        new.not_after.date()
    );
    match (seen, last) {
        (Some(true), _) => {
            Ok(format!("{rotated}; it has renewed its lease, and the node is Ready"))
        }
        (Some(false), _) => Ok(format!("{rotated}; it has renewed its lease")),
        (None, Err(why)) => {
            Ok(format!("{rotated}; whether it reports to the API is unknown: {why}"))
        }
        (None, Ok(last)) => Err(Fault::failed(format!(
            "{rotated}, but the node is not well {} s later: its last sign of life is of {}, and it is {}; see \
             `kubectl describe node`",
            SIGN_OF_LIFE.as_secs(),
            last.at,
            if last.is_ready { "Ready" } else { "not Ready" }
        ))),
    }
}

fn presence(paths: &NodePaths) -> Result<NodePresence, String> {
    ControlPlane::read(paths).map_err(|fault| fault.what)?.presence()
}
