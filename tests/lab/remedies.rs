//! What `certwatch check` says to do is done, word for word, until nothing is left to do.

use std::time::Duration;

use serde_json::Value;

use crate::common::run::rows;
use crate::harness::{Cluster, Node, wait_for};

const PKI: &str = "/etc/kubernetes/pki";

/// Something that is wrong on a node.
struct Fault {
    /// The finding that it makes.
    code: &'static str,
    /// The end of the path that has it.
    path: &'static str,
    /// What makes it.
    script: &'static str,
    /// What a person has to do before the commands of a sentence: in `$said` it is.
    by_hand: &'static str,
}

const FAULTS: [Fault; 14] = [
    Fault {
        code: "expires",
        path: "/apiserver.crt",
        script: "lab-age $pki/apiserver.crt '360 days ago' '5 days'",
        by_hand: "",
    },
    Fault {
        code: "not_found",
        path: "/apiserver-kubelet-client.key",
        script: "rm $pki/apiserver-kubelet-client.key",
        by_hand: "",
    },
    Fault {
        code: "not_found",
        path: "/etcd/peer.crt",
        script: "rm $pki/etcd/peer.crt",
        by_hand: "mv $pki/etcd/peer.key /root",
    },
    Fault {
        code: "not_found",
        path: "/scheduler.conf",
        script: "rm /etc/kubernetes/scheduler.conf",
        by_hand: "",
    },
    Fault {
        code: "no_san",
        path: "/apiserver.crt",
        script: "openssl req -new -key $pki/apiserver.key -subj /CN=kube-apiserver |
            openssl x509 -req -CA $pki/ca.crt -CAkey $pki/ca.key -days 300 -out $pki/apiserver.crt \
                -extfile <(echo extendedKeyUsage=serverAuth)",
        by_hand: "mv $pki/apiserver.crt $pki/apiserver.key /root",
    },
    Fault {
        code: "weak_signature",
        path: "/front-proxy-client.crt",
        script: "openssl req -new -key $pki/front-proxy-client.key -subj /CN=front-proxy-client |
            openssl x509 -req -sha1 -CA $pki/front-proxy-ca.crt -CAkey $pki/front-proxy-ca.key -days 300 \
                -out $pki/front-proxy-client.crt -extfile <(echo extendedKeyUsage=clientAuth)",
        by_hand: "",
    },
    Fault {
        code: "wrong_signer",
        path: "/apiserver-etcd-client.crt",
        script: "openssl req -new -key $pki/apiserver-etcd-client.key -subj /CN=kube-apiserver-etcd-client |
            openssl x509 -req -CA $pki/ca.crt -CAkey $pki/ca.key -days 300 -out $pki/apiserver-etcd-client.crt \
                -extfile <(echo extendedKeyUsage=clientAuth)",
        by_hand: "said=${said#*only this certificate}",
    },
    Fault {
        code: "foreign_ca",
        path: "/scheduler.conf",
        script: "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -days 3000 -subj /CN=kubernetes -out /root/ca.crt
            put_ca /root/ca.crt /etc/kubernetes/scheduler.conf",
        by_hand: "",
    },
    Fault {
        code: "stale_ca",
        path: "/kubelet.conf",
        script: "cp $pki/ca.crt $pki/ca.key /root; lab-age /root/ca.crt '2 years ago' '5 days'; put_ca /root/ca.crt /etc/kubernetes/kubelet.conf",
        by_hand: "",
    },
    Fault {
        code: "stale_copy",
        path: "/.kube/config",
        script: "cp --remove-destination /etc/kubernetes/admin.conf /root/.kube/config; kubeadm certs renew admin.conf",
        by_hand: "",
    },
    Fault {
        code: "not_a_symlink",
        path: "/kubelet-client-current.pem",
        script: "cd /var/lib/kubelet/pki; cp --remove-destination \"$(readlink -f kubelet-client-current.pem)\" \
            kubelet-client-current.pem",
        by_hand: "",
    },
    Fault {
        code: "expired",
        path: "/kubelet-client-current.pem",
        script: "lab-age /var/lib/kubelet/pki/kubelet-client-current.pem '13 months ago' '1 month ago'",
        by_hand: "",
    },
    Fault {
        code: "left_over",
        path: "/pki/old.crt",
        script: "cp $pki/apiserver.crt $pki/old.crt; cp $pki/apiserver.key $pki/old.key; lab-age $pki/old.crt '13 months ago' '1 month ago'",
        by_hand: r#"line=${said#*\`}; printf '[scan]\n%s\n' "${line%%\`*}" >/etc/certwatch/config.toml; said="#,
    },
    Fault {
        code: "several_certificates",
        path: "/pki/ca.crt",
        script: "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -days 3000 -subj /CN=new -out /root/ca.crt
            cat /root/ca.crt >>$pki/ca.crt",
        by_hand: "openssl x509 -in $pki/ca.crt -out $pki/ca-signing.crt
            sed -i 's#\\(--cluster-signing-cert-file=\\).*#\\1/etc/kubernetes/pki/ca-signing.crt#' \
                /etc/kubernetes/manifests/kube-controller-manager.yaml; said=",
    },
];

/// After one of them there may be a second: a file that was renewed by kubeadm is not in use yet.
const REMEDIES: usize = 5;

/// For a component to read a file again or to be started again, with the kubelet's back-off.
const SETTLES: Duration = Duration::from_secs(180);

#[test]
fn each_is_followed_until_nothing_is_wrong() {
    let cluster = Cluster::fresh(1);
    let node = cluster.node("cp1");
    node.install_certwatch("");
    node.let_it_rest();
    let read = "kubectl -n kube-system get configmap kubeadm-config -o jsonpath={.data.ClusterConfiguration} >/root/FILE";
    node.run(&["bash", "-c", read]);
    for fault in &FAULTS {
        println!("{} {}", fault.code, fault.path);
        shell(node, fault.script, "");
        follow(node, fault);
    }
}

/// Does what is said first, until all is well; once it is what was broken.
#[track_caller]
fn follow(node: Node<'_>, fault: &Fault) {
    let mut said = Vec::new();
    for _ in 0..REMEDIES {
        let Some(finding) = settled(node, fault, said.is_empty()) else { return };
        let advice = finding["remedy"].as_str().unwrap().to_owned();
        println!("    {}: {advice}", finding["code"]);
        match finding["command"].as_str() {
            Some(command) => shell(node, command, ""),
            None => shell(node, &format!("{}\ndo_said", fault.by_hand), &advice),
        }
        said.push(advice);
    }
    panic!("{} is still not mended by {said:#?}", fault.code);
}

/// The first finding, that of the fault if it is still to be seen; `None` when nothing is wrong. A moment's finding, as of a
/// component that is about to start, is none.
#[track_caller]
fn settled(node: Node<'_>, fault: &Fault, is_new: bool) -> Option<Value> {
    let mut last = Value::Null;
    wait_for(&format!("{} to be found or mended", fault.code), SETTLES, || {
        let document = check(node);
        let wrong = rows(&document).iter().filter(|row| row["severity"] != "ok");
        let is_it = |row: &&Value| {
            row["path"].as_str().unwrap().ends_with(fault.path)
                && row["findings"].as_array().unwrap().iter().any(|it| it["code"] == fault.code)
        };
        if is_new {
            let row = wrong.clone().find(is_it)?;
            let found = row["findings"].as_array().unwrap();
            return found.iter().find(|it| it["code"] == fault.code).cloned().map(Some);
        }
        let first = wrong.clone().next().map(|row| row["findings"][0].clone());
        let is_steady = first.as_ref().is_none_or(|it| *it == last);
        last = first.clone().unwrap_or_default();
        let is_moment = first
            .as_ref()
            .is_some_and(|it| it["code"] == "not_running" || it["code"] == "not_answering");
        (is_steady && !is_moment).then_some(first)
    })
}

fn check(node: Node<'_>) -> Value {
    serde_json::from_str(&node.certwatch(&["check", "-o", "json"]).said).unwrap()
}

/// Runs it in a root shell beside a file FILE; `do_said` runs all commands of a sentence, in its order.
#[track_caller]
fn shell(node: Node<'_>, script: &str, said: &str) {
    let line = format!(
        r#"cd /root; pki={PKI} said=$1
        put_ca() {{ sed -i "s#certificate-authority-data: .*#certificate-authority-data: $(base64 -w0 "$1")#" "$2"; }}
        do_said() {{
            while [[ $said == *\`*\`* ]]; do
                said=${{said#*\`}}
                bash -euc "${{said%%\`*}}"
                said=${{said#*\`}}
            done
        }}
        {script}"#
    );
    node.run(&["bash", "-euc", &line, "--", said]);
}
