//! The certificates that the kubelet gets by itself, once it is restarted for that: its client's, and the serving one that
//! it signs itself. Each is proved, and each step may be taken again.

mod client;
mod serving;

use std::time::Duration;

use crate::domain::renewal::kubelet_renewal::KubeletRenewal;
use crate::domain::renewal::{Fault, Journal, Step};
use crate::node::NodePaths;

/// The kubelet renews its lease every 10 s, and says as often whether it is ready.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Takes the step that the journal is at. What it says is for people.
///
/// # Errors
/// There is no other certificate within its time, or the kubelet is not well with it.
pub(crate) fn take(paths: &NodePaths, journal: &Journal) -> Result<String, Fault> {
    let Some(KubeletRenewal { ends, .. }) = journal.kubelet_renewal else {
        return Err(Fault::failed("the journal does not say which certificate is renewed"));
    };
    match journal.step {
        Step::KubeletServing => serving::remake(paths, ends),
        Step::KubeletServingBack => serving::put_back(paths, ends),
        _ => client::rotate(paths, ends),
    }
}
