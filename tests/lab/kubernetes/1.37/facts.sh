# shellcheck shell=bash disable=SC2034
# From Go modules: go.mod and go.sum beside this, those of MODULES in their own folders.
VERSION=1.37.2
SOURCE=modules
CONTAINERD=2.4.2
MODULES=(etcd/3.7.3 "containerd/$CONTAINERD" crictl/1.37.0)

REGISTRY=registry.k8s.io # these as in `kubeadm config images list`
ETCD_TAG=3.7.0-0
PAUSE_TAG=3.10.2

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
# 1.35 and later refuse cgroup v1 otherwise.
KUBELET_LINES='
failCgroupV1: false'
