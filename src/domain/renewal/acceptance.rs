//! Which certificate may take the place of which: kubeadm's word is not enough.

use crate::domain::model::{Attribute, Certificate, ClientAuth, Signer};
use crate::domain::time::UnixTime;

use super::organisation;

/// What a certificate that was made is measured against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptance<'a> {
    /// kubeadm's NAME of it.
    pub(crate) name: &'a str,
    /// It has to be valid then.
    pub(crate) now: UnixTime,
    /// It has to end later than the one it replaces; a restore has not, and may give back what a step has taken.
    pub(crate) wants_later: bool,
}

/// Why one is not accepted, as the predicate of a sentence.
pub(crate) type Objection = &'static str;

impl Acceptance<'_> {
    /// Whether `new` may go live at all. `is_pair`: its key is there, and its own.
    ///
    /// # Errors
    /// The first objection.
    pub(crate) fn alone(&self, new: &Certificate, is_pair: bool) -> Result<(), Objection> {
        must(is_pair, "has a key that does not match its certificate")?;
        must(is_signed(new), "is not verifiably signed by the CA of this node")?;
        must(!new.is_ca, "has become a CA")?;
        must(new.not_before <= self.now, "is not valid yet; look at the clock")?;
        let expired = if self.wants_later {
            "has expired; look at the clock"
        } else {
            "has expired; use another backup"
        };
        must(self.now <= new.not_after, expired)
    }

    /// Whether `new` may follow `old`. One that nobody can use, because its key is another's, may well end later.
    ///
    /// # Errors
    /// The first objection.
    pub(crate) fn after(
        &self,
        old: &Certificate,
        new: &Certificate,
        is_old_usable: bool,
    ) -> Result<(), Objection> {
        let same_name = values(old, &Attribute::Cn) == values(new, &Attribute::Cn);
        must(same_name, "has another common name than before")?;
        must(self.may_follow(old, new), "has another organization than before")?;
        must(sans(old) == sans(new), "has other names or addresses (SANs) than before")?;
        let was_for_clients = old.client_auth == ClientAuth::Allowed;
        let is_for_clients = !was_for_clients || new.client_auth == ClientAuth::Allowed;
        must(is_for_clients, "is no longer a client certificate (extended key usage)")?;
        let is_later = new.not_after > old.not_after || !self.wants_later || !is_old_usable;
        must(is_later, "expires no later than before, although kubeadm reported a renewal")
    }

    /// Only a restore may give back what a step has taken.
    fn may_follow(&self, old: &Certificate, new: &Certificate) -> bool {
        let [before, after] = [old, new].map(|it| values(it, &Attribute::O));
        organisation::may_follow(self.name, &before, &after)
            || !self.wants_later && organisation::may_follow(self.name, &after, &before)
    }
}

/// True if the CA it was checked against signed it. What cannot be checked may be anybody's.
pub(crate) fn is_signed(certificate: &Certificate) -> bool {
    matches!(certificate.signer, Signer::Verified(_))
}

/// True if both are for the same name, organisation and SANs.
pub(crate) fn is_same_subject(old: &Certificate, new: &Certificate) -> bool {
    let is_same = |it: &Attribute| values(old, it) == values(new, it);
    is_same(&Attribute::Cn) && is_same(&Attribute::O) && sans(old) == sans(new)
}

fn must(holds: bool, otherwise: Objection) -> Result<(), Objection> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// All values of an attribute, whatever their order.
fn values<'a>(certificate: &'a Certificate, wanted: &Attribute) -> Vec<&'a str> {
    let parts = certificate.subject.0.iter().filter(|(attribute, _)| attribute == wanted);
    let mut values: Vec<&str> = parts.map(|(_, value)| &**value).collect();
    values.sort_unstable();
    values
}

fn sans(certificate: &Certificate) -> Vec<&str> {
    let mut sans: Vec<&str> = certificate.sans.iter().map(|san| &**san).collect();
    sans.sort_unstable();
    sans.dedup();
    sans
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use crate::domain::model::{Ca, Name, Sha256};

    use super::*;

    const NOW: i64 = 1_000;

    fn ca() -> Ca {
        let path = Path::new("/etc/kubernetes/pki/ca.crt").into();
        Ca { path, sha256: Sha256([9; 32]), not_after: UnixTime::new(9 * NOW), has_key: true }
    }

    fn certificate(not_before: i64, not_after: i64) -> Certificate {
        let name = |cn: &str| {
            Name(Arc::new([(Attribute::Cn, cn.into()), (Attribute::O, "system:masters".into())]))
        };
        Certificate {
            subject: name("kubernetes-admin"),
            issuer: name("kubernetes"),
            serial: Box::new([1]),
            sans: Box::new([]),
            not_before: UnixTime::new(not_before),
            not_after: UnixTime::new(not_after),
            sha256: Sha256([0; 32]),
            key_sha256: Sha256([0; 32]),
            is_ca: false,
            defects: Vec::new(),
            client_auth: ClientAuth::Allowed,
            signer: Signer::Verified(Arc::new(ca())),
        }
    }

    fn rules(wants_later: bool) -> Acceptance<'static> {
        Acceptance { name: "admin.conf", now: UnixTime::new(NOW), wants_later }
    }

    proptest! {
        #[test]
        fn nothing_goes_live_that_is_not_valid_now(begin in 0..2 * NOW, end in 0..2 * NOW, wants_later: bool) {
            let accepted = rules(wants_later).alone(&certificate(begin, end), true);
            prop_assert_eq!(accepted.is_ok(), begin <= NOW && NOW <= end);
        }

        #[test]
        fn a_renewal_never_ends_earlier_than_what_was_good(old in 0..2 * NOW, new in 0..2 * NOW, wants_later: bool, usable: bool) {
            let accepted = rules(wants_later).after(&certificate(0, old), &certificate(0, new), usable);
            prop_assert_eq!(accepted.is_ok(), new > old || !wants_later || !usable);
        }
    }

    #[test]
    fn a_key_of_another_s_and_an_unchecked_signature_are_refused() {
        let good = certificate(0, 2 * NOW);
        assert!(rules(true).alone(&good, false).is_err());
        let unchecked = Certificate { signer: Signer::NoCa, ..good.clone() };
        assert!(rules(true).alone(&unchecked, true).is_err());
        assert!(rules(true).alone(&Certificate { is_ca: true, ..good }, true).is_err());
    }
}
