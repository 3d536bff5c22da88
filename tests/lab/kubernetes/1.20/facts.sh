# shellcheck shell=bash disable=SC2034
# The oldest that is supported, from Debian's source package, with the etcd and containerd that Debian 12 has.
VERSION=1.20.2
SOURCE=debian
CONTAINERD=debian
MODULES=()

REGISTRY=k8s.gcr.io
ETCD_TAG=3.4.13-0
PAUSE_TAG=3.2

KUBEADM_API=v1beta2
CRI_SOCKET=/run/containerd/containerd.sock
INIT_LINES=
CLUSTER_LINES='
apiServer:
  timeoutForControlPlane: 90s'
ECDSA_LINES='
featureGates:
  PublicKeysECDSA: true'
KUBELET_LINES=
