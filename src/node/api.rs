//! The API server of this node, asked as the user of a kubeconfig.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::domain::layout::shown;
use crate::domain::renewal::Component;
use crate::domain::renewal::clock::NodeLease;
use crate::domain::renewal::leadership::LeaderLease;
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::fs::read;
use crate::http::Response;
use crate::parse::credential::{self, Credential};

use super::http::ComponentClient;

/// What an API server knows of a node by its kubelet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NodePresence {
    /// The latest sign of life.
    pub at: UnixTime,
    /// The kubelet says that pods can be run.
    pub is_ready: bool,
}

/// The API server as one user sees it. It is not `Debug`: it holds a key.
pub(crate) struct ApiClient {
    client: ComponentClient,
    server: SocketAddr,
    user: String,
}

impl ApiClient {
    /// The API server at `server`, whatever server the kubeconfig names: what is to be proved is that
    /// this node's takes the credential.
    ///
    /// # Errors
    /// The kubeconfig has no credential that could be used; as a clause.
    pub(crate) fn new(kubeconfig: &Path, server: SocketAddr) -> Result<Self, String> {
        let user = shown(kubeconfig);
        let bytes =
            read::file(kubeconfig).map_err(|error| format!("{user} cannot be read: {error}"))?;
        let credential = credential::read(&bytes)
            .ok_or_else(|| format!("{user} has no certificate and key embedded in it"))?;
        let Credential { ca, pair, .. } = &credential;
        let client = ComponentClient::presenting(ca, &pair.certificate, &pair.key);
        Ok(Self { client: client.map_err(|why| format!("{user}: {why}"))?, server, user })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// No answer, or the credential was refused; as a clause.
    pub(crate) fn get(&self, path: &str) -> Result<Response, String> {
        let Self { client, server, user } = self;
        let answer = client.get(&format!("https://{server}{path}"));
        let answer = answer.map_err(|why| format!("the API server did not respond: {why}"))?;
        match answer.status {
            401 => {
                Err(format!("the API server at {server} does not accept the credential of {user}"))
            }
            _ => Ok(answer),
        }
    }

    /// Who leads a component's replicas; `None` where there is no such lease, because an old version
    /// keeps it elsewhere.
    ///
    /// # Errors
    /// As [`Self::get`], or the answer was no lease.
    pub(crate) fn lease(&self, component: Component) -> Result<Option<LeaderLease>, String> {
        let path =
            format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{component}");
        let answer = self.get(&path)?;
        match answer.status {
            200 => lease(&answer.body).map(Some).ok_or_else(|| "its lease is invalid".to_owned()),
            404 => Ok(None),
            status => Err(format!("the API server returns status {status} for its lease")),
        }
    }

    /// Whether this API server gets at the kubelet of a node, with apiserver-kubelet-client: it is asked for a byte of its
    /// own log, as `kubectl logs` asks.
    ///
    /// # Errors
    /// As [`Self::get`], or it does not; why, as a clause.
    pub(crate) fn reaches_kubelet(&self, node: &str) -> Result<(), String> {
        let pod = format!("{}-{node}", Component::Apiserver);
        let path = format!("/api/v1/namespaces/kube-system/pods/{pod}/log?limitBytes=1");
        let answer = self.get(&path)?;
        if answer.status == 200 {
            return Ok(());
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = said["message"].as_str().unwrap_or("no reason given");
        Err(format!(
            "the API server cannot get a log from the kubelet, status {}: {}",
            answer.status,
            escape_control(said)
        ))
    }

    /// The latest signs of life of the nodes, by their kubelets' leases: of the first 20.
    ///
    /// # Errors
    /// As [`Self::get`], or the answer was no list of leases.
    pub(crate) fn heartbeats(&self) -> Result<Vec<NodeLease>, String> {
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?limit=20";
        let answer = self.get(leases)?;
        heartbeats(&answer.body)
            .ok_or_else(|| format!("the API server lists no leases: status {}", answer.status))
    }

    /// What is known of a node by its kubelet.
    ///
    /// # Errors
    /// As [`Self::get`], or the node or its lease is not there.
    pub(crate) fn presence(&self, node: &str) -> Result<NodePresence, String> {
        let lease =
            format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}");
        let [lease, node] = [lease, format!("/api/v1/nodes/{node}")].map(|path| self.get(&path));
        let (lease, node) = (lease?, node?);
        presence(&lease.body, &node.body).ok_or_else(|| {
            let (lease, node) = (lease.status, node.status);
            format!(
                "the API server returns status {lease} for the node's lease, {node} for the node"
            )
        })
    }

    /// kubeadm's ClusterConfiguration, as YAML.
    ///
    /// # Errors
    /// As [`Self::get`], or it is not there.
    pub(crate) fn cluster_config(&self) -> Result<String, String> {
        let answer = self.get("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")?;
        if answer.status != 200 {
            let status = answer.status;
            return Err(format!(
                "the API server returns status {status} for the ConfigMap kubeadm-config"
            ));
        }
        let object: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = object["data"]["ClusterConfiguration"].as_str();
        text.map(str::to_owned)
            .ok_or_else(|| "the ConfigMap kubeadm-config has no ClusterConfiguration".to_owned())
    }
}

fn lease(body: &[u8]) -> Option<LeaderLease> {
    let object: Value = serde_json::from_slice(body).ok()?;
    let holder = object["spec"]["holderIdentity"].as_str().unwrap_or_default();
    let renewed = UnixTime::parse(object["spec"]["renewTime"].as_str()?).ok()?;
    // `HOST_UUID`, in cmd/kube-controller-manager/app and cmd/kube-scheduler/app.
    let host = escape_control(holder.split('_').next().unwrap_or_default()).into_owned();
    Some(LeaderLease { host, renewed })
}

fn presence(lease: &[u8], node: &[u8]) -> Option<NodePresence> {
    let NodeLease { at, .. } = heartbeat(&serde_json::from_slice(lease).ok()?)?;
    let node: Value = serde_json::from_slice(node).ok()?;
    let conditions = node["status"]["conditions"].as_array()?;
    let is_ready = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
    Some(NodePresence { at, is_ready })
}

fn heartbeats(body: &[u8]) -> Option<Vec<NodeLease>> {
    let list: Value = serde_json::from_slice(body).ok()?;
    Some(list["items"].as_array()?.iter().filter_map(heartbeat).collect())
}

fn heartbeat(lease: &Value) -> Option<NodeLease> {
    let node = escape_control(lease["metadata"]["name"].as_str()?).into_owned();
    let at = UnixTime::parse(lease["spec"]["renewTime"].as_str()?).ok()?;
    Some(NodeLease { node, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_the_nodes_leases() {
        let list = br#"{"kind": "LeaseList", "items": [
            {"metadata": {"name": "cp1"}, "spec": {"renewTime": "2026-11-23T22:00:01.999999Z"}},
            {"metadata": {"name": "never"}, "spec": {}}]}"#;
        let at = UnixTime::parse("2026-11-23T22:00:01Z").unwrap();
        assert_eq!(heartbeats(list), Some(vec![NodeLease { node: "cp1".to_owned(), at }]));
        assert_eq!(heartbeats(b"{}"), None);
    }

    #[test]
    fn a_node_is_present_by_its_lease_and_its_condition() {
        let lease = br#"{"metadata": {"name": "cp1"}, "spec": {"renewTime": "2026-11-23T22:00:01.999999Z"}}"#;
        let node = |status: &str| {
            let ready = format!(r#"{{"type": "Ready", "status": "{status}"}}"#);
            format!(
                r#"{{"status": {{"conditions": [{{"type": "DiskPressure", "status": "True"}}, {ready}]}}}}"#
            )
        };
        let at = UnixTime::parse("2026-11-23T22:00:01Z").unwrap();
        for (status, is_ready) in [("True", true), ("False", false), ("Unknown", false)] {
            let known = presence(lease, node(status).as_bytes());
            assert_eq!(known, Some(NodePresence { at, is_ready }), "{status}");
        }
        assert_eq!(presence(b"{}", node("True").as_bytes()), None);
        assert_eq!(presence(lease, b"{}"), None);
    }

    #[test]
    fn a_lease_names_the_host_and_the_moment() {
        let body =
            br#"{"kind":"LeaderLease","spec":{"holderIdentity":"cp1_0b1c","leaseDurationSeconds":15,
            "renewTime":"2026-11-23T22:00:01.999999Z"}}"#;
        let renewed = UnixTime::parse("2026-11-23T22:00:01Z").unwrap();
        assert_eq!(lease(body), Some(LeaderLease { host: "cp1".to_owned(), renewed }));
        for odd in ["", "{}", r#"{"spec":{"holderIdentity":"a","renewTime":7}}"#] {
            assert_eq!(lease(odd.as_bytes()), None, "{odd}");
        }
    }
}
