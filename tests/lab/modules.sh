# shellcheck shell=bash
# Kubernetes, etcd, containerd and crictl from Go modules, pinned by their go.sum. Sourced by kubernetes.sh.
set -euo pipefail

PART=$LAB/bin/.part

go() { env CGO_ENABLED=0 GOWORK=off GOFLAGS='-mod=readonly -trimpath -buildvcs=false' nice go "$@"; }

# stamps VERSION: linker flags. Without them kubeadm and kubelet refuse each other; what is not linked is not stamped.
stamps() {
    local package minor=${1#*.}
    printf -- '-s -w'
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf -- " -X $package.%s" "gitVersion=v$1" "gitMajor=${1%%.*}" "gitMinor=${minor%%.*}" gitTreeState=clean
    done
    printf -- ' -X %s.Version=v%s' sigs.k8s.io/cri-tools/pkg/version "$1" github.com/containerd/containerd/v2/version "$1"
}

# compile FOLDER VERSION PACKAGE...: from the module in the folder, into PART.
compile() {
    grep -q " v${2//./\\.}\( \|$\)" "$HERE/$1/go.mod" || die "tests/lab/$1/go.mod is not of $2"
    rm -rf "$PART"
    mkdir -p "$PART"
    go -C "$HERE/$1" build -ldflags "$(stamps "$2")" -o "$PART/" "${@:3}"
}

kubernetes() {
    compile "kubernetes/$KUBERNETES" "$VERSION" "${@/#/k8s.io/kubernetes/cmd/}"
    mv "$PART"/* "$BIN"
}

# module NAME/VERSION: all the tools of a module that stands by itself.
module() {
    compile "$1" "${1##*/}" tool
    [[ ! -e $PART/server ]] || mv "$PART/server" "$PART/etcd" # the package's name is the server's, not etcd's
    mkdir -p "$(dirname "$LAB/bin/$1")"
    mv -T "$PART" "$LAB/bin/$1"
}

# pause holds each pod's namespaces. Its source is in the module too.
pause() {
    local tree
    tree=$(go -C "$HERE/kubernetes/$KUBERNETES" list -m -f '{{.Dir}}' k8s.io/kubernetes)
    gcc -Os -static -DVERSION="$PAUSE_TAG" -o "$BIN/.pause.part" "$tree/build/pause/linux/pause.c"
    mv "$BIN/.pause.part" "$BIN/pause"
}

# build VERSION/PROGRAM|MODULE...
build() {
    local path rest=() modules=()
    (($#)) || return 0
    command -v go >/dev/null || die "needs Go to build Kubernetes $VERSION; go.mod says which"
    packages gcc libc6-dev
    for path; do
        case $path in
            "$VERSION/kubeadm") step "build kubeadm $VERSION" kubernetes kubeadm ;;
            "$VERSION/pause") step "build pause $PAUSE_TAG" pause ;;
            "$VERSION"/*) rest+=("${path##*/}") ;;
            *) modules+=("$path") ;;
        esac
    done
    # In one build, for they share most packages.
    ((!${#rest[@]})) || step "build the rest of Kubernetes $VERSION" kubernetes "${rest[@]}"
    for path in "${modules[@]}"; do step "build ${path/\// }" module "$path"; done
}
