# shellcheck shell=bash
# One node, whatever its kind: its names, its network, its end. Sourced by cluster.sh, which sets CLUSTER and CLUSTER_DIR,
# beside nspawn.sh or uml.sh: what makes it a machine.
#
# A node's processes are found by its cgroup, which they cannot leave and which is entered before the first of
# them starts: no pid file that could be late, stale or lost.

node_dir() { echo "$CLUSTER_DIR/nodes/$1"; }
node_address() { echo "10.77.0.${1#cp}"; }
CHECKOUT=$(cksum <<<"$LAB")
node_cgroup() { echo "certwatch-lab.${CHECKOUT%% *}.$CLUSTER.$1"; }

# hierarchies: those of cgroup v1, one a line.
hierarchies() {
    local dir
    for dir in /sys/fs/cgroup/*; do
        # Some have links beside them: cpu and cpuacct are cpu,cpuacct.
        [[ -L $dir || ! -d $dir || $dir == */unified ]] || echo "${dir##*/}"
    done
}

# node_pids NODE: all of its processes, by their ids outside.
node_pids() {
    find "/sys/fs/cgroup/systemd/$(node_cgroup "$1")" -name cgroup.procs -exec cat {} + 2>/dev/null || true
}

is_net() { [[ -e $1 && $(stat -f -c %T "$1") == nsfs ]]; }

# make_net FILE: a network namespace that lives as long as this mount of it.
make_net() {
    is_net "$1" && return
    : >"$1"
    unshare --net="$1" ip link set lo up
}

drop_net() { ! is_net "$1" || umount "$1"; }

in_net() { nsenter --net="$1" "${@:2}"; }

# Nodes hang on a bridge in a namespace of the cluster's own: the machine's network is never touched, and
# clusters with the same addresses stand side by side.
make_switch() {
    local switch=$CLUSTER_DIR/net
    make_net "$switch"
    in_net "$switch" ip link show switch >/dev/null 2>&1 || in_net "$switch" ip link add switch type bridge
    in_net "$switch" ip link set switch up
}

# node_hosts ADDRESS: an /etc/hosts in which the cluster's endpoint is ADDRESS.
node_hosts() {
    local i
    printf '127.0.0.1 localhost\n%s %s\n' "$1" "$ENDPOINT"
    for i in {1..9}; do printf '%s cp%d\n' "$(node_address "cp$i")" "$i"; done
}

# node_reboot NODE: boots it, whatever a boot that was cut short has left.
node_reboot() {
    node_stop "$1"
    node_boot "$1"
}

# node_settle NODE: waits until its systemd is done with booting.
node_settle() {
    local state
    state=$(node_run "$1" timeout "$PATIENCE" systemctl is-system-running --wait) || [[ $state == degraded ]] || {
        echo "systemd is ${state:-not done with booting after $PATIENCE s}"
        return 1
    }
}

# node_write NODE FILE: writes what it reads.
# shellcheck disable=SC2016 # expanded inside
node_write() { node_run "$1" bash -c 'cat >"$1"' -- "$2"; }

# node_stop NODE: as if its power were cut; its cgroups go with it.
node_stop() {
    local pids hierarchy cgroup tries=0
    node_thaw "$1" # what is frozen does not die
    while pids=$(node_pids "$1") && [[ $pids ]]; do
        # shellcheck disable=SC2086 # one id a word
        kill -KILL $pids 2>/dev/null || true
        sleep 0.05
    done
    for hierarchy in $(hierarchies); do
        cgroup=/sys/fs/cgroup/$hierarchy/$(node_cgroup "$1")
        # A cgroup stays busy for a moment after its last process is gone.
        while [[ -e $cgroup ]] && ! find "$cgroup" -depth -type d -exec rmdir {} +; do
            ((tries++ < 100)) || die "$cgroup cannot be removed"
            sleep 0.1
        done 2>/dev/null
    done
}

# node_remove NODE: it and all that it left, inside its directory and outside.
node_remove() {
    local dir
    dir=$(node_dir "$1")
    node_stop "$1"
    drop_net "$dir/net"
    rm -rf "$dir"
}
