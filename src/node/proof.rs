//! Evidence that a component uses the files on disk and is well.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::layout::shown;
use crate::domain::model::Sha256;
use crate::domain::renewal::Component;
use crate::domain::renewal::restart::RestartOptions;
use crate::fs::read;
use crate::parse::pem;
use crate::parse::x509::sha256;
use crate::sys;

use super::ControlPlane;
use super::api::ApiClient;
use super::handshake::served;
use super::pod::{Pod, ServingEndpoint};
use super::process::{self, Process};

impl ControlPlane {
    /// The evidence, or what is missing; both as clauses.
    pub(crate) fn proof(&self, pod: &Pod, options: RestartOptions) -> Result<String, String> {
        let evidence = match pod.component {
            Component::Apiserver if options.reaches_kubelet => {
                format!("{}, {}", serves_what_is_on_disk(pod)?, self.kubelet_answers_it()?)
            }
            Component::Etcd | Component::Apiserver => serves_what_is_on_disk(pod)?,
            Component::ControllerManager | Component::Scheduler => self.works_as_its_user(pod)?,
        };
        self.health(pod)?;
        Ok(format!("{} {evidence}, and is healthy", pod.component))
    }

    /// A kubelet that is down answers nobody, whatever the certificate.
    fn kubelet_answers_it(&self) -> Result<&'static str, String> {
        match self.reaches_kubelet() {
            Ok(()) => Ok("reaches the kubelet"),
            Err(_) if self.kubelet_and_runtime_are_well().is_err() => {
                Ok("cannot try to reach the kubelet, which is down")
            }
            Err(why) => Err(why),
        }
    }

    fn works_as_its_user(&self, pod: &Pod) -> Result<String, String> {
        let process = process::find(pod.component).map_err(|fault| fault.what)?;
        let process = process.ok_or_else(|| format!("no process of {} runs", pod.component))?;
        self.is_younger(pod, &process)?;
        let server = self.api_server().ok_or("there is no API server on this node")?;
        let lease = ApiClient::new(&pod.kubeconfig(), server)?.lease(pod.component)?;
        let role = match lease {
            _ if !pod.elects_leader() => "needs no lease".to_owned(),
            None => "its version has no lease to show that it works".to_owned(),
            Some(lease) => lease.role_of(&sys::host_name(), process.started_at(), sys::now())?,
        };
        let path = shown(&pod.kubeconfig());
        Ok(format!("started after {path} was written, which the API server accepts, {role}"))
    }

    /// Whether a process has read its files as they are now: it started after they were put there.
    pub(crate) fn is_younger(&self, pod: &Pod, process: &Process) -> Result<(), String> {
        for path in pod.files() {
            let metadata = std::fs::metadata(&path)
                .map_err(|error| format!("{} cannot be read: {error}", shown(&path)))?;
            if process.started() <= placed(&metadata) {
                return Err(format!("its process is older than {}", shown(&path)));
            }
        }
        Ok(())
    }
}

/// The end of its last change: a file that was written elsewhere and then put here counts from that.
pub(crate) fn placed(metadata: &Metadata) -> SystemTime {
    let seconds = |number: i64| Duration::from_secs(u64::try_from(number).unwrap_or_default());
    let nanos = Duration::from_nanos(u64::try_from(metadata.ctime_nsec()).unwrap_or_default());
    let changed = UNIX_EPOCH + seconds(metadata.ctime()) + nanos;
    metadata.modified().map_or(changed, |written| written.max(changed))
}

fn serves_what_is_on_disk(pod: &Pod) -> Result<String, String> {
    let endpoints = pod.endpoints();
    for endpoint in &endpoints {
        serves(endpoint)?;
    }
    let paths: Vec<String> = endpoints.iter().map(|it| it.address.to_string()).collect();
    match &paths[..] {
        [] => Ok("serves no certificate at all".to_owned()),
        paths => Ok(format!("serves the certificate on disk at {}", paths.join(", "))),
    }
}

fn serves(endpoint: &ServingEndpoint) -> Result<(), String> {
    let ServingEndpoint { address, certificate } = endpoint;
    let on_disk = leaf(certificate)?;
    let served =
        served(*address).map_err(|why| format!("at {address} no certificate was served: {why}"))?;
    if served == on_disk {
        return Ok(());
    }
    Err(format!("at {address} it serves another certificate than that in {}", shown(certificate)))
}

/// Evidence that a component does not use what lies on disk, as a sentence; `None` where there is
/// none, because all is well or because nothing answers.
pub(crate) fn stale(pod: &Pod, process: Option<&Process>) -> Option<String> {
    let differs = pod.endpoints().into_iter().find_map(|endpoint| {
        let differs = served(endpoint.address).ok()? != leaf(&endpoint.certificate).ok()?;
        differs.then(|| {
            let ServingEndpoint { address, certificate } = endpoint;
            format!(
                "at {address} it serves another certificate than that in {}",
                shown(&certificate)
            )
        })
    });
    let is_reread = matches!(pod.component, Component::Etcd | Component::Apiserver);
    differs.or_else(|| if is_reread { None } else { older_than_its_kubeconfig(pod, process?) })
}

/// By the time of writing alone: a change of mode or owner makes nothing stale.
fn older_than_its_kubeconfig(pod: &Pod, process: &Process) -> Option<String> {
    let path = pod.kubeconfig();
    let written = std::fs::metadata(&path).and_then(|it| it.modified()).ok()?;
    let is_older = process.started() < written;
    is_older.then(|| format!("it started before {} was written", shown(&path)))
}

/// SHA-256 of the first certificate in a file: the one that a server presents as its own.
fn leaf(path: &Path) -> Result<Sha256, String> {
    let at = shown(path);
    let bytes = read::file(path).map_err(|error| format!("{at} cannot be read: {error}"))?;
    let first = pem::certificates(&bytes).into_iter().next().and_then(Result::ok);
    let block = first.ok_or_else(|| format!("{at} does not begin with a certificate"))?;
    Ok(sha256(&block.der))
}
