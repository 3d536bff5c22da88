//! The other nodes: the members of a stacked etcd, the API servers beside them, and their signs of life.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::domain::renewal::Component;
use crate::domain::renewal::blocker::Blocker;
use crate::domain::renewal::clock::{self, NodeLease};
use crate::domain::text::escape_control;
use crate::domain::time::UnixTime;
use crate::http::Method;

use super::health::says_healthy;
use super::http::ComponentClient;
use super::pod::{self, Pod};
use super::{ControlPlane, kubelet};

/// Longer than a kubelet takes to renew its lease: `nodeLeaseRenewIntervalFraction` of 40 s is 10 s
/// (pkg/kubelet/kubelet.go).
const HEARTBEAT: Duration = Duration::from_secs(12);

/// A member of etcd.
#[derive(Debug, Eq, PartialEq)]
struct Member {
    name: String,
    /// Where it answers; none while it has not started.
    address: Option<SocketAddr>,
}

impl ControlPlane {
    /// The latest signs of life of the other nodes (the first 20), by their own clocks. A node that cannot be asked
    /// does not count. Where none agrees with `now`, this takes 12 s: only nodes that are seen alive count then.
    pub(crate) fn other_clocks(&self, now: UnixTime) -> Vec<NodeLease> {
        let first = self.heartbeats();
        if first.is_empty() || first.iter().any(|it| clock::agree(now, it.at)) {
            return first;
        }
        sleep(HEARTBEAT);
        let mut alive = self.heartbeats();
        alive.retain(|it| first.iter().any(|was| was.node == it.node && was.at != it.at));
        alive
    }

    fn heartbeats(&self) -> Vec<NodeLease> {
        let own = kubelet::node_name(&self.paths).unwrap_or_default();
        let heartbeats = self.admin().and_then(|admin| admin.heartbeats());
        let is_other = |it: &NodeLease| own != it.node;
        heartbeats.unwrap_or_default().into_iter().filter(is_other).collect()
    }

    /// # Errors
    /// One of the other control planes is not; which, as a sentence.
    pub(crate) fn peers_are_well(&self) -> Result<(), String> {
        self.peers().first().map_or(Ok(()), |ill| Err(ill.what()))
    }

    /// The other control planes, by the members of a stacked etcd. Its own `/health` says no more than that
    /// there is a majority, and the next one to go down may be the one that makes it.
    pub(crate) fn peers(&self) -> Vec<Blocker> {
        let Ok(etcd) = self.pod(Component::Etcd) else { return Vec::new() };
        let listed =
            self.etcd_client(etcd).and_then(|client| Ok((members(&client, etcd)?, client)));
        let (members, client) = match listed {
            Ok(listed) => listed,
            Err(why) => {
                let what = format!("the members of etcd cannot be listed: {why}");
                return vec![Blocker::PeerUnhealthy(what)];
            }
        };
        let ill = |member: &Member| {
            let health = member.health(&client).and_then(|etcd| self.api_beside(etcd));
            Some(Blocker::PeerUnhealthy(health.err()?))
        };
        members.iter().filter_map(ill).collect()
    }

    /// Whether the API server beside a member of etcd is ready. Where kubeadm has made both, it has the port of
    /// this node's.
    fn api_beside(&self, etcd: SocketAddr) -> Result<(), String> {
        let Some(own) = self.api_server() else { return Ok(()) };
        let address = SocketAddr::new(etcd.ip(), own.port());
        let url = format!("https://{address}/readyz");
        let answer = ComponentClient::anonymous().get(&url);
        // `--anonymous-auth=false` asks for a certificate, and that is an answer.
        match answer.map(|answer| answer.status) {
            Ok(200 | 401 | 403) => Ok(()),
            Ok(status) => Err(format!("kube-apiserver: {url} returns status {status}")),
            Err(why) => Err(format!("kube-apiserver: {why}")),
        }
    }
}

impl Member {
    /// Where it says that it is healthy.
    fn health(&self, client: &ComponentClient) -> Result<SocketAddr, String> {
        let name = &self.name;
        let address =
            self.address.ok_or_else(|| format!("etcd's member {name} has not started yet"))?;
        let answer = client.get(&format!("https://{address}/health"));
        answer
            .and_then(|answer| says_healthy(&answer))
            .map(|()| address)
            .map_err(|why| format!("etcd's member {name}: {why}"))
    }
}

/// Through etcd's gateway for JSON (etcd's `Documentation/dev-guide/api_grpc_gateway.md`): `v3` since
/// 3.4, `v3beta` in 3.3.
fn members(client: &ComponentClient, etcd: &Pod) -> Result<Vec<Member>, String> {
    let ask = |version: &str| {
        let url = format!("https://{}/{version}/cluster/member/list", etcd.address());
        let answer = client.json(Method::POST, &url, "{}")?;
        read_members(&answer.body)
            .ok_or_else(|| format!("it returns status {}, and no list", answer.status))
    };
    ask("v3").or_else(|why| ask("v3beta").map_err(|_| why))
}

fn read_members(body: &[u8]) -> Option<Vec<Member>> {
    let object: Value = serde_json::from_slice(body).ok()?;
    Some(object["members"].as_array()?.iter().map(read_member).collect())
}

fn read_member(member: &Value) -> Member {
    let address = |url: &Value| pod::socket(url.as_str()?.strip_prefix("https://")?);
    let urls = member["clientURLs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = member["name"].as_str().filter(|name| !name.is_empty()).unwrap_or("(no name yet)");
    Member { name: escape_control(name).into_owned(), address: urls.iter().find_map(address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_etcd_lists_them() {
        let body = br#"{"header":{"cluster_id":"1"},"members":[
            {"ID":"1","name":"cp1","peerURLs":["https://10.77.0.1:2380"],"clientURLs":["https://10.77.0.1:2379"]},
            {"ID":"2","peerURLs":["https://10.77.0.2:2380"]}]}"#;
        let [first, second] = &read_members(body).unwrap()[..] else { panic!() };
        assert_eq!((first.name.as_str(), first.address), ("cp1", "10.77.0.1:2379".parse().ok()));
        assert_eq!((second.name.as_str(), second.address), ("(no name yet)", None));
        assert_eq!(read_members(b"404 page not found"), None);
    }
}
