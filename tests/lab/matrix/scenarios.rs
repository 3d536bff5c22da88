//! What every version has to show.

use std::time::{Duration, Instant};

use crate::common::parity::{certwatch_rows, kubeadm_rows};
use crate::common::run::rows;
use crate::harness::{
    CERTWATCH, Campaign, Cluster, ETCD, Node, Outage, Poll, READY, STAND_IN, WORK, Wish, wait_for,
};

/// A cluster, and what all of its keys are.
pub(crate) struct Bench<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) keys: &'static str,
}

/// What fills some columns of the table. What fails, panics.
pub(crate) struct Scenario {
    pub(crate) columns: &'static [&'static str],
    pub(crate) run: fn(&Bench<'_>) -> Vec<String>,
}

/// The first two leave each other a cluster that is as good as new; the others begin with a reset.
pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario { columns: &["`check`"], run: check },
    Scenario {
        columns: &["renewal, all restarted", "of it without API", "of it without etcd"],
        run: renewal,
    },
    Scenario { columns: &["failure, rolled back"], run: rollback },
    Scenario { columns: &["killed ten times"], run: kills },
    Scenario { columns: &["rescue, configuration kept"], run: rescue_with_configuration },
    Scenario { columns: &["rescue, nothing kept"], run: rescue_without_anything },
];

/// kubeadm, after whose work the API server does not reach the kubelet any more.
const CUT_OFF: &str = r#"#!/bin/sh
rule="INPUT -p tcp --dport 10250 -j REJECT --reject-with tcp-reset"
[ "$1" != certs ] || iptables -C $rule 2>/dev/null || iptables -I $rule
exec /usr/bin/kubeadm "$@"
"#;

/// What the keys of all certificates are, CAs included; with an argument, those of kubeconfigs too.
const ALGORITHMS: &str = r#"
    cd /etc/kubernetes
    {
        cat pki/*.crt pki/etcd/*.crt
        [[ ! ${1:-} ]] ||
            sed -n 's/^ *client-certificate-data: //p' ./*.conf | while read -r data; do base64 -d <<<"$data"; done
    } >/run/certificates
    openssl crl2pkcs7 -nocrl -certfile /run/certificates | openssl pkcs7 -print_certs -text -noout |
        sed -n 's/^ *Public Key Algorithm: //p' | sort -u"#;

impl Bench<'_> {
    pub(crate) fn node(&self) -> Node<'_> {
        self.cluster.node("cp1")
    }

    /// The node as it was when it was new.
    fn reset(&self) -> Node<'_> {
        self.cluster.reset();
        self.node()
    }

    /// Those of pki. What kubeadm puts into the API server's own, for the kubelet, has changed several times since 1.29.
    fn subjects(&self) -> String {
        let line = "for file in /etc/kubernetes/pki/{,etcd/}*.crt; do openssl x509 -in $file -noout -subject; done";
        self.node().run(&["bash", "-euc", line])
    }

    /// The right of the API server's certificate, whatever its subject is. Its first request after a restart of the kubelet
    /// goes into a connection that has been closed.
    #[track_caller]
    fn assert_reaches_kubelet(&self) {
        let log = ["kubectl", "--namespace=kube-system", "logs", "--tail=1", "kube-apiserver-cp1"];
        wait_for("the API server to reach the kubelet", Duration::from_secs(30), || {
            self.node().output(&log).status.success().then_some(())
        });
    }

    /// No certificate has come to another kind of key.
    #[track_caller]
    fn assert_keys(&self) {
        self.assert_algorithm(&["-", "kubeconfigs"]);
    }

    #[track_caller]
    fn assert_algorithm(&self, which: &[&str]) {
        let algorithm = match self.keys {
            "RSA" => "rsaEncryption",
            _ => "id-ecPublicKey",
        };
        let command = [&["bash", "-euc", ALGORITHMS], which].concat();
        assert_eq!(self.node().run(&command).trim(), algorithm);
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// What the polls of one URL say.
fn away(outage: &Outage) -> String {
    format!("{}, {} of {} polls", seconds(outage.longest), outage.failed, outage.polls)
}

fn check(bench: &Bench<'_>) -> Vec<String> {
    let node = bench.node();
    // `kubeadm init` of 1.24 makes RSA keys in the kubeconfigs of an ECDSA cluster; its renewals make ECDSA.
    bench.assert_algorithm(&[]);
    node.install_certwatch("");
    let expected = kubeadm_rows(&node.run(&["kubeadm", "certs", "check-expiration"]));
    assert!(expected.len() >= 13, "10 certificates and 3 CAs: {expected:?}");
    let output = node.output(&[CERTWATCH, "check", "-o", "json"]);
    let document = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(certwatch_rows(&document, &expected), expected);
    assert_eq!(output.status.code(), Some(0), "a new cluster is all well: {document:#}");
    vec![format!("{} ok, {} of them kubeadm's", rows(&document).len(), expected.len())]
}

fn renewal(bench: &Bench<'_>) -> Vec<String> {
    let node = bench.node();
    node.install_certwatch("restart = \"all\"");
    node.age_all("360 days ago", "5 days");
    node.wait_until_served();
    node.let_it_rest();
    let (serials, subjects, old) = (node.serials(), bench.subjects(), node.pids());
    let polls = [READY, ETCD].map(|url| Poll::start(node, url));
    let begin = Instant::now();
    node.renew(&["--all"]);
    let takes = begin.elapsed();
    let [api, etcd] = polls.map(Poll::stop);
    assert!(api.failed > 0 && etcd.failed > 0, "the polls see nothing: {api:?} {etcd:?}");
    assert!(
        node.pids().iter().zip(&old).all(|(new, old)| new != old),
        "each was restarted: {old:?}"
    );
    node.assert_renewed(&serials);
    assert_eq!(bench.subjects(), subjects);
    bench.assert_reaches_kubelet();
    bench.assert_keys();
    vec![seconds(takes), away(&api), away(&etcd)]
}

fn rollback(bench: &Bench<'_>) -> Vec<String> {
    let node = bench.reset();
    node.install_certwatch(&format!("restart = \"all\"\nkubeadm = \"{STAND_IN}\""));
    node.write_program(STAND_IN, CUT_OFF.as_bytes());
    node.let_it_rest();
    let (before, manifests, old) = (node.fingerprint(), node.manifests(), node.pids());
    let poll = Poll::start(node, READY);
    let begin = Instant::now();
    let run = node.certwatch(&["renew", "--all"]);
    let (takes, api) = (begin.elapsed(), poll.stop());
    node.run(&["iptables", "-F", "INPUT"]);
    assert_eq!(run.code, Some(1), "{}", run.said);
    let end = &node.journals().1[0]["step"]["end"];
    assert_eq!(end, "rolled_back", "{}", run.said);
    assert!(node.fingerprint() == before && node.manifests() == manifests, "{}", run.said);
    node.assert_served();
    assert_eq!(node.complaint(), None);
    assert!(
        node.pids().iter().zip(&old).all(|(new, old)| new != old),
        "each was restarted: {old:?}"
    );
    node.wait_for_leaders();
    bench.assert_reaches_kubelet();
    assert_eq!(node.stray_keys(), [""; 0]);
    vec![format!("{}, API away twice, {} at most", seconds(takes), seconds(api.longest))]
}

fn kills(bench: &Bench<'_>) -> Vec<String> {
    const KILLS: usize = 10;
    bench.reset();
    let mut campaign = Campaign::new(bench.cluster, &[Wish::Reloaded, Wish::All]);
    let (mut hit, mut renewed) = (0, 0);
    while hit < KILLS {
        assert!(campaign.totals.missed < KILLS, "too few hit: {}", campaign.totals);
        let wish = if hit % 4 == 1 { Wish::All } else { Wish::Reloaded };
        let dealt = campaign.kill_at_random(wish);
        if dealt.has_hit {
            let whole = if dealt.is_new { "new" } else { "old" };
            println!("{wish:?} killed in {:?}, all of it {whole}", dealt.step);
            hit += 1;
            renewed += usize::from(dealt.is_new);
        }
    }
    println!("{}", campaign.totals);
    bench.assert_keys();
    vec![format!("all whole, {renewed} new and {} old", KILLS - renewed)]
}

fn rescue_with_configuration(bench: &Bench<'_>) -> Vec<String> {
    let node = bench.reset();
    node.install_certwatch("enabled = true");
    node.renew(&["--auto"]);
    node.run(&["test", "-e", &format!("{WORK}/cluster-config.yaml")]);
    bench.cluster.expire(node);
    rescue(bench, false)
}

fn rescue_without_anything(bench: &Bench<'_>) -> Vec<String> {
    let node = bench.reset();
    bench.cluster.expire(node);
    node.install_certwatch("");
    rescue(bench, true)
}

fn rescue(bench: &Bench<'_>, goes_by_the_node: bool) -> Vec<String> {
    let node = bench.node();
    let begin = Instant::now();
    let run = node.renew(&["--rescue"]);
    node.wait_until_healthy();
    let takes = begin.elapsed();
    let said = run.said.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = "it is derived from the manifests and certificates of this node";
    assert_eq!(said.contains(words), goes_by_the_node, "{said}");
    node.assert_rescued();
    bench.assert_keys();
    assert_eq!(node.stray_keys(), [""; 0]);
    vec![seconds(takes)]
}
