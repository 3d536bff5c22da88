# shellcheck shell=bash
# A node with a kernel of its own, user-mode-linux: cgroup v2, and a clock that can be moved. Sourced by cluster.sh.
#
# Its disk is a file of what differs from an image of the base tree. Commands get in by ssh, over a tap device on the
# cluster's bridge.

# shellcheck disable=SC2034 # for cluster.sh and kubeadm.sh
CGROUP_DRIVER=systemd
# With 10 s, both lose their lease while all of a control plane boots on one processor, end, and are held back by the
# kubelet for longer and longer.
# shellcheck disable=SC2034
LEADER_LINES='\n    - --leader-elect-lease-duration=40s\n    - --leader-elect-renew-deadline=35s'
PATIENCE=600 # seconds until a control plane is healthy, on half a processor
UML=$LAB/uml
KEY=$UML/key
OUTSIDE=10.77.0.253 # our own address on the bridge

# image: the disk that nodes start from, named by its base tree, what is laid over it, and the kernel.
image() {
    local sums kernel
    sums=$(cd "$HERE" && find uml uml-image.sh -type f -print0 | sort -z | xargs -0 sha256sum)
    kernel=$(dpkg-query -W -f='${Version}' user-mode-linux)
    echo "$UML/$(basename "$(base)")-$(sha256sum <<<"$sums $kernel" | head -c 12)"
}

node_prepare() { "$HERE/uml-image.sh"; }

node_is_up() { [[ $(node_pids "$1") ]]; }

# node_is_outdated NODE: whether its disk is of another image than the one that would be made now.
node_is_outdated() {
    local image
    image=$(image)
    [[ ! -e $image || $(readlink "$(node_dir "$1")/image") != "$image" ]]
}

# node_disk NODE: a fresh disk, which is made by the kernel as it boots.
node_disk() {
    local dir
    dir=$(node_dir "$1")
    rm -f "$dir/disk"
    ln -sfn "$(base)" "$dir/base"
    ln -sfn "$(image)" "$dir/image"
    systemd-id128 new >"$dir/machine-id"
}

# node_network NODE: its end of the cable is a tap device, which its kernel opens.
node_network() {
    local switch=$CLUSTER_DIR/net
    make_switch
    in_net "$switch" ip address replace "$OUTSIDE/24" dev switch
    in_net "$switch" ip link show "$1" >/dev/null 2>&1 || in_net "$switch" ip tuntap add "$1" mode tap
    in_net "$switch" ip link set "$1" master switch up
    ln -sfn "$switch" "$(node_dir "$1")/net" # from there it is reached
}

node_boot() {
    local dir kernel deadline=$((SECONDS + 120))
    dir=$(node_dir "$1")
    node_network "$1"
    node_kernel "$1" &
    kernel=$!
    until node_is_up "$1" && node_run "$1" true 2>/dev/null; do
        if ((SECONDS > deadline)) || ! kill -0 "$kernel" 2>/dev/null; then
            cat "$dir/console.log"
            return 1
        fi
        sleep 0.2
    done
    node_settle "$1"
}

# node_kernel NODE: becomes its kernel, in the node's cgroup from its first moment.
node_kernel() {
    local cgroup dir parameters
    cgroup=/sys/fs/cgroup/systemd/$(node_cgroup "$1")
    dir=$(node_dir "$1")
    parameters=(
        "ubda=$dir/disk,$(readlink "$dir/image")" root=/dev/ubda rw mem=4096M "eth0=tuntap,$1"
        con=null "con0=null,fd:1" ssl=null umid=uml "uml_dir=$dir"
        systemd.unified_cgroup_hierarchy=1 systemd.hostname="$1" systemd.machine_id="$(<"$dir/machine-id")"
        lab.address="$(node_address "$1")"
    )
    mkdir -p "$cgroup"
    echo $BASHPID >"$cgroup/cgroup.procs"
    # Not the lock: the node outlives the script that boots it.
    # On one processor, since its kernel and its processes run by turns: on two it takes twice as long. Before others, or
    # beside a build its control plane is held back by its own time limits.
    # shellcheck disable=SC2016 # expanded inside
    exec setsid bash -c '{ echo -10 >/proc/self/autogroup; } 2>/dev/null || true; exec "$@"' -- nice -n -10 \
        taskset -c $((RANDOM % $(nproc))) nsenter --net="$CLUSTER_DIR/net" linux.uml "${parameters[@]}" >"$dir/console.log" 2>&1 </dev/null 9>&-
}

# node_run NODE COMMAND...: as its root. A bash that sees SSH_CLIENT would read its bashrc.
node_run() {
    local line options=(
        -i "$KEY" -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
        -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ServerAliveCountMax=8 # no command waits forever for a node that hangs
    )
    node_is_up "$1" || {
        echo "$1 is not running" >&2
        return 1
    }
    printf -v line ' %q' "${@:2}"
    in_net "$CLUSTER_DIR/net" ssh -F none "${options[@]}" "root@$(node_address "$1")" "unset SSH_CLIENT; . /etc/profile.d/lab.sh && exec$line"
}

# node_freeze NODE, node_thaw NODE: nothing of it runs in between, and what was written is on its disk.
node_freeze() {
    node_run "$1" timeout 60 sync
    signal_kernel "$1" STOP
}

node_thaw() { signal_kernel "$1" CONT; }

# signal_kernel NODE SIGNAL: its kernel and the threads that work for it. Its processes are traced by it: they stand
# still when it does, and would take a signal for their own.
signal_kernel() {
    local pid
    for pid in $(node_pids "$1"); do
        ! grep -qs '^TracerPid:[[:space:]]0$' "/proc/$pid/status" || kill "-$2" "$pid" 2>/dev/null || true
    done
}

# node_save NODE DIR, node_restore NODE DIR: its disk.
node_save() {
    mkdir -p "$2"
    cp --sparse=always "$(node_dir "$1")/disk" "$2/disk"
}

node_restore() { cp --sparse=always "$2/disk" "$(node_dir "$1")/disk"; }
