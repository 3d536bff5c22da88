# shellcheck shell=bash
# Kubernetes from Debian's source package. Sourced by kubernetes.sh.
set -euo pipefail

BUILD=$LAB/build
TREE=$BUILD/go/src/k8s.io/kubernetes

# The machine's own apt configuration is left alone: it is copied with deb for deb-src.
source_entries() {
    if [[ -e /etc/apt/sources.list.d/debian.sources ]]; then
        sed -E 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$BUILD/apt/entries.sources"
        echo "$BUILD/apt/entries.sources"
    else
        sed -nE 's/^deb(-src)? /deb-src /p' /etc/apt/sources.list | sort -u >"$BUILD/apt/entries.list"
        echo "$BUILD/apt/entries.list"
    fi
}

fetch_source() {
    rm -rf "$BUILD/source" "$BUILD/apt"
    mkdir -p "$BUILD/source" "$BUILD/apt/lists/partial" "$BUILD/apt/cache/archives/partial"
    local options=(
        -o Dir::Etc::sourcelist="$(source_entries)" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$BUILD/apt/lists" -o Dir::Cache="$BUILD/apt/cache" -o APT::Sandbox::User=root
    )
    apt-get "${options[@]}" update
    cd "$BUILD/source"
    apt-get "${options[@]}" source --download-only kubernetes
}

unpack_source() {
    local part=$BUILD/tree.part
    rm -rf "$part" "$BUILD/go"
    dpkg-source -x "$BUILD"/source/kubernetes_*.dsc "$part"
    # The vendored reflect2 1.0.1 crashes when built with Go 1.18 or later: mapiterinit changed.
    rm -rf "$part/vendor/github.com/modern-go/reflect2"
    cp -r /usr/share/gocode/src/github.com/modern-go/reflect2 "$part/vendor/github.com/modern-go/"
    mkdir -p "$(dirname "$TREE")"
    mv "$part" "$TREE"
}

go() {
    # GOPATH mode: in module mode this Go wants to update go.mod first, for which it would need the network.
    env GOPATH="$BUILD/go" GO111MODULE=off CGO_ENABLED=0 GOCACHE="$BUILD/cache" GOTMPDIR="$BUILD" GOFLAGS= \
        nice /usr/lib/go-1.19/bin/go "$@"
}

# kube-apiserver does not link without this generated file.
generate_openapi() {
    cd "$TREE"
    local tool=$BUILD/openapi-gen packages
    go build -o "$tool" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    packages=$(grep -rlE '^// \+k8s:openapi-gen=' --include='*.go' pkg staging |
        grep -vE '/(code-generator|sample-apiserver)/' | xargs -n1 dirname | sort -u |
        sed -e 's,^staging/src/,k8s.io/kubernetes/vendor/,' -e 's,^pkg/,k8s.io/kubernetes/pkg/,' | paste -sd,)
    GOPATH=$BUILD/go GO111MODULE=off PATH=/usr/lib/go-1.19/bin:$PATH "$tool" \
        --go-header-file hack/boilerplate/boilerplate.generatego.txt --report-filename "$BUILD/openapi.report" \
        --output-base "$BUILD/go/src" --output-package k8s.io/kubernetes/pkg/generated/openapi \
        --output-file-base zz_generated.openapi --input-dirs "$packages"
}

compile() {
    cd "$TREE"
    if [[ $1 == pause ]]; then # the one program in C: it holds each pod's namespaces
        gcc -Os -static -DVERSION="$PAUSE_TAG" -o "$BIN/.pause.part" build/pause/linux/pause.c
        mv "$BIN/.pause.part" "$BIN/pause"
        return
    fi
    # Without a stamped version kubeadm and kubelet refuse each other. In GOPATH mode the packages are the vendored ones.
    local flags="-s -w" package minor=${KUBERNETES#*.}
    for package in component-base/version client-go/pkg/version; do
        package=k8s.io/kubernetes/vendor/k8s.io/$package
        flags+=" -X $package.gitVersion=v$VERSION -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
    done
    go build -trimpath -ldflags "$flags" -o "$BIN/.$1.part" "./cmd/$1"
    mv "$BIN/.$1.part" "$BIN/$1"
}

# build VERSION/PROGRAM...
build() {
    local name
    rm -rf "$BUILD.old"
    (($#)) || return 0
    mkdir -p "$BUILD"
    packages golang-1.19-go golang-github-modern-go-reflect2-dev dpkg-dev gcc libc6-dev
    if [[ ! -d $TREE ]]; then
        step "fetch the source of Kubernetes" fetch_source
        step "unpack it" unpack_source
    fi
    for name in "${@##*/}"; do
        [[ $name != kube-apiserver ]] || step "generate the API's description" generate_openapi
        step "build $name $VERSION" compile "$name"
    done
    # What remains of the build is 3 GB that only another version would want again.
    [[ ! -e $BIN/pause ]] || drop_build
}

drop_build() {
    mv "$BUILD" "$BUILD.old" # so that a build half removed is not taken for one
    rm -rf "$BUILD.old"
}
