#!/usr/bin/env bash
# Installs what building and testing need beyond Rust, if it is not there.
set -euo pipefail

declare -A package=([c++]=g++ [cc]=gcc [faketime]=faketime [mkfs.ext4]=e2fsprogs [openssl]=openssl [setfacl]=acl [setfattr]=attr [shellcheck]=shellcheck [systemd-analyze]=systemd)
missing=()
for tool in "${!package[@]}"; do
    command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "please install: ${missing[*]}" >&2
    exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
