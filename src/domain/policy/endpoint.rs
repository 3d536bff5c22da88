//! What is wrong with what an endpoint presents, beside what is wrong with its certificate.

use std::path::Path;

use crate::domain::endpoint::HostPort;
use crate::domain::hostname;
use crate::domain::model::{Certificate, ChainFault, Defect, Entry, Item, ServerName};
use crate::domain::time::UnixTime;

use super::checks::expires_at;
use super::inventory_index::InventoryIndex;
use super::thresholds::Steps;
use super::{Finding, FindingKind, Severity};

pub(super) fn findings(
    item: &Item,
    certificate: &Certificate,
    index: &InventoryIndex<'_>,
    steps: &Steps,
    now: UnixTime,
) -> Vec<Finding> {
    let Some(chain) = &item.chain else { return Vec::new() };
    let critical = |kind| Finding { severity: Severity::Critical, kind };
    let fault = chain.fault.clone().map(|fault| match fault {
        ChainFault::NotJudged(_) => {
            Finding { severity: Severity::Unknown, kind: FindingKind::Chain(fault) }
        }
        fault => critical(FindingKind::Chain(fault)),
    });
    // That the leaf itself has not begun is said elsewhere.
    let begins = chain.begins.filter(|begins| (certificate.not_before..*begins).contains(&now));
    let begins = begins.map(|begins| critical(FindingKind::NotYetValid(begins)));
    let name = name(item, certificate).map(critical);
    let file = chain.file.as_deref().and_then(|file| compare(certificate, file, index));
    // How bad that is follows the end of what is served.
    let end = super::expires(item).unwrap_or(certificate.not_after);
    let by_end = expires_at(end, steps, now).map_or(Severity::Warning, |it| it.severity);
    let file = file.map(|kind| match kind {
        FindingKind::NotCompared(_) => Finding { severity: Severity::Unknown, kind },
        kind => Finding { severity: by_end, kind },
    });
    fault.into_iter().chain(begins).chain(name).chain(file).collect()
}

/// The name that was asked for, if it is not in the certificate. That it has none at all is said elsewhere.
fn name(item: &Item, certificate: &Certificate) -> Option<FindingKind> {
    let Entry::Endpoint(name) = &item.place.entry else { return None };
    let address = &item.place.path;
    let host = match name {
        Some(name) => name.clone(),
        None => HostPort::parse(address.to_str()?)?.host,
    };
    let is_said = certificate.defects.contains(&Defect::NoNames);
    (!is_said && !hostname::covers(&certificate.sans, &host)).then(|| {
        FindingKind::NameMissing(Box::new(ServerName {
            certificate: address.to_path_buf(),
            host: host.into(),
            by: address.to_string_lossy().into_owned(),
            is_dialed: true,
        }))
    })
}

/// What is served beside what is in the file.
fn compare(served: &Certificate, file: &Path, index: &InventoryIndex<'_>) -> Option<FindingKind> {
    let Some(on_disk) = index.to_serve(file) else {
        return Some(FindingKind::NotCompared(file.into()));
    };
    let age = |it: &Certificate| (it.not_after, it.not_before);
    (on_disk.sha256 != served.sha256).then(|| FindingKind::ServesOther {
        file: file.into(),
        is_newer: age(on_disk) > age(served),
    })
}

#[cfg(test)]
mod tests {
    use crate::domain::alert::AlertSnapshot;
    use crate::domain::model::{Content, Inventory, PresentedChain, Reason};
    use crate::domain::policy::{Policy, assess};
    use crate::domain::time::Span;
    use crate::report::sample::{self, NOW, certificate};

    use super::*;

    const FILE: &str = "/etc/nginx/tls.crt";
    const ADDRESS: &str = "www.example.org:443";

    fn lasting(days: i64) -> Certificate {
        let mut certificate = certificate("www", "ca", 1, days);
        certificate.sans = ["DNS:*.example.org".into()].into();
        certificate.sha256.0[0] = u8::try_from(days.rem_euclid(256)).unwrap_or_default();
        certificate
    }

    /// An endpoint that presents what lasts so many days, beside a file.
    fn inventory(
        name: Option<&str>,
        served: i64,
        fault: Option<ChainFault>,
        on_disk: Option<i64>,
    ) -> Inventory {
        let content = Content::Certificate(Box::new(lasting(served)));
        let entry = Entry::Endpoint(name.map(Into::into));
        let mut endpoint = sample::item(ADDRESS, entry, content);
        let file = on_disk.map(|_| Path::new(FILE).into());
        endpoint.chain = Some(Box::new(PresentedChain { fault, file, begins: None }));
        let file = on_disk.map(|days| {
            let content = Content::Certificate(Box::new(lasting(days)));
            sample::item(FILE, Entry::Pem(0), content)
        });
        Inventory { items: [endpoint].into_iter().chain(file).collect(), ..Inventory::default() }
    }

    /// What is said of the endpoint.
    fn said(inventory: &Inventory) -> Vec<(&'static str, &'static str)> {
        let rows = assess(inventory, &Policy::default(), NOW).rows;
        let row = rows.into_iter().find(|row| row.item == 0).unwrap();
        row.findings.iter().map(|it| (it.kind.code(), it.severity.name())).collect()
    }

    #[test]
    fn the_name_counts_and_the_chain() {
        assert_eq!(said(&inventory(None, 300, None, None)), []);
        let missing = [("name_missing", "critical")];
        assert_eq!(said(&inventory(Some("www.example.net"), 300, None, None)), missing);
        let fault = Some(ChainFault::SelfSigned);
        assert_eq!(said(&inventory(None, 300, fault, None)), [("self_signed", "critical")]);
        let open = Some(ChainFault::NotJudged("a CA in it demands policies"));
        assert_eq!(said(&inventory(None, 300, open, None)), [("chain_not_judged", "unknown")]);
    }

    #[test]
    fn a_chain_may_begin_later_than_its_leaf() {
        let mut inventory = inventory(None, 300, None, None);
        let mut begins = |days| {
            let chain = inventory.items[0].chain.as_mut().unwrap();
            chain.begins = Some(NOW + Span::days(days));
            said(&inventory)
        };
        assert_eq!(begins(1), [("not_yet_valid", "critical")]);
        assert_eq!(begins(-1), []);
    }

    #[test]
    fn what_is_served_in_place_of_a_newer_file_is_as_bad_as_its_end_is_near() {
        for (served, on_disk, expected) in [
            (300, 300, &[][..]),
            (90, 300, &[("stale_in_use", "warning")]),
            (20, 300, &[("expires", "warning"), ("stale_in_use", "warning")]),
            (5, 300, &[("expires", "critical"), ("stale_in_use", "critical")]),
            (-1, 300, &[("expired", "critical"), ("stale_in_use", "critical")]),
            (300, 90, &[("serves_other", "warning")]),
        ] {
            let found = said(&inventory(None, served, None, Some(on_disk)));
            assert_eq!(found, expected, "{served} {on_disk}");
        }
    }

    /// What was renewed already is not to be renewed again.
    #[test]
    fn where_the_file_is_newer_a_reload_is_all_there_is_to_do() {
        let inventory = inventory(None, 5, None, Some(300));
        let rows = assess(&inventory, &Policy::default(), NOW).rows;
        let list = crate::domain::advice::to_do(&inventory.items, &rows, &[]);
        let said: Vec<_> = list.iter().map(|it| it.remedy.to_string()).collect();
        assert!(matches!(&said[..], [one] if one.starts_with("reload the server")), "{said:?}");
    }

    #[test]
    fn what_was_not_compared_is_unknown() {
        let mut inventory = inventory(None, 300, None, Some(300));
        let unknown = [("not_compared", "unknown")];
        inventory.items[1].content = Content::Problem(Reason::PermissionDenied);
        assert_eq!(said(&inventory), unknown);
        inventory.items.pop();
        assert_eq!(said(&inventory), unknown);
        // `check HOST:PORT` reads the rest of the node for that.
        let file = Content::Certificate(Box::new(lasting(300)));
        inventory.context.push(sample::item(FILE, Entry::Pem(0), file));
        assert_eq!(said(&inventory), []);
    }

    #[test]
    fn a_renewal_changes_no_identity_and_nobody_is_woken_at_once() {
        let alert = |served| {
            let inventory = inventory(None, served, None, Some(300));
            let assessment = assess(&inventory, &Policy::default(), NOW);
            AlertSnapshot::of(&inventory, &assessment, None, NOW).alerts.remove(0)
        };
        let (one, other) = (alert(90), alert(100));
        assert_eq!((&one.id, &*one.path), (&other.id, ADDRESS));
        assert!(one.is_transient && one.text.name == ADDRESS, "{one:?}");
    }
}
