//! What to do where another distribution renews, and where it does not.

use super::command::{Remedy, pasteable, words};
use crate::domain::model::Item;
use crate::domain::role;

/// What `microk8s refresh-certs --cert` takes.
const MICROK8S: [&str; 3] = ["ca.crt", "front-proxy-client.crt", "server.crt"];

/// The components that RKE2 leaves to make a serving certificate for themselves, and the names of
/// their processes, which the kernel cuts.
const RKE2: [(&str, &str); 2] =
    [("kube-controller-manager", "kube-controller"), ("kube-scheduler", "kube-scheduler")];

/// What to do where the distribution's own command does not do it.
pub(super) fn exception(item: &Item) -> Option<Remedy> {
    if item.role == &role::MICROK8S {
        microk8s(&item.place.file_name())
    } else if item.role == &role::RKE2 {
        rke2(item)
    } else {
        None
    }
}

fn microk8s(name: &str) -> Option<Remedy> {
    Some(match name {
        _ if MICROK8S.contains(&name) => {
            Remedy::Command(format!("microk8s refresh-certs --cert {name}"))
        }
        "front-proxy-ca.crt" => return None,
        _ => words(
            "`microk8s refresh-certs` renews only ca.crt, server.crt and front-proxy-client.crt. With \
             `--cert ca.crt` it also creates all others again, this one included: plan it, since every other node must \
             join again (https://microk8s.io/docs/command-reference)",
        ),
    })
}

/// They are not renewed at a start of the service, but made by the component if they are not there
/// (rancher/rancher#41125).
fn rke2(item: &Item) -> Option<Remedy> {
    let dir = item.place.path.parent()?;
    let (name, process) = RKE2.iter().find(|(name, _)| dir.ends_with(name))?;
    let dir = pasteable(dir)?;
    Some(Remedy::Command(format!("rm {dir}/{name}.crt {dir}/{name}.key && pkill -x {process}")))
}
