//! docs/compatibility.md as it is written: what stands in it is kept, but for the rows that were measured anew.

use std::fmt::Write as _;

pub(crate) const COLUMNS: [&str; 11] = [
    "Kubernetes",
    "keys",
    "`check`",
    "renewal, all restarted",
    "of it without API",
    "of it without etcd",
    "failure, rolled back",
    "killed ten times",
    "rescue, configuration kept",
    "rescue, nothing kept",
    "measured",
];

/// What follows from the runs for those who read it. The table comes after it.
const HEAD: &str = "\
# Compatibility

Kubernetes 1.20 to 1.38 is supported: [what follows from a version](renewal.md#versions). This table is what `make lab-matrix` has measured,
and written: on real control planes of one node ([the lab](lab.md)), with both kinds of keys that kubeadm makes for a whole cluster, RSA-2048 and ECDSA-P256.

- **`check`**: a new cluster; each certificate of kubeadm's is shown with the end, the CA and the owner that `kubeadm certs check-expiration` shows.
- **renewal, all restarted**: `certwatch renew --all` with `restart = \"all\"`, of certificates that end in 5 days; in use afterwards, and nothing is left behind. `/readyz` of the API server
  and `/health` of etcd are asked every 50 ms; the time is the longest without an answer, and counts up to the next one. With `restart = \"needed\"`, the default, neither of them is restarted.
- **failure, rolled back**: with `restart = \"all\"`, the API server reaches the kubelet no longer when etcd and it have been restarted. That is waited for, two minutes; then all is put back and restarted again. What is on disk and what is served is the old one.
- **killed ten times**: SIGKILL at renames and moments that chance chooses, three of `renew --all` and seven of certificates that need no restart. After the next `certwatch renew` each is whole: all new or all old, and in use.
- **rescue**: each certificate has ended a month ago, the kubelet's too, and the power was cut. `certwatch renew --rescue`, until all is well; with the cluster configuration that certwatch had
  kept before, and on a node on which it was installed afterwards.

What has failed says FAILED and why. How long it takes depends on what else the machine has to do: [performance.md](performance.md) has figures of a quiet one.

";

/// The document with these rows in place of those of the same version and keys.
pub(crate) fn with_rows(document: &str, new: Vec<Vec<String>>) -> String {
    let mut rows: Vec<Vec<String>> = document.lines().filter_map(row).collect();
    rows.retain(|old| new.iter().all(|row| key(row) != key(old)));
    rows.extend(new);
    rows.sort_by(|one, other| key(other).cmp(&key(one)));
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "| {} |", COLUMNS.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(COLUMNS.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// What goes into one cell of a table: one line, and not a long one.
pub(crate) fn cell(text: &str) -> String {
    const LONGEST: usize = 160;
    let text = text.replace('|', "/");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn row(line: &str) -> Option<Vec<String>> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    let cells: Vec<String> = cells.map(str::to_owned).collect();
    (cells.len() == COLUMNS.len() && cells[0] != COLUMNS[0]).then_some(cells)
}

/// The minor version as a number, and the keys: RSA is greater, and so is first.
fn key(row: &[String]) -> (u32, &str) {
    let minor = row[0].split('.').nth(1).and_then(|it| it.parse().ok());
    (minor.unwrap_or(0), &row[1])
}
