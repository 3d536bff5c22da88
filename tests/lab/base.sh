#!/usr/bin/env bash
# Makes the tree every node of a version starts from: Debian 12, containerd, Kubernetes, and the control plane's images.
# Cached by the content of this recipe; it gets its name by a rename once it is whole.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
facts

BASE=$(base)
PART=$LAB/base/$KUBERNETES.part
MAKER=usr/lib/lab/checkout # says which checkout made a base
PACKAGES=(
    systemd systemd-sysv dbus procps openssl ca-certificates
    containerd runc iptables conntrack iproute2 socat curl
    etcd-server etcd-client
    openssh-server python3 python3-apt # what Ansible wants
)

debian() {
    local sources=/etc/apt/sources.list
    [[ ! -e /etc/apt/sources.list.d/debian.sources ]] || sources=/etc/apt/sources.list.d/debian.sources
    rm -rf "$PART"
    mkdir -p "$LAB/base"
    mmdebstrap --mode=root --variant=minbase --include="$(IFS=, && echo "${PACKAGES[*]}")" bookworm "$PART" "$sources"
}

kubernetes() {
    local module
    cp -r "$HERE/rootfs/." "$PART/"
    install -m 755 "$BIN"/{kubeadm,kubectl,kubelet} "$PART/usr/bin/"
    for module in "${MODULES[@]}"; do # over Debian's, whose units serve them as well
        install -m 755 "$LAB/bin/$module"/* "$PART/usr/bin/"
    done
    mkdir -p "$PART/etc/containerd"
    sed "s,@PAUSE@,$REGISTRY/pause:$PAUSE_TAG," "$HERE/containerd/$CONTAINERD/config.toml" >"$PART/etc/containerd/config.toml"
    # etcd is here for the image made of it, and only one test logs in; names and identity are each node's own.
    chroot "$PART" systemctl disable etcd.service ssh.service
    chroot "$PART" systemctl enable containerd.service kubelet.service lab-sysctl.service
    chroot "$PART" systemctl mask e2scrub_reap.service systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer
    rm -f "$PART/etc/hostname"
    : >"$PART/etc/machine-id"
    : >"$PART/etc/resolv.conf" # kubelet wants one, empty or not
    echo "$HERE" >"$PART/$MAKER"
}

# image NAME DIR COMMAND: what `docker save` would write for an image of one layer, the tree DIR.
image() {
    local name=$1 layer=$2 command=$3 work=$PART/images/work digest
    mkdir -p "$work"
    tar -C "$layer" --sort=name --owner=0 --group=0 -cf "$work/layer.tar" .
    digest=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
    cat >"$work/config.json" <<JSON
{"architecture": "amd64", "os": "linux",
 "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["$command"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]}}
JSON
    printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]' "$REGISTRY/$name" >"$work/manifest.json"
    tar -C "$work" -cf "$PART/images/${name%%:*}.tar" manifest.json config.json layer.tar
    rm -r "$layer" "$work"
}

images() {
    local layer=$PART/images/layer name library
    for name in kube-apiserver kube-controller-manager kube-scheduler; do
        install -D -m 755 "$BIN/$name" "$layer/usr/local/bin/$name"
        image "$name:v$VERSION" "$layer" "$name"
    done
    install -D -m 755 "$BIN/pause" "$layer/pause"
    image "pause:$PAUSE_TAG" "$layer" /pause
    # Debian's etcd is linked with a few shared libraries, so they come along under the paths it looks for; others with none.
    install -D -m 755 "$PART/usr/bin/etcd" "$layer/usr/local/bin/etcd"
    while read -r library; do
        install -D -m 755 "$PART$library" "$layer$library"
    done < <(chroot "$PART" ldd /usr/bin/etcd | grep -o '/[^ ]*')
    image "etcd:$ETCD_TAG" "$layer" etcd
}

# Imported here once, by a containerd of the base itself, so that no node has to. The namespaces end with the
# shell: no process and no mount survives it, killed or not.
import() {
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --pid --fork --kill-child --propagation private chroot "$PART" /bin/bash -euc '
        mount -t proc proc /proc
        mount -t tmpfs run /run
        containerd >/run/containerd.log 2>&1 &
        until ctr version >/dev/null 2>&1; do kill -0 $! || { cat /run/containerd.log; exit 1; }; sleep 0.1; done
        for image in /images/*.tar; do ctr -n k8s.io images import "$image"; done
    '
    rm -r "$PART/images"
}

# drop_others: what older recipes of this checkout made of this version, if no node stands on it. Other checkouts may
# share the folder, and other versions stand side by side.
drop_others() {
    local other
    for other in "$LAB/base/$VERSION"-*; do
        [[ $other != "$BASE" && $(cat "$other/$MAKER" 2>/dev/null) == "$HERE" ]] || continue
        [[ $(find "$LAB"/clusters/*/nodes/*/base -lname "*/${other##*/}" 2>/dev/null) ]] || rm -rf "$other"
    done
}

lock base
[[ ! -d $BASE ]] || exit 0
packages mmdebstrap
step "bootstrap Debian 12" debian
step "install Kubernetes $VERSION in it" kubernetes
step "make the images" images
step "import the images" import
mv "$PART" "$BASE"
drop_others
