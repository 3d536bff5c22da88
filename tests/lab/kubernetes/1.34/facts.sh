# shellcheck shell=bash disable=SC2034
# From Go modules: go.mod and go.sum beside this, those of MODULES in their own folders.
VERSION=1.34.4
SOURCE=modules
CONTAINERD=2.4.2
MODULES=(etcd/3.6.16 "containerd/$CONTAINERD" crictl/1.37.0)

REGISTRY=registry.k8s.io # these as in `kubeadm config images list`
ETCD_TAG=3.6.5-0
PAUSE_TAG=3.10.1

KUBEADM_API=v1beta4
CRI_SOCKET=unix:///run/containerd/containerd.sock
# A user-mode-linux node on a busy machine takes longer than kubeadm waits by itself.
INIT_LINES='
timeouts:
  controlPlaneComponentHealthCheck: 5m
  kubernetesAPICall: 5m'
CLUSTER_LINES=
ECDSA_LINES='
encryptionAlgorithm: ECDSA-P256'
KUBELET_LINES=
