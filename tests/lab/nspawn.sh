# shellcheck shell=bash
# A node that shares this machine's kernel, in systemd-nspawn: cgroup v1. Sourced by cluster.sh.

# shellcheck disable=SC2034 # for cluster.sh and kubeadm.sh
CGROUP_DRIVER=cgroupfs
PATIENCE=120 # seconds until a control plane is healthy

node_prepare() { :; } # the base tree is what it stands on

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

node_is_up() { node_leader "$1" >/dev/null; }

# node_is_outdated NODE: whether it stands on another base than the one that would be made now.
node_is_outdated() {
    local base
    base=$(base)
    [[ ! -d $base || $(readlink "$(node_dir "$1")/base") != "$base" ]]
}

node_network() {
    local switch=$CLUSTER_DIR/net net
    net=$(node_dir "$1")/net
    make_switch
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

node_boot() {
    local dir mounted nspawn deadline=$((SECONDS + 60))
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
    node_settle "$1"
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

# node_save NODE DIR, node_restore NODE DIR: its disk.
node_save() { cp -a "$(node_dir "$1")/upper" "$2"; }

node_restore() {
    local dir
    dir=$(node_dir "$1")
    rm -rf "$dir/upper" "$dir/work"
    mkdir "$dir/work"
    cp -a "$2" "$dir/upper"
}
