//! Counting: which installations had which value, each once.

use std::cmp::Ordering;
use std::collections::HashMap;

/// The most keys of a map that are published, as in the original.
const TOP: usize = 1000;

/// Pairs that may be added before doubles are removed.
const UNSORTED: usize = 1 << 18;

/// Texts, each with a number.
#[derive(Default)]
pub(super) struct Words {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Words {
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        // A store with four thousand million texts is none.
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    pub(super) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", String::as_str)
    }
}

/// Which installations had which value. Memory is needed for each pair once, however often it is added.
#[derive(Default)]
pub(super) struct Pairs {
    pairs: Vec<u64>,
    sorted: usize,
}

impl Pairs {
    pub(super) fn add(&mut self, value: u32, installation: u32) {
        self.pairs.push(u64::from(value) << 32 | u64::from(installation));
        if self.pairs.len() > self.sorted * 2 + UNSORTED {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
        self.sorted = self.pairs.len();
    }

    /// All pairs of a value and an installation, each once, in the order of the values.
    pub(super) fn all(&mut self) -> impl Iterator<Item = (u32, u32)> {
        self.sort();
        #[allow(clippy::cast_possible_truncation)] // the two halves
        self.pairs.iter().map(|pair| ((pair >> 32) as u32, *pair as u32))
    }

    /// How many installations had each value.
    pub(super) fn counts(&mut self) -> Vec<(u32, u64)> {
        let mut counts: Vec<(u32, u64)> = Vec::new();
        for (value, _) in self.all() {
            match counts.last_mut() {
                Some((last, count)) if *last == value => *count += 1,
                _ => counts.push((value, 1)),
            }
        }
        counts
    }

    /// How many installations had this value.
    pub(super) fn count(&mut self, value: u32) -> usize {
        self.all().filter(|(one, _)| *one == value).count()
    }
}

/// How keys with the same number are ordered.
#[derive(Clone, Copy)]
pub(super) enum Ties {
    /// By their UTF-8 bytes.
    Text,
    /// As numbers.
    Number,
}

/// Keys and numbers as they are published: the largest number first, and no more than a thousand.
pub(super) fn top<N: PartialOrd + Copy>(counts: Vec<(u32, N)>, words: &Words, ties: Ties) -> Vec<(&str, N)> {
    let mut named: Vec<_> = counts.into_iter().map(|(key, number)| (words.text(key), number)).collect();
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    named.sort_by(|(one, first), (other, second)| {
        let by_key = match ties {
            Ties::Text => one.cmp(other),
            Ties::Number => number(one).total_cmp(&number(other)),
        };
        second.partial_cmp(first).unwrap_or(Ordering::Equal).then(by_key)
    });
    named.truncate(TOP);
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_installation_counts_once_for_a_value() {
        let mut pairs = Pairs::default();
        for round in 0..3 {
            for installation in 0..200_000 {
                pairs.add(installation % 2, installation);
                pairs.add(7 + round, 5);
            }
        }
        assert_eq!(pairs.counts(), [(0, 100_000), (1, 100_000), (7, 1), (8, 1), (9, 1)]);
        assert_eq!((pairs.count(7), pairs.count(2)), (1, 0));
        assert!(pairs.pairs.len() < 200_010 && pairs.pairs.capacity() < 2_000_000);
    }

    #[test]
    fn ties_are_ordered_and_the_rest_is_cut() {
        let mut words = Words::default();
        let counts: Vec<_> = ["10", "9", "é", "z"].iter().map(|text| (words.number(text), 1_u64)).collect();
        let keys = |ties| top(counts.clone(), &words, ties).iter().map(|(key, _)| *key).collect::<Vec<_>>();
        assert_eq!(keys(Ties::Text), ["10", "9", "z", "é"]);
        assert_eq!(keys(Ties::Number)[2..], ["9", "10"]);
        let many: Vec<_> = (0..1500_u32).map(|n| (words.number(&n.to_string()), u64::from(n))).collect();
        let top = top(many, &words, Ties::Number);
        assert_eq!((top.len(), top[0], top[999]), (1000, ("1499", 1499), ("500", 500)));
    }
}
