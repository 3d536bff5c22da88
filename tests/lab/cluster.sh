#!/usr/bin/env bash
# A real kubeadm cluster on this machine: one control plane, or several.
#
#   cluster.sh up [NODES]             bring it up, or whatever of it is missing
#   cluster.sh fresh [NODES]          the same, and whatever was done to it since is undone
#   cluster.sh down                   remove it and every trace of it
#   cluster.sh stop [NODE]            cut the power of a node, or of all
#   cluster.sh start NODE             boot it again, and wait until all is healthy
#   cluster.sh boot NODE              boot it again, whatever comes of it
#   cluster.sh run NODE COMMAND...    run a command in a node
#   cluster.sh shell [NODE]           a root shell in a node
#   cluster.sh status                 its nodes and how they are
#   cluster.sh save NAME              keep its nodes as they are now
#   cluster.sh reset [NAME]           put them back, as after a power cut ("new": as `up` made them)
#   cluster.sh leftovers              print what of it exists outside its directory; fail if anything does
#
# CLUSTER names the cluster (default: dev); several stand side by side. KUBERNETES says of which version a new one is,
# KEYS whether its keys are RSA (default) or ECDSA, and KIND what its nodes are: nspawn (default), which share this
# machine's kernel, or uml, which have one and a clock of their own. It remembers all three.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
CLUSTER=${CLUSTER:-dev}
CLUSTER_DIR=$LAB/clusters/$CLUSTER
LOG=$LAB/log/$CLUSTER
ASKED=${KUBERNETES:-} ASKED_KEYS=${KEYS:-} ASKED_KIND=${KIND:-}
[[ ! -e $CLUSTER_DIR/kubernetes ]] || KUBERNETES=$(<"$CLUSTER_DIR/kubernetes")
[[ ! -e $CLUSTER_DIR/keys ]] || KEYS=$(<"$CLUSTER_DIR/keys")
[[ ! -e $CLUSTER_DIR/kind ]] || KIND=$(<"$CLUSTER_DIR/kind")
KEYS=${KEYS:-RSA} KIND=${KIND:-nspawn}
[[ $KEYS == RSA || $KEYS == ECDSA ]] || die "there are no KEYS $KEYS, only RSA and ECDSA"
source "$HERE/node.sh"
case $KIND in
    nspawn) source "$HERE/nspawn.sh" ;;
    uml) source "$HERE/uml.sh" ;;
    *) die "there is no node of KIND $KIND, only nspawn and uml" ;;
esac
source "$HERE/kubeadm.sh"

nodes() { find "$CLUSTER_DIR/nodes" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort || true; }

# members: the nodes that kubeadm is done with; the others were interrupted.
members() {
    local node
    for node in $(nodes); do [[ ! -e $(node_dir "$node")/member ]] || echo "$node"; done
}

each_node() {
    local node
    for node in $(nodes); do "$1" "$node"; done
}

# healthy NODE: whether kubelet and each part of the control plane say so.
healthy() {
    # shellcheck disable=SC2016 # expanded inside
    node_run "$1" bash -euc 'for url; do curl -ksSf --max-time 2 -o /dev/null "$url"; done' -- \
        http://127.0.0.1:10248/healthz http://127.0.0.1:2381/health "https://$ENDPOINT:6443/readyz" \
        https://127.0.0.1:10257/healthz https://127.0.0.1:10259/healthz
}

await_health() {
    local node deadline=$((SECONDS + PATIENCE))
    for node in $(members); do
        until healthy "$node"; do
            ((SECONDS < deadline)) || {
                node_run "$node" journalctl --no-pager -n 20 -u kubelet
                return 1
            }
            sleep 0.2
        done
    done
}

# is_asked: whether the cluster is of the version, the keys and the kind that are asked for.
is_asked() {
    [[ ${ASKED:-${KUBERNETES:-}} == "${KUBERNETES:-}" && ${ASKED_KEYS:-$KEYS} == "$KEYS" && ${ASKED_KIND:-$KIND} == "$KIND" ]]
}

up() {
    local wanted=${1:-1} i node
    is_asked || die "cluster $CLUSTER is of Kubernetes $KUBERNETES with $KEYS keys on $KIND: take it down first, or name another one by CLUSTER"
    facts
    "$HERE/host.sh"
    "$HERE/kubernetes.sh" all
    "$HERE/base.sh"
    node_prepare
    lock "cluster-$CLUSTER"
    rm -rf "$LOG"
    each_node node_thaw # a killed save leaves them frozen
    if [[ -e $CLUSTER_DIR/joining ]]; then
        echo "  $(<"$CLUSTER_DIR/joining") was joining when this was interrupted, and etcd may count it already: starting over"
        remove
    fi
    [[ ! -e $CLUSTER_DIR/resetting ]] || step "finish the reset" restore "$(<"$CLUSTER_DIR/resetting")"
    mkdir -p "$CLUSTER_DIR"
    echo "$KUBERNETES" >"$CLUSTER_DIR/kubernetes"
    echo "$KEYS" >"$CLUSTER_DIR/keys"
    echo "$KIND" >"$CLUSTER_DIR/kind"
    for ((i = 1; i <= wanted; i++)); do
        node=cp$i
        if [[ -e $(node_dir "$node")/member ]]; then
            node_is_up "$node" || step "boot $node" node_reboot "$node"
        else
            create "$node"
        fi
    done
    step "wait until all is healthy" await_health
    is_saved new || step "keep it as \"new\"" save new
}

# outdated: whether a node stands on another image than the one that would be made now.
outdated() {
    local node
    for node in $(nodes); do ! node_is_outdated "$node" || return 0; done
    return 1
}

fresh() {
    if ! is_asked; then
        lock "cluster-$CLUSTER"
        step "remove $CLUSTER of $KUBERNETES on $KIND" remove
        KUBERNETES=$ASKED KEYS=$ASKED_KEYS KIND=$ASKED_KIND exec "$HERE/cluster.sh" fresh "$@"
    fi
    facts
    if outdated; then
        lock "cluster-$CLUSTER"
        step "remove the outdated cluster $CLUSTER" remove
    fi
    if [[ ! -e $CLUSTER_DIR/joining && -e $(node_dir "cp${1:-1}")/member ]] && is_saved new; then
        lock "cluster-$CLUSTER"
        step "reset cluster $CLUSTER" restore new
    else
        up "$@"
    fi
}

create() {
    local first=cp1
    mkdir -p "$(node_dir "$1")"
    node_stop "$1"
    step "make the disk of $1" node_disk "$1"
    step "boot $1" node_boot "$1"
    if [[ $1 == "$first" ]]; then
        step "kubeadm init on $1" kubeadm_init "$1"
    else
        echo "$1" >"$CLUSTER_DIR/joining"
        step "kubeadm join on $1" kubeadm_join "$1" "$first"
    fi
    touch "$(node_dir "$1")/member"
    rm -f "$CLUSTER_DIR/joining"
}

remove() {
    each_node node_remove
    drop_net "$CLUSTER_DIR/net"
    rm -rf "$CLUSTER_DIR"
}

# All nodes stand still while they are copied, so the copy is one moment of the whole cluster, etcd's quorum included.
save() {
    local node part=$CLUSTER_DIR/saved/$1.part
    rm -rf "$part"
    mkdir -p "$part"
    each_node node_freeze
    for node in $(members); do node_save "$node" "$part/$node"; done
    each_node node_thaw
    rm -rf "$CLUSTER_DIR/saved/$1"
    mv "$part" "$CLUSTER_DIR/saved/$1"
}

is_saved() {
    local node
    [[ -d $CLUSTER_DIR/saved/$1 ]] || return
    for node in $(members); do [[ -d $CLUSTER_DIR/saved/$1/$node ]] || return; done
}

restore() {
    is_saved "$1" || die "there is no saved state \"$1\" of all nodes of cluster $CLUSTER"
    echo "$1" >"$CLUSTER_DIR/resetting"
    local node
    each_node node_stop
    for node in $(members); do node_restore "$node" "$CLUSTER_DIR/saved/$1/$node"; done
    for node in $(members); do node_boot "$node"; done
    await_health
    rm "$CLUSTER_DIR/resetting"
}

status() {
    local node
    for node in $(nodes); do
        if ! node_is_up "$node"; then
            echo "$node stopped"
        elif healthy "$node" 2>/dev/null; then
            echo "$node $(node_address "$node") healthy"
        else
            echo "$node $(node_address "$node") not healthy"
        fi
    done
}

leftovers() {
    local found here namespace
    here=$(readlink /proc/self/ns/mnt)
    found=$(
        find /sys/fs/cgroup -type d -name "$(node_cgroup '*')" -printf 'cgroup %p\n'
        grep -sFl -- "$(node_cgroup '')" /proc/[0-9]*/cgroup | sed 's,/proc/\(.*\)/cgroup,process \1,'
        grep -F -- "$CLUSTER_DIR/" /proc/self/mountinfo | sed 's/^/mount /'
        # What is mounted in a namespace elsewhere is held by a process there.
        grep -sFl -- "$CLUSTER_DIR/" /proc/[0-9]*/mountinfo | while IFS=/ read -r _ _ pid _; do
            namespace=$(readlink "/proc/$pid/ns/mnt") && [[ $namespace == "$here" ]] || echo "process $pid holds mounts"
        done
        ip -brief link | grep -E '^(switch|host0|cp[0-9]+)[@ ]' | sed 's/^/link /'
    ) || true
    [[ -n $found ]] || return 0
    echo "$found"
    return 1
}

command=${1:-}
shift || true
case $command in
    up) up "$@" ;;
    fresh) fresh "$@" ;;
    down)
        lock "cluster-$CLUSTER"
        step "remove cluster $CLUSTER" remove
        ;;
    stop)
        lock "cluster-$CLUSTER"
        if [[ ${1:-} ]]; then step "stop $1" node_stop "$1"; else step "stop all nodes" each_node node_stop; fi
        ;;
    start)
        lock "cluster-$CLUSTER"
        step "boot $1" node_reboot "$1"
        step "wait until all is healthy" await_health
        ;;
    boot)
        lock "cluster-$CLUSTER"
        step "boot $1" node_reboot "$1"
        ;;
    run) node_run "$@" ;;
    shell) node_run "${1:-cp1}" bash -i ;;
    status) status ;;
    save)
        lock "cluster-$CLUSTER"
        step "save cluster $CLUSTER as $1" save "$1"
        ;;
    reset)
        lock "cluster-$CLUSTER"
        step "reset cluster $CLUSTER to ${1:-new}" restore "${1:-new}"
        ;;
    leftovers) leftovers ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
        exit 64
        ;;
esac
