//! Pseudo-random numbers, the same for the same seed on every machine, so that an audit can be repeated. They
//! can be predicted: never use them for secrets.

/// A pseudo-random number generator: SplitMix64.
#[derive(Clone, Debug)]
pub struct Prng(u64);

impl Prng {
    /// A generator with a sequence of its own for each seed and place; a place is a trial, an event, an input.
    pub fn new(seed: u64, place: &[u64]) -> Self {
        let mut prng = Self(seed);
        for part in place {
            prng.0 = prng.next() ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        prng
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `0..n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % n).unwrap_or_default()
    }

    /// True with a probability of 1 in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these; none if there are none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Text of `length` characters, all from `alphabet`.
    pub fn text(&mut self, length: usize, alphabet: &str) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length).filter_map(|_| self.pick(&alphabet).copied()).collect()
    }

    /// A version 4 UUID, in lower case.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let variant = 0x8000 | (b >> 48 & 0x3fff);
        let low = b & 0xffff_ffff_ffff;
        format!("{:08x}-{:04x}-4{:03x}-{variant:04x}-{low:012x}", a >> 32, a >> 16 & 0xffff, a & 0xfff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_place_give_the_same_and_others_do_not() {
        let row = |seed, place: &[u64]| {
            let mut prng = Prng::new(seed, place);
            [prng.next(), prng.next(), prng.next()]
        };
        assert_eq!(row(1, &[2, 3]), row(1, &[2, 3]));
        for other in [row(1, &[3, 2]), row(2, &[2, 3]), row(1, &[2]), row(1, &[2, 3, 0])] {
            assert_ne!(row(1, &[2, 3]), other);
        }
    }

    #[test]
    fn numbers_keep_to_their_range_and_reach_all_of_it() {
        let mut prng = Prng::new(0, &[]);
        let mut seen = [0; 7];
        (0..1000).for_each(|_| seen[prng.below(7)] += 1);
        assert!(seen.iter().all(|count| *count > 80), "{seen:?}");
        assert_eq!(prng.below(0), 0);
        assert_eq!(prng.pick::<u8>(&[]), None);
    }

    #[test]
    fn ids_are_version_4() {
        let id = Prng::new(0, &[]).uuid();
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
