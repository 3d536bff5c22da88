#!/usr/bin/env bash
# Becomes the systemd-nspawn of one node: boot.sh NODE_DIR CGROUP HIERARCHY...
#
# Its mounts are in a namespace of its own and its cgroups in a subtree of its own, so they end with it.
# A subtree per node is a must: kubelet kills whatever it finds under /kubepods and does not know,
# which in a shared tree is the other nodes' pods.
set -euo pipefail

node=$1 cgroup=$2 hierarchies=("${@:3}")

enter_cgroups() {
    local hierarchy dir file
    for hierarchy in "${hierarchies[@]}"; do
        dir=/sys/fs/cgroup/$hierarchy/$cgroup
        mkdir -p "$dir"
        if [[ $hierarchy == cpuset ]]; then # empty at first, and nothing may run in it until it is not
            for file in cpuset.cpus cpuset.mems; do cat "/sys/fs/cgroup/cpuset/$file" >"$dir/$file"; done
        fi
        echo $$ >"$dir/cgroup.procs"
    done
}

# The node sees its own subtree as the whole of /sys/fs/cgroup.
mount_cgroups() {
    local hierarchy options
    mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for hierarchy in "${hierarchies[@]}"; do
        options=$hierarchy
        [[ $hierarchy != systemd ]] || options=none,name=systemd
        mkdir "/sys/fs/cgroup/$hierarchy"
        mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$hierarchy"
    done
}

if [[ -z ${LAB_NAMESPACES:-} ]]; then
    enter_cgroups
    LAB_NAMESPACES=1 exec unshare --mount --cgroup --propagation private "$0" "$@"
fi

mount_cgroups
mount -t tmpfs run /run # nspawn leaves files in /run/systemd
mount -t overlay overlay -o "lowerdir=$(readlink "$node/base"),upperdir=$node/upper,workdir=$node/work" "$node/root"
mount --bind "$node/containerd" "$node/root/var/lib/containerd" # containerd's own overlays cannot stand on an overlay

options=(
    --directory="$node/root" --machine="$(basename "$node")" --boot --console=pipe
    --register=no --keep-unit --resolv-conf=off --timezone=off --link-journal=no
    --network-namespace-path="$node/net"
    --bind=/sys/fs/cgroup --bind=/dev/kmsg --capability=all
    --system-call-filter='add_key keyctl bpf @privileged @keyring'
)
unset LAB_NAMESPACES
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
exec systemd-nspawn "${options[@]}"
