//! The ways from a leaf over what is presented to a trusted CA.

use std::path::Path;
use std::sync::Arc;

use crate::domain::model::{Ca, ChainFault, Signer};
use crate::domain::time::UnixTime;
use crate::parse::signature::Verdict;
use crate::parse::x509;

use super::link::{Link, Policies};

/// Most signatures that are checked for one leaf, as in Go.
const MOST_CHECKS: usize = 100;

/// Where to look.
pub(super) struct ChainSearch<'a> {
    /// Where the roots are from.
    pub(super) path: &'a Arc<Path>,
    pub(super) roots: &'a [Link],
    pub(super) behind: &'a [Link],
}

pub(super) enum ChainWays {
    Found(Found),
    /// There are more ways than are looked at, and none of the first leads to where it should.
    GivenUp,
    Nothing,
}

/// A way to a root.
pub(super) struct Found {
    pub(super) signer: Signer,
    /// When its last CA begins.
    pub(super) begins: UnixTime,
    ends: UnixTime,
    pub(super) fault: Option<ChainFault>,
}

/// How far it has come.
#[derive(Default)]
struct State {
    checks: usize,
    ways: Vec<Found>,
}

/// What is known of the way so far.
#[derive(Clone, Default)]
struct SoFar {
    fault: Option<ChainFault>,
    /// The algorithm of a signature that could not be checked.
    unchecked: Option<Box<str>>,
}

impl ChainSearch<'_> {
    /// The best way from `leaf`: one without fault before one that was not checked; of several the one that lasts longest.
    pub(super) fn run(&self, leaf: &Link) -> ChainWays {
        let mut state = State::default();
        self.follow(&mut vec![leaf], &SoFar::default(), &mut state);
        let rank = |it: &Found| match (&it.fault, &it.signer) {
            (None, Signer::Verified(_)) => 0,
            (None, _) => 1,
            (Some(ChainFault::NotJudged(_)), _) => 2,
            (Some(_), _) => 3,
        };
        let Some(best) = state.ways.iter().map(rank).min() else {
            return if state.checks > MOST_CHECKS {
                ChainWays::GivenUp
            } else {
                ChainWays::Nothing
            };
        };
        if best == 3 && state.checks > MOST_CHECKS {
            return ChainWays::GivenUp;
        }
        state.ways.retain(|it| rank(it) == best);
        // One that begins later goes on where another has ended.
        let begins = state.ways.iter().map(|it| it.begins).min();
        // The first of several that end alike.
        let longest = state.ways.into_iter().rev().max_by_key(|it| it.ends);
        match (longest, begins) {
            (Some(found), Some(begins)) => ChainWays::Found(Found { begins, ..found }),
            _ => ChainWays::Nothing,
        }
    }

    fn follow<'b>(&'b self, chain: &mut Vec<&'b Link>, so_far: &SoFar, state: &mut State) {
        let Some(child) = chain.last().copied() else { return };
        let roots = self.roots.iter().map(|it| (true, it));
        let parents = roots.chain(self.behind.iter().map(|it| (false, it)));
        for (is_root, parent) in parents.filter(|(_, it)| it.subject == child.issuer) {
            state.checks += 1;
            if state.checks > MOST_CHECKS {
                return;
            }
            if chain.iter().any(|it| it.is_same_as(parent)) {
                continue;
            }
            let unchecked = match x509::signed(&parent.key, &child.der) {
                Verdict::Verified => None,
                Verdict::Unchecked(algorithm) => Some(algorithm),
                Verdict::Refused => continue,
            };
            let forbidden = || parent.forbids(is_root, chain.len() - 1);
            let so_far = SoFar {
                fault: so_far.fault.clone().or_else(forbidden),
                unchecked: so_far.unchecked.clone().or(unchecked),
            };
            chain.push(parent);
            if is_root {
                state.ways.extend(self.found(chain, so_far));
            } else {
                self.follow(chain, &so_far, state);
            }
            chain.pop();
        }
    }

    fn found(&self, chain: &[&Link], so_far: SoFar) -> Option<Found> {
        let (_, cas) = chain.split_first()?;
        let begins = cas.iter().map(|it| it.not_before).max()?;
        let ends = cas.iter().map(|it| it.not_after).min()?;
        let ca = Ca {
            path: self.path.clone(),
            sha256: cas.first()?.sha256,
            not_after: ends,
            has_key: false,
        };
        let signer = match so_far.unchecked {
            Some(algorithm) => Signer::Unchecked { ca: Arc::new(ca), algorithm },
            None => Signer::Verified(Arc::new(ca)),
        };
        Some(Found { signer, begins, ends, fault: so_far.fault.or_else(|| of_whole(chain)) })
    }
}

/// What only a whole chain, the leaf first and the root last, can be wrong with.
fn of_whole(chain: &[&Link]) -> Option<ChainFault> {
    // That the leaf itself is not for servers is a defect of it.
    if chain.iter().skip(1).any(|it| !it.is_for_servers()) {
        return Some(ChainFault::Purpose);
    }
    let mut is_open = false;
    for (at, ca) in chain.iter().enumerate() {
        let Some(constraints) = &ca.constraints else { continue };
        for below in &chain[..at] {
            match constraints.allow(&below.names) {
                Some(true) => {}
                Some(false) => return Some(ChainFault::NameConstraints),
                None => is_open = true,
            }
        }
    }
    let policies: Vec<_> = chain[..chain.len() - 1].iter().map(|it| &it.policies).collect();
    match Policies::are_valid(&policies) {
        _ if is_open => Some(ChainFault::NotJudged(
            "a CA in it constrains names, and it has mail addresses or URIs",
        )),
        Some(true) => None,
        _ => Some(ChainFault::NotJudged("a CA in it demands policies")),
    }
}
