#!/usr/bin/env python3
"""The figures of docs/performance.md: ratios of what ran side by side, and a table of them.

Needs a release build (`cargo build --release --examples`), openssl, GNU time, and for the first
table the kubeadm that tests/lab/kubernetes.sh builds.
"""

import base64
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CERTWATCH = ROOT / "target/release/certwatch"
READ_DECODE = ROOT / "target/release/examples/read-decode"
VERSIONS = ROOT / "tests/lab/kubernetes"
KUBERNETES = VERSIONS / os.environ.get("KUBERNETES", (VERSIONS / "default").read_text().strip())
FACTS = dict(re.findall(r"^([A-Z_]+)=(\S+)$", (KUBERNETES / "facts.sh").read_text(), re.MULTILINE))
KUBEADM = ROOT / "target/lab/bin" / FACTS["VERSION"] / "kubeadm"
CONFIG = f"""apiVersion: kubeadm.k8s.io/{FACTS["KUBEADM_API"]}
kind: ClusterConfiguration
kubernetesVersion: v{FACTS["VERSION"]}
"""
# What must hold, whatever the machine: docs/performance.md.
LEAST_TIMES_FASTER = 50
MOST_TIMES_BARE_LOOP = 2
MOST_BYTES_EACH = 1000
missed = []

CHECKEND = """
for file in "$1"/etc/kubernetes/pki/*.crt "$1"/etc/kubernetes/pki/etcd/*.crt; do
    openssl x509 -checkend 2592000 -noout -in "$file"
done
for file in "$1"/etc/kubernetes/*.conf; do
    for key in client-certificate-data certificate-authority-data; do
        sed -n "s/.*$key: //p" "$file" | base64 -d | openssl x509 -checkend 2592000 -noout
    done
done
"""


def run(command, codes=(0,)):
    """Runs a command; returns its wall time in seconds."""
    start = time.perf_counter()
    code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    elapsed = time.perf_counter() - start
    if code not in codes:
        sys.exit(f"{command[0]} ended with {code}")
    return elapsed


def peak_memory(command):
    """The largest resident set of a command, in bytes. By GNU time: a child of this interpreter
    would begin with the interpreter's own."""
    with tempfile.NamedTemporaryFile("r") as report:
        subprocess.call(
            ["time", "--quiet", "-f", "%M", "-o", report.name, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        return int(report.read()) * 1024


def best(runs, *commands):
    """The best of several runs of each command, taken in turn so that noise meets all alike."""
    results = [[] for _ in commands]
    for _ in range(runs):
        for result, command in zip(results, commands):
            result.append(run(command, codes=(0, 1)))
    return [min(result) for result in results]


def node(directory):
    """A control-plane node as kubeadm lays it out."""
    (directory / "etc/kubernetes").mkdir(parents=True)
    (directory / "tmp").mkdir()
    (directory / "tmp/config.yaml").write_text(CONFIG)
    for phase in ("certs", "kubeconfig"):
        run([KUBEADM, "--rootfs", directory, "init", "phase", phase, "all", "--config", "/tmp/config.yaml"])


def against_kubeadm(directory):
    print("## One node\n")
    node(directory)
    kubeadm = [KUBEADM, "--rootfs", directory, "certs", "check-expiration"]
    rows = [
        ("`certwatch check`", [CERTWATCH, "check", "--root", directory]),
        ("`kubeadm certs check-expiration`, no API server", kubeadm),
        ("`kubeadm certs check-expiration --config FILE`", [*kubeadm, "--config", "/tmp/config.yaml"]),
        ("a shell loop of `openssl x509 -checkend`", ["sh", "-c", CHECKEND, "sh", directory]),
    ]
    results = best(20, *[command for _, command in rows])
    print("| what | best of 20 | times certwatch | peak memory |\n|---|---|---|---|")
    for (name, command), seconds in zip(rows, results):
        memory = peak_memory(command) / 1_000_000
        print(f"| {name} | {seconds * 1000:.1f} ms | {seconds / results[0]:.0f} | {memory:.1f} MB |")
    # With --config kubeadm does less than certwatch: it neither asks for its settings nor verifies.
    for (name, _), seconds in (list(zip(rows, results))[index] for index in (1, 3)):
        if seconds / results[0] < LEAST_TIMES_FASTER:
            missed.append(f"{name}: less than {LEAST_TIMES_FASTER} times certwatch")
    print()


def template():
    """One certificate as kubeadm makes them (RSA-2048), as DER, and where its serial number lies."""
    serial = bytes(range(1, 17))
    with tempfile.TemporaryDirectory() as directory:
        key, out = f"{directory}/key", f"{directory}/out"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-days", "365"]
        subject = ["-subj", "/O=bench/CN=kube-apiserver", "-addext", "subjectAltName=DNS:cp1,DNS:kubernetes,IP:10.0.0.1"]
        more = ["-set_serial", f"0x{serial.hex()}", "-outform", "DER", "-out", out, "-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run([*command, *subject, *more], check=True, stderr=subprocess.DEVNULL)
        der = pathlib.Path(out).read_bytes()
    return der, der.index(serial)


def tree(directory, count):
    """`count` certificate files, each with a serial number of its own, a thousand to a directory."""
    der, offset = template()
    for number in range(count):
        if number % 1000 == 0:
            below = directory / f"{number // 1000:03}"
            below.mkdir(parents=True)
        unique = der[:offset + 8] + number.to_bytes(8, "big") + der[offset + 16:]
        text = base64.b64encode(unique).decode()
        lines = "\n".join(text[i:i + 64] for i in range(0, len(text), 64))
        (below / f"{number}.crt").write_text(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")


def at_scale(directory, counts):
    print("## Many files\n")
    print("| files | open, read, decode only | certwatch, table | ratio | JSON | peak memory | beyond 10 MB, each |")
    print("|---|---|---|---|---|---|---|")
    for count in counts:
        below = directory / str(count)
        tree(below, count)
        table = [CERTWATCH, "check", below]
        bare, ours, json = best(20 if count <= 1_000 else 5, [READ_DECODE, below], table, [*table, "-o", "json"])
        memory = peak_memory(table)
        each = max(0, memory - 10_000_000) / count
        print(
            f"| {count:,} | {bare:.4f} s | {ours:.4f} s | {ours / bare:.2f} | {json:.4f} s "
            f"| {memory / 1_000_000:.1f} MB | {each:.0f} bytes |",
            flush=True,
        )
        # The goal is one for large trees.
        if count >= 100_000 and ours / bare > MOST_TIMES_BARE_LOOP:
            missed.append(f"{count:,} files: more than {MOST_TIMES_BARE_LOOP} times the bare loop")
        if each > MOST_BYTES_EACH:
            missed.append(f"{count:,} files: more than 10 MB and {MOST_BYTES_EACH} bytes each")
        shutil.rmtree(below)
    print()


def main():
    counts = [int(word) for word in sys.argv[1:]] or [100, 1_000, 10_000, 100_000]
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        if KUBEADM.exists():
            against_kubeadm(directory / "node")
        else:
            print(f"no {KUBEADM.relative_to(ROOT)}: tests/lab/kubernetes.sh kubeadm builds it\n")
        at_scale(directory / "tree", counts)
    sys.exit("\n".join(missed) or 0)


if __name__ == "__main__":
    main()
