//! What components have read at their start, from one scan to the next: when it ends is in no file any more once that
//! file is renewed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{Inventory, StaleEvidence};
use super::time::{Span, UnixTime};

/// Two looks at one start differ by less.
const SAME_START: Span = Span::seconds(3);

/// By component, the certificate that its process has read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct HeldCertificates(BTreeMap<String, HeldCertificate>);

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct HeldCertificate {
    started: UnixTime,
    not_after: UnixTime,
}

impl HeldCertificates {
    /// Remembers what is read now, and tells `inventory` the end of what was read before.
    pub(crate) fn recall(&mut self, inventory: &mut Inventory) {
        for held in &inventory.held {
            let Some(item) = inventory.items.iter_mut().find(|item| item.place == held.place)
            else {
                continue;
            };
            if let Some(stale) = &mut item.stale_use {
                let is_same = |it: &&HeldCertificate| {
                    it.started < held.started + SAME_START && held.started < it.started + SAME_START
                };
                let known = self.0.get(held.component).filter(is_same).map(|it| it.not_after);
                if let StaleEvidence::Read { not_after, .. } = &mut stale.evidence {
                    *not_after = known;
                }
            } else if let Some(certificate) = item.certificate() {
                let (started, not_after) = (held.started, certificate.not_after);
                let held = (held.component.to_owned(), HeldCertificate { started, not_after });
                self.0.extend([held]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::domain::model::{Content, Entry, HeldFile, Item, Place, StaleUse};
    use crate::domain::role;
    use crate::report::sample::{NOW, certificate};

    const COMPONENT: &str = "kube-scheduler";

    /// A scan in which the file's certificate ends in so many days, and which finds it stale or not.
    fn scan(days: i64, started: UnixTime, is_stale: bool) -> Inventory {
        let entry = Entry::User { name: "u".into(), index: 0 };
        let place = Place::new(Path::new("/etc/kubernetes/scheduler.conf"), entry);
        let content = Content::Certificate(Box::new(certificate("a", "b", 1, days)));
        let evidence = StaleEvidence::Read { started, not_after: None };
        let stale_use =
            is_stale.then(|| Box::new(StaleUse { component: COMPONENT.into(), evidence }));
        let item = Item { stale_use, ..Item::new(place.clone(), &role::OTHER, content) };
        let held = vec![HeldFile { component: COMPONENT, place, started }];
        Inventory { items: vec![item], held, ..Inventory::default() }
    }

    fn known(inventory: &Inventory) -> Option<UnixTime> {
        match inventory.items[0].stale_use.as_ref()?.evidence {
            StaleEvidence::Read { not_after, .. } => not_after,
            StaleEvidence::Presents { .. } | StaleEvidence::Mounted { .. } => None,
        }
    }

    #[test]
    fn what_was_seen_before_the_renewal_is_known_after_it() {
        let mut memory = HeldCertificates::default();
        memory.recall(&mut scan(20, NOW, false));
        let mut renewed = scan(365, NOW + Span::seconds(1), true);
        memory.recall(&mut renewed);
        assert_eq!(known(&renewed), Some(NOW + Span::days(20)));
        memory.recall(&mut renewed);
        assert_eq!(known(&renewed), Some(NOW + Span::days(20)), "however often it is asked");
    }

    #[test]
    fn nothing_is_known_of_a_start_that_nobody_saw() {
        let mut memory = HeldCertificates::default();
        let mut first = scan(365, NOW, true);
        memory.recall(&mut first);
        assert_eq!(known(&first), None);
        memory.recall(&mut scan(20, NOW, false));
        let mut other = scan(365, NOW + Span::hours(1), true);
        memory.recall(&mut other);
        assert_eq!(known(&other), None, "another process has read something else");
    }
}
