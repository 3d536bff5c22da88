//! How long a component that was told to end is given before it is killed.
//!
//! From Kubernetes 1.28 on, an API server that gets SIGTERM closes its listener at once and then waits a minute for
//! watches, which do not end by themselves (kubernetes/kubernetes#131052): for a minute nobody is served, and nothing
//! is gained. So what counts is when it stopped to listen.

use std::time::Duration;

use super::Component;

/// For the requests in flight, from when nobody listens any more.
pub(crate) const IN_FLIGHT: Duration = Duration::from_secs(2);

/// The most that a flag or a manifest is granted.
const MOST: Duration = Duration::from_secs(300);

/// What a component is given, from SIGTERM on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Grace {
    /// It is not killed before.
    at_least: Duration,
    /// Then it hangs.
    at_most: Duration,
}

/// What a static pod asks for itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct GraceSettings {
    /// `--shutdown-delay-duration` and `--shutdown-watch-termination-grace-period` of an API server: for the one it goes
    /// on to listen, for the other it ends its watches one by one.
    pub drain: Duration,
    /// `terminationGracePeriodSeconds` of the pod.
    pub period: Duration,
}

impl Grace {
    /// What a component is given that asks for this.
    pub(crate) fn of(component: Component, asked: GraceSettings) -> Self {
        let bound = component.hangs_after().max(asked.period.min(MOST));
        match component {
            Component::Apiserver => {
                let at_least = asked.drain.min(MOST);
                Self { at_least, at_most: at_least + bound }
            }
            _ => Self { at_least: bound, at_most: bound },
        }
    }

    /// True if it is killed now: `told` after it got SIGTERM, and `closed` after its listener was gone, if that is known.
    pub(crate) fn is_over(&self, told: Duration, closed: Option<Duration>) -> bool {
        let is_drained = closed.is_some_and(|closed| closed >= IN_FLIGHT);
        told >= self.at_most || told >= self.at_least && is_drained
    }
}

impl Component {
    /// How long after SIGTERM it counts as hanging, where its pod asks for no longer time. For etcd and the API server
    /// it is what the kubelet gives them; the other two end within two seconds, and their successors wait for the lease.
    const fn hangs_after(self) -> Duration {
        Duration::from_secs(match self {
            Self::Etcd | Self::Apiserver => 30,
            Self::ControllerManager | Self::Scheduler => 15,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_api_server_is_killed_once_nobody_listens() {
        let grace = Grace::of(Component::Apiserver, GraceSettings::default());
        assert!(!grace.is_over(seconds(29), None), "it listens");
        assert!(!grace.is_over(seconds(5), Some(seconds(1))));
        assert!(grace.is_over(seconds(5), Some(IN_FLIGHT)));
        assert!(grace.is_over(seconds(30), None), "it hangs");
    }

    #[test]
    fn one_that_is_to_drain_does_so() {
        let asked = GraceSettings { drain: seconds(70), period: seconds(100) };
        let grace = Grace::of(Component::Apiserver, asked);
        assert!(!grace.is_over(seconds(69), Some(seconds(69))));
        assert!(grace.is_over(seconds(70), Some(IN_FLIGHT)));
        assert!(!grace.is_over(seconds(169), None));
        assert!(grace.is_over(seconds(170), None));
    }

    fn duration() -> impl Strategy<Value = Duration> {
        prop_oneof![0_u64..1_000_000, Just(0), Just(u64::MAX)].prop_map(Duration::from_millis)
    }

    fn asked() -> impl Strategy<Value = GraceSettings> {
        (duration(), duration()).prop_map(|(drain, period)| GraceSettings { drain, period })
    }

    proptest! {
        /// Never before what it asked for, and requests in flight have their time, unless it hangs.
        #[test]
        fn nobody_is_killed_before_his_time(
            asked in asked(), told in duration(), closed in prop::option::of(duration()),
        ) {
            let grace = Grace::of(Component::Apiserver, asked);
            if grace.is_over(told, closed) {
                prop_assert!(told >= asked.drain.min(MOST));
                let hangs = told >= asked.drain.min(MOST) + seconds(30);
                prop_assert!(hangs || closed.is_some_and(|closed| closed >= IN_FLIGHT));
            }
        }

        /// Whatever is known of its port, and whatever it asks for.
        #[test]
        fn etcd_is_never_killed_before_its_time(
            asked in asked(), told in duration(), closed in prop::option::of(duration()),
        ) {
            let is_over = Grace::of(Component::Etcd, asked).is_over(told, closed);
            prop_assert_eq!(is_over, told >= asked.period.clamp(seconds(30), MOST));
        }

        /// There is an end, and what is over stays over.
        #[test]
        fn it_ends(
            asked in asked(),
            told in duration(),
            later in duration(),
            closed in prop::option::of(duration()),
            component in prop::sample::select(&Component::ALL[..]),
        ) {
            let grace = Grace::of(component, asked);
            prop_assert!(grace.at_most <= MOST + MOST);
            prop_assert!(grace.is_over(grace.at_most, closed));
            if grace.is_over(told, closed) {
                let then = |it: Duration| it.saturating_add(later);
                prop_assert!(grace.is_over(then(told), closed.map(then)));
            }
        }
    }
}
