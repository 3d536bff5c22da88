# shellcheck shell=bash
# One node: its network, its cgroups, its machine. Sourced by cluster.sh, which sets CLUSTER and CLUSTER_DIR.
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

# node_leader NODE: the id of its systemd, by which its namespaces are entered; fails while there is none. While it
# boots, its children are in its scope too, and have lower ids once those of the machine have begun anew. The list is
# read at once: what is read line by line is no list any more when one of them ends.
node_leader() {
    local pid pids status
    mapfile -t pids 2>/dev/null <"/sys/fs/cgroup/systemd/$(node_cgroup "$1")/init.scope/cgroup.procs" || return 1
    for pid in "${pids[@]}"; do
        status=
        read -r -d '' status 2>/dev/null <"/proc/$pid/status" || true
        [[ ! $status =~ NSpid:([[:space:]][0-9]+)*[[:space:]]1$'\n' ]] || { echo "$pid" && return; }
    done
    return 1
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
node_network() {
    local switch=$CLUSTER_DIR/net net
    net=$(node_dir "$1")/net
    make_net "$switch"
    in_net "$switch" ip link show switch >/dev/null 2>&1 || in_net "$switch" ip link add switch type bridge
    in_net "$switch" ip link set switch up
    make_net "$net"
    in_net "$net" ip link show host0 >/dev/null 2>&1 ||
        in_net "$switch" ip link add "$1" type veth peer name host0 netns "$net"
    in_net "$switch" ip link set "$1" master switch up
    in_net "$net" ip address replace "$(node_address "$1")/24" dev host0
    in_net "$net" ip link set host0 up
    in_net "$net" ip route replace default via 10.77.0.254 # nobody is there, but kubeadm wants a default route
    in_net "$net" ip route replace unreachable 169.254.0.0/16    # or each start of kubelet asks clouds for 11 s who they are
}

# node_disk NODE: a fresh disk, an overlay on the base image.
node_disk() {
    local dir base
    dir=$(node_dir "$1")
    base=$(base)
    rm -rf "$dir"/{upper,work,containerd}
    mkdir -p "$dir"/{upper/etc,work,root}
    ln -sfn "$base" "$dir/base"
    cp -a "$base/var/lib/containerd" "$dir/containerd"
    echo "$1" >"$dir/upper/etc/hostname"
    systemd-id128 new >"$dir/upper/etc/machine-id"
    node_hosts "$(node_address cp1)" >"$dir/upper/etc/hosts"
}

# node_hosts ADDRESS: an /etc/hosts in which the cluster's endpoint is ADDRESS.
node_hosts() {
    local i
    printf '127.0.0.1 localhost\n%s %s\n' "$1" "$ENDPOINT"
    for i in {1..9}; do printf '%s cp%d\n' "$(node_address "cp$i")" "$i"; done
}

node_boot() {
    local dir mounted nspawn state deadline=$((SECONDS + 60))
    dir=$(node_dir "$1")
    node_network "$1"
    mapfile -t mounted < <(hierarchies)
    # Not the lock: the node outlives the script that boots it.
    setsid "$HERE/boot.sh" "$dir" "$(node_cgroup "$1")" "${mounted[@]}" >"$dir/console.log" 2>&1 </dev/null 9>&- &
    nspawn=$!
    until node_leader "$1" >/dev/null && node_run "$1" test -S /run/systemd/private; do
        if ((SECONDS > deadline)) || ! kill -0 "$nspawn" 2>/dev/null; then
            cat "$dir/console.log"
            return 1
        fi
        sleep 0.1
    done
    state=$(node_run "$1" systemctl is-system-running --wait) || [[ $state == degraded ]] || {
        echo "systemd is $state"
        return 1
    }
}

# node_reboot NODE: boots it, whatever a boot that was cut short has left.
node_reboot() {
    node_stop "$1"
    node_boot "$1"
}

# node_run NODE COMMAND...: in its namespaces and its cgroups, with the environment of its root.
node_run() {
    local leader hierarchy cgroup
    cgroup=$(node_cgroup "$1")
    leader=$(node_leader "$1") || {
        echo "$1 is not running" >&2
        return 1
    }
    (
        for hierarchy in $(hierarchies); do
            echo $BASHPID >"/sys/fs/cgroup/$hierarchy/$cgroup/cgroup.procs"
        done
        exec nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup --root \
            env -i -C /root HOME=/root TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            bash -c '. /etc/profile.d/lab.sh && exec "$@"' -- "${@:2}"
    )
}

# node_write NODE FILE: writes what it reads.
# shellcheck disable=SC2016 # expanded inside
node_write() { node_run "$1" bash -c 'cat >"$1"' -- "$2"; }

# node_freeze NODE, node_thaw NODE: no process of it runs in between.
node_freeze() {
    local state
    state=/sys/fs/cgroup/freezer/$(node_cgroup "$1")/freezer.state
    echo FROZEN >"$state"
    until grep -qx FROZEN "$state"; do sleep 0.01; done
}

node_thaw() {
    local state
    state=/sys/fs/cgroup/freezer/$(node_cgroup "$1")/freezer.state
    [[ ! -e $state ]] || echo THAWED >"$state"
}

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
