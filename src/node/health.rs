//! Whether the parts of a control plane say that they are well.

use serde_json::Value;

use crate::domain::layout::shown;
use crate::domain::renewal::Component;
use crate::domain::text::escape_control;
use crate::fs::read;
use crate::http::Response;

use super::ControlPlane;
use super::api::ApiClient;
use super::http::ComponentClient;
use super::pod::Pod;

impl ControlPlane {
    /// Whether a component says that it is well; if not, why, as a clause.
    pub(crate) fn health(&self, pod: &Pod) -> Result<(), String> {
        match pod.component {
            Component::Etcd => self.etcd_health(pod),
            Component::Apiserver => self.apiserver_health(pod),
            Component::ControllerManager | Component::Scheduler => {
                let url = format!("https://{}/healthz", pod.address());
                is_ok(&ComponentClient::anonymous().get(&url)?)
            }
        }
    }

    fn etcd_health(&self, pod: &Pod) -> Result<(), String> {
        let answer = match pod.metrics() {
            Some(address) => ComponentClient::anonymous().get(&format!("http://{address}/health")),
            None => self.etcd_client(pod)?.get(&format!("https://{}/health", pod.address())),
        };
        says_healthy(&answer?)
    }

    /// `--anonymous-auth=false` closes the door to those without a certificate.
    fn apiserver_health(&self, pod: &Pod) -> Result<(), String> {
        let answer =
            ComponentClient::anonymous().get(&format!("https://{}/readyz", pod.address()))?;
        match answer.status {
            401 | 403 => is_ok(&self.admin()?.get("/readyz")?),
            _ => is_ok(&answer),
        }
    }

    /// The API server, as kubeadm's administrator.
    pub(crate) fn admin(&self) -> Result<ApiClient, String> {
        let server = self.api_server().ok_or("there is no API server on this node")?;
        ApiClient::new(&self.paths.kubernetes.join("admin.conf"), server)
    }

    /// A client of etcd's, with the pair that kubeadm made for health checks or with the server's own,
    /// which is good for both.
    pub(crate) fn etcd_client(&self, pod: &Pod) -> Result<ComponentClient, String> {
        let read = |path: &std::path::Path| {
            read::file(path).map_err(|error| format!("{} cannot be read: {error}", shown(path)))
        };
        let ca = read(&pod.etcd_ca())?;
        let pairs = ["healthcheck-client", "server"].map(|name| {
            let stem = self.paths.pki().join("etcd").join(name);
            let certificate = read(&stem.with_extension("crt"))?;
            let key = read(&stem.with_extension("key"))?;
            ComponentClient::presenting(&ca, &certificate, &key)
        });
        let [first, second] = pairs;
        first.or(second)
    }
}

fn is_ok(answer: &Response) -> Result<(), String> {
    if answer.status == 200 { Ok(()) } else { Err(refusal(answer)) }
}

/// The status, and the names of the checks that failed: `[-]etcd failed: reason withheld`.
fn refusal(answer: &Response) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let failed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("[-]")?.split_whitespace().next())
        .collect();
    match &failed[..] {
        [] => format!("it returns status {}", answer.status),
        names => {
            format!("it returns status {}: {}", answer.status, escape_control(&names.join(", ")))
        }
    }
}

/// etcd says `{"health":"true"}`; the text, not the word, since 3.0.
pub(crate) fn says_healthy(answer: &Response) -> Result<(), String> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_healthy = said["health"] == "true" || said["health"] == true;
    if answer.status == 200 && is_healthy {
        return Ok(());
    }
    Err(format!("it returns status {}, not that it is healthy", answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, body: body.as_bytes().to_vec(), ..Response::default() }
    }

    #[test]
    fn only_a_healthy_etcd_says_so() {
        for body in
            [r#"{"health":"true"}"#, r#"{"health":"true","reason":""}"#, r#"{"health":true}"#]
        {
            assert_eq!(says_healthy(&answer(200, body)), Ok(()), "{body}");
        }
        for (status, body) in [
            (503, r#"{"health":"false"}"#),
            (200, r#"{"health":"false"}"#),
            (200, ""),
            (503, r#"{"health":"true"}"#),
        ] {
            assert!(says_healthy(&answer(status, body)).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn the_checks_that_failed_are_named() {
        let said =
            answer(500, "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/a failed\n");
        assert_eq!(is_ok(&said), Err("it returns status 500: etcd, poststarthook/a".to_owned()));
        assert_eq!(is_ok(&answer(200, "ok")), Ok(()));
    }
}
