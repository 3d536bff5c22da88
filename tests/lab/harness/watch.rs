//! A client that was there before a renewal and has to be there after it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use super::Node;

/// `kubectl get configmaps --watch` in a node.
pub(crate) struct Watch {
    kubectl: Child,
    lines: Receiver<String>,
}

impl Watch {
    /// Ends by itself after ten minutes, whatever becomes of the test.
    pub(crate) fn start(node: Node<'_>) -> Self {
        let kubectl =
            "exec timeout 600 kubectl get configmaps --all-namespaces --watch --output=name";
        let mut kubectl =
            node.command(&["sh", "-c", kubectl]).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(kubectl.stdout.take().unwrap());
        let (sender, lines) = channel();
        spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|it| sender.send(it)));
        Self { kubectl, lines }
    }

    /// Makes a ConfigMap and waits until it is seen.
    pub(crate) fn sees_a_change(&mut self, node: Node<'_>, name: &str) {
        node.run(&["kubectl", "create", "configmap", name]);
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("{name} was not seen: {error}"));
            if line == format!("configmap/{name}") {
                break;
            }
        }
        assert!(self.kubectl.try_wait().unwrap().is_none(), "the watch has ended");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}
