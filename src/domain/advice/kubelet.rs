//! How the kubelet gets a certificate again.

use super::command::{Remedy, pasteable_text, words};
use crate::domain::model::{Attribute, Item};

/// A kubelet.conf made by kubeadm before 1.17 holds the certificate itself and ignores rotation
/// (kubernetes/kubeadm#1753); a bootstrapped one may name another file (kubernetes/kubernetes#71825).
pub(super) fn rotate_conf(item: &Item) -> Remedy {
    const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let point = format!(
        "cp -p /etc/kubernetes/kubelet.conf /root/kubelet.conf.old && sed -i -E \
         's#client-(certificate|key)(-data)?: .*#client-\\1: {CURRENT}#' /etc/kubernetes/kubelet.conf && \
         systemctl restart kubelet"
    );
    match recover(item) {
        Remedy::Command(recover) => Remedy::Command(format!(
            "if openssl x509 -checkend 3600 -noout -in {CURRENT} >/dev/null 2>&1; then {point}; else {recover}; fi"
        )),
        Remedy::Words(recover) => words(&format!(
            "if {CURRENT} is newer, run `{point}`; if it is not, or is not there, {recover}"
        )),
    }
}

/// kubernetes.io, "Troubleshooting kubeadm": kubelet client certificate rotation fails. The node's
/// name is that of its certificate, not of the host, and the server that of its kubelet.conf: kubeadm would take the control
/// plane's endpoint, or since 1.33 the address of the default route.
pub(super) fn recover(item: &Item) -> Remedy {
    if item.place.path.starts_with("/var/lib/k0s") {
        return words(
            "on a controller, `k0s token create --role=worker` prints a token; delete /var/lib/k0s/kubelet.conf and \
             /var/lib/k0s/kubelet/pki here, and start the worker with that token",
        );
    }
    let certificate = item.certificate();
    let name = certificate.map(|certificate| certificate.subject.value(&Attribute::Cn));
    let node =
        name.as_deref().and_then(|name| name.strip_prefix("system:node:")).and_then(pasteable_text);
    let can_sign = certificate
        .and_then(|certificate| certificate.signer.verified())
        .is_some_and(|ca| ca.has_key);
    match node {
        Some(node) if can_sign => Remedy::Command(format!(
            "rm -rf /root/kubelet-new; kubeadm init phase kubeconfig kubelet --node-name {node} --kubeconfig-dir \
             /root/kubelet-new && sed -i \"s#server: .*#$(grep -om1 'server: .*' /etc/kubernetes/kubelet.conf)#\" \
             /root/kubelet-new/kubelet.conf && cp -p /etc/kubernetes/kubelet.conf /root/kubelet.conf.old && \
             cp /root/kubelet-new/kubelet.conf /etc/kubernetes/ && systemctl restart kubelet"
        )),
        _ => words(
            "on a control-plane node, `kubeadm kubeconfig user --org system:nodes --client-name system:node:NAME` \
             prints a new kubelet.conf for this node (NAME: its name); save it here as \
             /etc/kubernetes/kubelet.conf and restart the kubelet",
        ),
    }
}
