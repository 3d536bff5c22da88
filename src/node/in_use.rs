//! What each static pod uses at this moment, seen from outside: what it presents, and what it has read at its start.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::layout::KUBELET_PKI;
use crate::domain::model::Certificate;
use crate::domain::renewal::Component;
use crate::domain::time::{Span, UnixTime};
use crate::parse::kubelet as kubelet_files;
use crate::sys::unix_time;

use super::container_log;
use super::handshake::{self, NoAnswer};
use super::pod::Pod;
use super::process::{self, Process};

/// By how much what a component makes for itself is valid before its start (`GenerateSelfSignedCertKey` in client-go's
/// util/cert).
const BACKDATED: Span = Span::hours(1);

/// A file that is written while its component starts has been read or not: nobody knows.
const SAME_MOMENT: Duration = Duration::from_secs(2);

/// One static pod whose manifest is there.
pub(crate) struct ComponentUse {
    pub(crate) component: Component,
    pub(crate) manifest: PathBuf,
    pub(crate) is_running: bool,
    pub(crate) presented: Vec<Presented>,
    pub(crate) held: Option<Held>,
    /// The last line of its log that is about a certificate; of one that does not answer.
    pub(crate) says: Option<String>,
}

/// What is presented at an address.
pub(crate) struct Presented {
    pub(crate) at: SocketAddr,
    /// The file that it should come from; none for what is made at each start.
    pub(crate) file: Option<PathBuf>,
    pub(crate) certificate: Result<Certificate, NoAnswer>,
}

/// A file that its component has read at its start.
pub(crate) struct Held {
    pub(crate) file: PathBuf,
    pub(crate) started: UnixTime,
    /// It was written since.
    pub(crate) is_stale: bool,
}

/// Looks at a component; `None` where its manifest is not below `kubernetes`, or cannot be read. Takes up to 3 s for each
/// port that hangs.
pub(crate) fn look(kubernetes: &Path, component: Component) -> Option<ComponentUse> {
    let pod = Pod::read(kubernetes, component).ok()??;
    // Of several, nobody knows which one counts; but something runs.
    let found = process::find(component);
    let process = found.as_ref().ok().copied().flatten();
    let presented: Vec<Presented> = presented(&pod);
    let answers = presented.iter().all(|it| it.certificate.is_ok());
    // A process that cannot be seen from here, as in a virtual machine, may well answer.
    let is_running = found.is_err() || process.is_some() || answers && !presented.is_empty();
    let held = held(&pod, process.as_ref(), &presented);
    let says = if is_running && answers { None } else { container_log::complaint(component) };
    Some(ComponentUse { component, manifest: pod.manifest, is_running, presented, held, says })
}

/// What the kubelet presents, by its configuration; `None` where it serves nowhere. Takes up to 3 s if it hangs.
pub(crate) fn kubelet(config: &[u8]) -> Option<Presented> {
    let at = kubelet_files::server(config)?;
    let file = Some(kubelet_files::serving_file(config, Path::new(KUBELET_PKI)));
    Some(Presented { at, file, certificate: handshake::certificate(at) })
}

fn presented(pod: &Pod) -> Vec<Presented> {
    let files = pod.endpoints().into_iter().map(|it| (it.address, Some(it.certificate)));
    let made = pod.self_made().map(|address| (address, None));
    files
        .chain(made)
        .map(|(at, file)| Presented { at, file, certificate: handshake::certificate(at) })
        .collect()
}

/// By the time of writing alone: a change of mode or owner makes nothing stale.
fn held(pod: &Pod, process: Option<&Process>, presented: &[Presented]) -> Option<Held> {
    let reads_at_start =
        matches!(pod.component, Component::ControllerManager | Component::Scheduler);
    let file = reads_at_start.then(|| pod.kubeconfig())?;
    let started = started(process, presented)?;
    let written = std::fs::metadata(&file).and_then(|it| it.modified()).ok()?;
    Some(Held { file, started: unix_time(started), is_stale: started + SAME_MOMENT < written })
}

/// By the clock of that time, which what it has made then has kept: a clock that was set since has moved what the kernel
/// says of the start.
fn started(process: Option<&Process>, presented: &[Presented]) -> Option<SystemTime> {
    let made = presented.iter().filter(|it| it.file.is_none());
    let made =
        made.filter_map(|it| it.certificate.as_ref().ok()).map(|it| it.not_before + BACKDATED);
    let by_certificate = made.max().and_then(|at| u64::try_from(at.seconds()).ok());
    by_certificate
        .map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds))
        .or_else(|| process.map(Process::started))
}
