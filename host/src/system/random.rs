//! Random bytes for trackers, from the operating system. There is no generator of our own, and no seed.

use glassbox_sandbox::capabilities::Random;

/// The operating system's source of random bytes, fit for secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        getrandom::fill(buffer).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_differently_each_time() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        assert!(SystemRandom.fill(&mut one) && SystemRandom.fill(&mut other));
        assert_ne!(one, [0; 32]);
        assert_ne!(one, other);
        assert!(SystemRandom.fill(&mut []));
    }
}
