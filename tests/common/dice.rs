//! Chance that can be had again.

use std::time::Duration;

/// Random enough, and the same again for the same seed.
pub struct Dice(u64);

impl Dice {
    /// The seed is `CERTWATCH_SEED` if that is set, and printed in any case.
    pub fn of_environment() -> Self {
        let now = certwatch::sys::now().seconds().unsigned_abs();
        let seed = of_environment("CERTWATCH_SEED").unwrap_or(now.wrapping_mul(0x9E37_79B9));
        println!("seed {seed}");
        Self(seed | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    pub fn micros(&mut self, limit: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(limit.as_micros()).unwrap().max(1)))
    }
}

/// A number that a campaign is told.
pub fn of_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap())
}
