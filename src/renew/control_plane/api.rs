//! The API server of this node, asked as the user of a kubeconfig.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use super::http::{Answer, Client, Pair};
use super::pod::read_file;
use crate::domain::renewal::Component;
use crate::domain::renewal::clock::Heartbeat;
use crate::domain::text::safe;
use crate::domain::time::UnixTime;
use crate::parse::credential;
use crate::renew::files::shown;

/// The API server as one user sees it. It is not `Debug`: it holds a key.
pub(super) struct Api {
    client: Client,
    server: SocketAddr,
    user: String,
}

/// Who leads.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Lease {
    /// The name of the leader's host; empty if nobody leads.
    pub(super) host: String,
    /// When the leader said last that it leads, by its own clock.
    pub(super) renewed: UnixTime,
}

impl Api {
    /// The API server at `server`, whatever server the kubeconfig names: what is to be proved is that
    /// this node's takes the credential.
    ///
    /// # Errors
    /// The kubeconfig has no credential that could be used; as a clause.
    pub(super) fn new(kubeconfig: &Path, server: SocketAddr) -> Result<Self, String> {
        let user = shown(kubeconfig);
        let bytes =
            read_file(kubeconfig).map_err(|error| format!("{user} cannot be read: {error}"))?;
        let credential = credential::read(&bytes)
            .ok_or_else(|| format!("{user} has no certificate and key embedded in it"))?;
        let client = Client::presenting(&Pair {
            ca: &credential.ca,
            certificate: &credential.certificate,
            key: &credential.key,
        });
        Ok(Self { client: client.map_err(|why| format!("{user}: {why}"))?, server, user })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// No answer, or the credential was refused; as a clause.
    pub(super) fn get(&self, path: &str) -> Result<Answer, String> {
        let Self { client, server, user } = self;
        let answer = client.get(&format!("https://{server}{path}"));
        let answer = answer.map_err(|why| format!("the API server did not answer: {why}"))?;
        match answer.status {
            401 => {
                Err(format!("the API server at {server} does not take the credential of {user}"))
            }
            _ => Ok(answer),
        }
    }

    /// Who leads a component's replicas; `None` where there is no such lease, because an old version
    /// keeps it elsewhere.
    ///
    /// # Errors
    /// As [`Self::get`], or the answer was no lease.
    pub(super) fn lease(&self, component: Component) -> Result<Option<Lease>, String> {
        let path =
            format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{component}");
        let answer = self.get(&path)?;
        match answer.status {
            200 => {
                lease(&answer.body).map(Some).ok_or_else(|| "its lease makes no sense".to_owned())
            }
            404 => Ok(None),
            status => Err(format!("the API server answers with status {status} for its lease")),
        }
    }

    /// The latest signs of life of the nodes that are ready, but for the one with this address: of the first 20.
    ///
    /// # Errors
    /// As [`Self::get`], or the answer was no list of nodes.
    pub(super) fn heartbeats(&self, own: IpAddr) -> Result<Vec<Heartbeat>, String> {
        let answer = self.get("/api/v1/nodes?limit=20")?;
        heartbeats(&answer.body, own)
            .ok_or_else(|| format!("the API server lists no nodes: status {}", answer.status))
    }

    /// kubeadm's ClusterConfiguration, as YAML.
    ///
    /// # Errors
    /// As [`Self::get`], or it is not there.
    pub(super) fn cluster_config(&self) -> Result<String, String> {
        let answer = self.get("/api/v1/namespaces/kube-system/configmaps/kubeadm-config")?;
        if answer.status != 200 {
            let status = answer.status;
            return Err(format!(
                "the API server answers with status {status} for the ConfigMap kubeadm-config"
            ));
        }
        let object: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = object["data"]["ClusterConfiguration"].as_str();
        text.map(str::to_owned)
            .ok_or_else(|| "the ConfigMap kubeadm-config has no ClusterConfiguration".to_owned())
    }
}

fn lease(body: &[u8]) -> Option<Lease> {
    let object: Value = serde_json::from_slice(body).ok()?;
    let holder = object["spec"]["holderIdentity"].as_str().unwrap_or_default();
    let renewed = UnixTime::parse(object["spec"]["renewTime"].as_str()?).ok()?;
    // `HOST_UUID`, in cmd/kube-controller-manager/app and cmd/kube-scheduler/app.
    let host = safe(holder.split('_').next().unwrap_or_default()).into_owned();
    Some(Lease { host, renewed })
}

/// Whether a node is ready says the controller-manager, by its own observation; the time of the heartbeat is
/// the kubelet's.
fn heartbeats(body: &[u8], own: IpAddr) -> Option<Vec<Heartbeat>> {
    let list: Value = serde_json::from_slice(body).ok()?;
    let own = own.to_string();
    let is_own = |node: &&Value| {
        let addresses = node["status"]["addresses"].as_array();
        addresses.is_some_and(|all| all.iter().any(|it| it["address"] == *own))
    };
    Some(
        list["items"]
            .as_array()?
            .iter()
            .filter(|node| !is_own(node))
            .filter_map(heartbeat)
            .collect(),
    )
}

fn heartbeat(node: &Value) -> Option<Heartbeat> {
    let conditions = node["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready" && it["status"] == "True")?;
    let at = UnixTime::parse(ready["lastHeartbeatTime"].as_str()?).ok()?;
    Some(Heartbeat { node: safe(node["metadata"]["name"].as_str()?).into_owned(), at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_those_of_other_nodes_that_are_ready() {
        let node = |name: &str, ready: &str, at: &str| {
            serde_json::json!({"metadata": {"name": name}, "status": {
                "addresses": [{"type": "InternalIP", "address": format!("10.0.0.{}", &name[1..])}],
                "conditions": [
                    {"type": "MemoryPressure", "status": "False", "lastHeartbeatTime": at},
                    {"type": "Ready", "status": ready, "lastHeartbeatTime": at},
                ],
            }})
        };
        let list = serde_json::json!({"items": [
            node("n1", "True", "2026-11-23T22:00:01Z"),
            node("n2", "True", "2026-11-23T22:00:02Z"),
            node("n3", "Unknown", "2026-11-23T22:00:03Z"),
            {"metadata": {"name": "n4"}},
        ]});
        let own = "10.0.0.1".parse().unwrap();
        let at = UnixTime::parse("2026-11-23T22:00:02Z").unwrap();
        let found = heartbeats(list.to_string().as_bytes(), own);
        assert_eq!(found, Some(vec![Heartbeat { node: "n2".to_owned(), at }]));
        assert_eq!(heartbeats(b"{}", own), None);
    }

    #[test]
    fn a_lease_names_the_host_and_the_moment() {
        let body =
            br#"{"kind":"Lease","spec":{"holderIdentity":"cp1_0b1c","leaseDurationSeconds":15,
            "renewTime":"2026-11-23T22:00:01.999999Z"}}"#;
        let renewed = UnixTime::parse("2026-11-23T22:00:01Z").unwrap();
        assert_eq!(lease(body), Some(Lease { host: "cp1".to_owned(), renewed }));
        for odd in ["", "{}", r#"{"spec":{"holderIdentity":"a","renewTime":7}}"#] {
            assert_eq!(lease(odd.as_bytes()), None, "{odd}");
        }
    }
}
