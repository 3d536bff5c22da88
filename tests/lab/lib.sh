# shellcheck shell=bash
# What the lab's scripts share. Sourced, never run.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB=$(cd "$HERE/../.." && pwd)/target/lab
LOG=$LAB/log

# facts: what is to be known of the Kubernetes that KUBERNETES names. The versions are the folders of kubernetes/.
facts() {
    export KUBERNETES=${KUBERNETES:-$(<"$HERE/kubernetes/default")}
    local file=$HERE/kubernetes/$KUBERNETES/facts.sh
    [[ -e $file ]] || die "there is no Kubernetes $KUBERNETES in tests/lab/kubernetes, only" "$(cd "$HERE/kubernetes" && echo */)"
    # shellcheck source=kubernetes/1.37/facts.sh
    source "$file"
    # shellcheck disable=SC2034 # for those who source this
    BIN=$LAB/bin/$VERSION
}

# base: the image nodes start from, named by the recipe that made it. Not computed by those who do not ask: tests run
# commands in nodes many times a second.
base() {
    local sums parts=(base.sh rootfs "kubernetes/$KUBERNETES" "containerd/$CONTAINERD" "${MODULES[@]}")
    # From here, so that a recipe has one name wherever the checkout lies.
    sums=$(cd "$HERE" && find "${parts[@]}" -type f -print0 | sort -zu | xargs -0 sha256sum)
    echo "$LAB/base/$VERSION-$(sha256sum <<<"$sums" | head -c 12)"
}

die() {
    printf 'lab: %s\n' "$*" >&2
    exit 1
}

# Whatever changes the lab holds this lock. A step that outlives a killed script has inherited it, so
# the next script waits for that step's end instead of working against it.
lock() {
    mkdir -p "$LAB"
    exec 9>"$LAB/lock.$1"
    flock --nonblock 9 || {
        echo "waiting for another lab command ($1) to finish"
        flock 9
    }
}

# step NAME COMMAND...: one line with the seconds it took; the end of its log when it fails.
step() {
    local name=$1 start=$SECONDS status=0 log
    log=$LOG/${name//[ \/]/-}.log
    shift
    mkdir -p "$LOG"
    printf '  %-40s' "$name"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if ((status == 0)); then
        printf '%4d s\n' $((SECONDS - start))
        return
    fi
    printf 'FAILED after %d s\n' $((SECONDS - start))
    printf '%s\n' "--- the end of $log" >&2
    tail -n 25 "$log" >&2
    die "step failed: $name"
}

# packages NAME...: installs those that are missing.
packages() {
    local missing=() name
    for name; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q ' installed$' || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    step "install ${missing[*]}" apt_install "${missing[@]}"
}

# services NAME...: the same for packages that would start a service of their own, which is not wanted here.
POLICY=/usr/sbin/policy-rc.d
services() {
    if [[ ! -e $POLICY ]]; then
        trap 'rm -f "$POLICY"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$POLICY"
        chmod +x "$POLICY"
    fi
    packages "$@"
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$@" && return
    apt-get update # the machine's lists may be older than its archive
    apt-get install -y --no-install-recommends "$@"
}
