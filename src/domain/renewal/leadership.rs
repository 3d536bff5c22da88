//! Whether a lease shows that a controller-manager or a scheduler works.

use crate::domain::time::{Span, UnixTime};

/// A leader renews its lease every 2 s; one that has not for so long leads no more.
const LEADS: Span = Span::seconds(60);

/// Who leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LeaderLease {
    /// The name of the leader's host; empty if nobody leads.
    pub(crate) host: String,
    /// When the leader said last that it leads, by its own clock.
    pub(crate) renewed: UnixTime,
}

impl LeaderLease {
    /// What it says of the process of host `me` that `started` then, as a clause. A process that leads renewed its lease
    /// since it started: the one before it cannot have, and both moments are of this node's clock. Where another node
    /// leads, there is nothing to renew.
    ///
    /// # Errors
    /// It shows no work; why, as a clause.
    pub(crate) fn role_of(
        &self,
        me: &str,
        started: UnixTime,
        now: UnixTime,
    ) -> Result<String, String> {
        if self.host.is_empty() {
            return Err("nobody leads".to_owned());
        }
        if !self.host.eq_ignore_ascii_case(me) {
            return Ok(format!("stands by while {} leads", self.host));
        }
        if self.renewed <= started || now - self.renewed > LEADS {
            return Err(format!("its lease has not been renewed since {}", self.renewed));
        }
        Ok("leads".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_has_renewed_its_lease_since_it_started() {
        let at = UnixTime::new;
        let lease =
            |host: &str, renewed| LeaderLease { host: host.to_owned(), renewed: at(renewed) };
        let role = |lease: LeaderLease| lease.role_of("cp1", at(100), at(110));
        assert_eq!(role(lease("CP1", 105)), Ok("leads".to_owned()));
        assert!(role(lease("cp1", 100)).is_err(), "the process before it may have renewed that");
        assert!(role(lease("", 105)).is_err());
        assert_eq!(role(lease("cp2", 7)), Ok("stands by while cp2 leads".to_owned()));
        assert!(lease("cp1", 105).role_of("cp1", at(100), at(166)).is_err());
    }
}
