//! What the certificates on a node tell of how kubeadm made them, for the day on which nothing else does.

use crate::domain::time::{Span, UnixTime};

use super::kubeadm_config::KeyAlgorithm;

/// One of kubeadm's leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Leaf {
    /// What its key is made of; `None` if kubeadm makes no such keys.
    pub algorithm: Option<KeyAlgorithm>,
    /// The first second of its validity.
    pub not_before: UnixTime,
    /// The last second of its validity.
    pub not_after: UnixTime,
    /// The first second of its CA's, where that can be read.
    pub ca_not_before: Option<UnixTime>,
}

/// What their keys are made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Keys {
    /// All of the same.
    Same(KeyAlgorithm),
    /// Not all of the same; this is what most are made of.
    Mixed(KeyAlgorithm),
    /// There is none, or most are of a kind that kubeadm does not make.
    Unknown,
}

/// How long they were made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Validity {
    /// For kubeadm's year, give or take a day.
    Year,
    /// For so long.
    Of(Span),
    /// Longer than a year, or renewed since their CA was made: for so long at most.
    AtMost(Span),
    /// There is none.
    Unknown,
}

const YEAR: Span = Span::days(365);
const DAY: Span = Span::days(1);

/// `CertificateBackdate` in kubeadm's app/constants/constants.go: a certificate begins so long before it is made.
const BACKDATE: Span = Span::minutes(5);

/// What their keys are made of; where they differ, what most are made of: one can be a person's.
pub(crate) fn keys(leaves: &[Leaf]) -> Keys {
    let all: Vec<_> = leaves.iter().map(|leaf| leaf.algorithm).collect();
    let Some(most) = most(&all).flatten() else { return Keys::Unknown };
    match all.iter().all(|it| *it == Some(most)) {
        true => Keys::Same(most),
        false => Keys::Mixed(most),
    }
}

/// How long most of them were made for. One that begins when its CA does was made then, or by a kubeadm that writes its
/// CA's first second into each leaf: of such, the length is an upper bound.
pub(crate) fn validity(leaves: &[Leaf]) -> Validity {
    let own = leaves.iter().filter(|leaf| leaf.begins_by_itself());
    let own: Vec<_> = own.map(|leaf| rounded(leaf.length())).collect();
    if let Some(length) = most(&own) {
        return length.map_or(Validity::Year, Validity::Of);
    }
    let Some(bound) = leaves.iter().map(Leaf::length).min() else { return Validity::Unknown };
    match rounded(bound) {
        None => Validity::Year,
        Some(length) if length < YEAR => Validity::Of(length),
        Some(length) => Validity::AtMost(length),
    }
}

/// What is there most often, the first of those that are.
fn most<T: Copy + Eq>(all: &[T]) -> Option<T> {
    let count = |it: &&T| all.iter().filter(|other| other == it).count();
    all.iter().rev().max_by_key(count).copied()
}

impl Leaf {
    fn begins_by_itself(&self) -> bool {
        self.ca_not_before.is_some_and(|ca| ca != self.not_before)
    }

    fn length(&self) -> Span {
        self.not_after - (self.not_before + BACKDATE)
    }
}

/// In whole minutes, one at least; `None` for a year.
fn rounded(length: Span) -> Option<Span> {
    let off = Span::seconds((length.as_seconds() - YEAR.as_seconds()).abs());
    (off > DAY).then(|| Span::minutes((length.as_seconds() / 60).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: UnixTime = UnixTime::new(1_700_000_000);

    fn leaf(begins: Span, length: Span) -> Leaf {
        let not_before = CA + begins;
        Leaf {
            algorithm: Some(KeyAlgorithm::Rsa2048),
            not_before,
            not_after: not_before + BACKDATE + length,
            ca_not_before: Some(CA),
        }
    }

    #[test]
    fn the_key_of_most_counts_and_others_are_noticed() {
        let of = |algorithm| Leaf { algorithm, ..leaf(DAY, YEAR) };
        let [p256, rsa, other] =
            [of(Some(KeyAlgorithm::EcdsaP256)), of(Some(KeyAlgorithm::Rsa2048)), of(None)];
        assert_eq!(keys(&[p256, p256]), Keys::Same(KeyAlgorithm::EcdsaP256));
        assert_eq!(keys(&[p256, rsa]), Keys::Mixed(KeyAlgorithm::EcdsaP256));
        assert_eq!(keys(&[rsa, p256, other, p256]), Keys::Mixed(KeyAlgorithm::EcdsaP256));
        assert_eq!((keys(&[rsa, other, other]), keys(&[])), (Keys::Unknown, Keys::Unknown));
    }

    #[test]
    fn a_leaf_with_a_beginning_of_its_own_tells_how_long_it_was_made_for() {
        let old = leaf(DAY, Span::hours(100));
        let new = leaf(Span::days(90), Span::hours(200));
        assert_eq!(validity(&[old, new, new]), Validity::Of(Span::hours(200)));
        assert_eq!(validity(&[new, old]), Validity::Of(Span::hours(200)));
        assert_eq!(validity(&[leaf(DAY, Span::days(3_650))]), Validity::Of(Span::days(3_650)));
        assert_eq!(validity(&[leaf(DAY, YEAR)]), Validity::Year);
        assert_eq!(validity(&[leaf(DAY, Span::seconds(-9))]), Validity::Of(Span::minutes(1)));
    }

    #[test]
    fn a_leaf_with_the_beginning_of_its_ca_is_an_upper_bound() {
        let bound = |length| leaf(Span::seconds(0), length);
        // As it was made with its CA, some seconds later.
        assert_eq!(validity(&[bound(Span::seconds(365 * 86_400 + 9))]), Validity::Year);
        let hundred = Span::hours(100);
        assert_eq!(validity(&[bound(Span::seconds(360_009))]), Validity::Of(hundred));
        // Renewed twice, or made for three years.
        let long = Span::days(1_095);
        assert_eq!(validity(&[bound(long)]), Validity::AtMost(long));
        assert_eq!(validity(&[bound(long), bound(YEAR)]), Validity::Year);
        // A CA that cannot be read is no reason to believe a beginning.
        let alone = Leaf { ca_not_before: None, ..leaf(DAY, long) };
        assert_eq!(
            (validity(&[alone]), validity(&[])),
            (Validity::AtMost(long), Validity::Unknown)
        );
    }
}
