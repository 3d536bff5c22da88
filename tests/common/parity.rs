//! `kubeadm certs check-expiration` and `certwatch check`, brought to one form.

use std::collections::BTreeMap;

use serde_json::Value;

use super::run::rows;

/// What one row says: expiry to the minute, CA where the column is filled, externally managed.
#[derive(Debug, Eq, PartialEq)]
pub struct Said {
    expires: String,
    ca: Option<String>,
    external: bool,
}

/// The rows of `kubeadm certs check-expiration`, by NAME (1.20 prints text only).
pub fn kubeadm_rows(table: &str) -> BTreeMap<String, Said> {
    let row = |line: &str| {
        // NAME  Nov 23, 2027 16:37 UTC  364d  ca  no
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rest) = words.split_first()?;
        let (date, rest) = rest.split_at_checked(5)?;
        let ca = (rest.len() == 3).then(|| rest[1].to_owned());
        let said = Said { expires: date.join(" "), ca, external: *rest.last()? == "yes" };
        (date[4] == "UTC").then(|| ((*name).to_owned(), said))
    };
    table.lines().filter_map(row).collect()
}

/// The same of certwatch, for the rows that kubeadm knows; its CAs have no CA column.
pub fn certwatch_rows(document: &Value, like: &BTreeMap<String, Said>) -> BTreeMap<String, Said> {
    let of_kubeadm = |row: &&Value| like.contains_key(row["role"].as_str().unwrap());
    let said = |row: &Value| {
        let name = row["role"].as_str().unwrap().to_owned();
        let ca = row["ca"]["name"].as_str().map(str::to_owned).filter(|_| like[&name].ca.is_some());
        let external = row["externally_managed"].as_bool().unwrap();
        (name, Said { expires: in_go_s_layout(row["not_after"].as_str().unwrap()), ca, external })
    };
    rows(document).iter().filter(of_kubeadm).map(said).collect()
}

/// `2027-11-23T16:37:00Z` as `Nov 23, 2027 16:37 UTC`.
fn in_go_s_layout(time: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS[time[5..7].parse::<usize>().unwrap() - 1];
    format!("{month} {}, {} {} UTC", &time[8..10], &time[..4], &time[11..16])
}
