# shellcheck shell=bash disable=SC2034
# From Go modules: go.mod and go.sum beside this, those of MODULES in their own folders.
VERSION=1.24.0
SOURCE=modules
CONTAINERD=2.4.2
MODULES=(etcd/3.5.33 "containerd/$CONTAINERD" crictl/1.37.0)

REGISTRY=k8s.gcr.io # these as in `kubeadm config images list`
ETCD_TAG=3.5.3-0
PAUSE_TAG=3.7

KUBEADM_API=v1beta3
CRI_SOCKET=unix:///run/containerd/containerd.sock
INIT_LINES=
# A user-mode-linux node on a busy machine takes longer than kubeadm waits by itself.
CLUSTER_LINES='
apiServer:
  timeoutForControlPlane: 5m'
ECDSA_LINES='
featureGates:
  PublicKeysECDSA: true'
KUBELET_LINES=
