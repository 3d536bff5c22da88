# shellcheck shell=bash
# What kubeadm is told: what is the same in all versions here, the rest from their facts and the kind of node. Sourced by cluster.sh.

ENDPOINT=control-plane # a name, so that each node may resolve it to an address of its own choice
TOKEN=abcdef.0123456789abcdef
CERTIFICATE_KEY=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff

init_config() {
    cat <<YAML
apiVersion: kubeadm.k8s.io/$KUBEADM_API
kind: InitConfiguration
bootstrapTokens:
  - token: $TOKEN
    ttl: 0s
certificateKey: $CERTIFICATE_KEY
localAPIEndpoint:
  advertiseAddress: $(node_address "$1")
nodeRegistration:
  name: $1
  criSocket: $CRI_SOCKET$INIT_LINES
---
apiVersion: kubeadm.k8s.io/$KUBEADM_API
kind: ClusterConfiguration
kubernetesVersion: v$VERSION
controlPlaneEndpoint: $ENDPOINT:6443$CLUSTER_LINES$([[ $KEYS == RSA ]] || echo "$ECDSA_LINES")
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: $CGROUP_DRIVER
failSwapOn: false
makeIPTablesUtilChains: false$KUBELET_LINES
evictionHard:
  memory.available: 50Mi
  nodefs.available: 1%
  imagefs.available: 1%
YAML
}

join_config() {
    cat <<YAML
apiVersion: kubeadm.k8s.io/$KUBEADM_API
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: $ENDPOINT:6443
    token: $TOKEN
    unsafeSkipCAVerification: true
controlPlane:
  certificateKey: $CERTIFICATE_KEY
  localAPIEndpoint:
    advertiseAddress: $(node_address "$1")
nodeRegistration:
  name: $1
  criSocket: $CRI_SOCKET
YAML
}

# When kubeadm gives up it is mostly kubelet that knows why.
explain() {
    node_run "$1" journalctl --no-pager --output=cat -u kubelet | grep -E '^[EF][0-9]{4} ' |
        grep -vE 'reflector.go|node "[^"]*" not found' | tail -n 8 | cut -c -300
    return 1
}

# preflight wants more than a node of the lab is, crictl for one; nothing here needs the proxy and the DNS.
kubeadm_init() {
    init_config "$1" | node_write "$1" /etc/kubeadm.yaml
    node_run "$1" kubeadm init --config /etc/kubeadm.yaml --upload-certs --skip-phases=preflight,addon || explain "$1"
    [[ ! ${LEADER_LINES:-} ]] || node_run "$1" sed -i "s/^    - --leader-elect=true\$/&$LEADER_LINES/" \
        /etc/kubernetes/manifests/kube-{controller-manager,scheduler}.yaml
}

# kubeadm_join NODE FIRST: joins NODE as a further control plane of FIRST's cluster.
kubeadm_join() {
    # The certificates that FIRST uploaded are gone after two hours.
    node_run "$2" kubeadm init phase upload-certs --upload-certs --config /etc/kubeadm.yaml
    join_config "$1" | node_write "$1" /etc/kubeadm.yaml
    node_run "$1" kubeadm join --config /etc/kubeadm.yaml --skip-phases=preflight || explain "$1"
    # From now on it needs no other node to reach the API: the endpoint is itself.
    node_hosts "$(node_address "$1")" | node_write "$1" /etc/hosts
}
