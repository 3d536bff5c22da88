use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::Node;

const EVERY: Duration = Duration::from_millis(50);

/// Asks a URL every 50 ms, from within a node, until it is told to stop.
pub(crate) struct Poll {
    stop: Sender<()>,
    poller: JoinHandle<Outage>,
}

/// What the polls saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outage {
    pub(crate) polls: usize,
    pub(crate) failed: usize,
    /// The longest time from the first of some failed polls to the next success.
    pub(crate) longest: Duration,
    /// Why the first of them failed, and how long after the first poll: a node with too much to do may be slow.
    pub(crate) first: Option<(Duration, String)>,
}

impl Poll {
    pub(crate) fn start(node: Node<'_>, url: &str) -> Self {
        let (stop, stopped) = channel();
        let (network, url) = (node.network(), url.to_owned());
        let poller = spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            poll(&url, &stopped)
        });
        Self { stop, poller }
    }

    pub(crate) fn stop(self) -> Outage {
        drop(self.stop);
        self.poller.join().unwrap()
    }
}

fn poll(url: &str, stopped: &Receiver<()>) -> Outage {
    let agent = agent();
    let mut outage = Outage::default();
    let mut down_since = None;
    let begun = Instant::now();
    let mut next = begun;
    loop {
        let asked = Instant::now();
        outage.polls += 1;
        match agent.get(url).call() {
            Ok(_) => down_since = None,
            Err(why) => {
                outage.failed += 1;
                down_since.get_or_insert(asked);
                outage.first.get_or_insert_with(|| (begun.elapsed(), why.to_string()));
            }
        }
        if let Some(since) = down_since {
            outage.longest = outage.longest.max(since.elapsed());
        }
        next = (next + EVERY).max(Instant::now());
        match stopped.recv_timeout(next - Instant::now()) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return outage,
        }
    }
}

/// A new connection for each poll: one that is open already would not notice a restart's every second.
fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .disable_verification(true)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(2)))
        .max_idle_connections(0)
        .tls_config(tls)
        .build()
        .into()
}
