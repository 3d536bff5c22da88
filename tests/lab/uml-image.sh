#!/usr/bin/env bash
# Makes the disk that user-mode-linux nodes of a version start from: the base tree, and what such a node needs besides.
# It gets its name by a rename once it is whole.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$HERE/node.sh"
source "$HERE/uml.sh"
source "$HERE/kubeadm.sh"
facts

BASE=$(base)
WORK=$UML/work
SIZE=16G # most of it a hole

# What lies over the base: the lab's files, the kernel's modules, and who may log in.
upper() {
    local upper=$WORK/upper
    rm -rf "$WORK"
    mkdir -p "$WORK"/{work,tree} "$upper"/{etc/containerd,root/.ssh,usr/lib/modules}
    cp -r "$HERE/uml/rootfs/." "$upper/"
    cp -r /usr/lib/uml/modules/. "$upper/usr/lib/modules/"
    chmod 700 "$upper/root" "$upper/root/.ssh"
    [[ -e $KEY ]] || ssh-keygen -q -t ed25519 -N '' -f "$KEY"
    cp "$KEY.pub" "$upper/root/.ssh/authorized_keys"
    cat "$BASE/etc/containerd/config.toml" "$HERE/containerd/$CONTAINERD/systemd-cgroup.toml" >"$upper/etc/containerd/config.toml"
    node_hosts "$(node_address cp1)" >"$upper/etc/hosts"
}

# The mount ends with the shell.
disk() {
    truncate -s "$SIZE" "$WORK/disk"
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --propagation private bash -euc '
        mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/tree"
        systemctl --root="$2/tree" enable ssh.service lab-network.service lab-clock.service lab-cpuinfo.service
        systemctl --root="$2/tree" disable lab-sysctl.service
        mke2fs -q -t ext4 -d "$2/tree" "$2/disk"
    ' -- "$BASE" "$WORK"
}

# drop_others: images of bases that are gone, if no node stands on them.
drop_others() {
    local other base
    for other in "$UML"/*-*-*; do
        base=$LAB/base/$(basename "${other%-*}")
        [[ -d $base || $(find "$LAB"/clusters/*/nodes/*/image -lname "*/${other##*/}" 2>/dev/null) ]] || rm -f "$other"
    done
}

lock uml
packages user-mode-linux openssh-client e2fsprogs
IMAGE=$(image)
[[ ! -e $IMAGE ]] || exit 0
step "lay out a disk" upper
step "write it" disk
mv "$WORK/disk" "$IMAGE"
rm -rf "$WORK"
drop_others
