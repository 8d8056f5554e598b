//! Extracts constants from a component's bytes: texts and numbers that its code may compare its input with. A
//! leak that waits for one magic value must contain that value, or something derived from it. Values that are in
//! the file whole, or in the pieces that a compiler makes of them, are found; those compared by their hash are not.

use serde_json::{Number, Value};
use std::collections::{BTreeSet, HashMap};
use wasmparser::{DataKind, FunctionBody, Operator, Parser, Payload};

/// The lengths of texts that are taken, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=64;
/// The most constants that are returned.
const MOST: usize = 20_000;

/// The most that are collected and ranked: a component may be made to be full of texts.
const SORTED: usize = 10 * MOST;

/// An instruction, as far as it says which constants are compared with.
enum CodeConstant {
    Number(i64),
    Float(f64),
    /// Anything that is not listed here.
    Other,
    Compare,
}

/// The constants, most likely operands of comparisons first, without duplicates; at most 20,000. Of a damaged
/// component, those before the damage.
pub fn find(component: &[u8]) -> Vec<Value> {
    let mut data: Vec<(usize, &[u8])> = Vec::new();
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::DataSection(section) => {
                for segment in section.into_iter().map_while(Result::ok) {
                    if let DataKind::Active { offset_expr, .. } = segment.kind
                        && let Some(Ok(Operator::I32Const { value })) =
                            offset_expr.get_operators_reader().into_iter().next()
                    {
                        data.push((usize::try_from(value).unwrap_or_default(), segment.data));
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    data.sort_by_key(|(start, _)| *start);
    let mut found = Candidates::default();
    bodies.iter().for_each(|body| found.code(&seen(body), &data));
    data.iter().for_each(|(_, bytes)| found.pointers(bytes, &data));
    data.iter().for_each(|(_, bytes)| found.plain(bytes));
    found.in_order()
}

fn seen(body: &FunctionBody) -> Vec<CodeConstant> {
    let Ok(operators) = body.get_operators_reader() else { return Vec::new() };
    let classify = |operator| match operator {
        Operator::I32Const { value } => CodeConstant::Number(value.into()),
        Operator::I64Const { value } => CodeConstant::Number(value),
        Operator::F64Const { value } => CodeConstant::Float(f64::from(value)),
        Operator::I32Eq | Operator::I32Ne | Operator::I32Xor | Operator::I64Eq | Operator::I64Ne => {
            CodeConstant::Compare
        }
        Operator::I64Xor | Operator::F64Eq | Operator::F64Ne => CodeConstant::Compare,
        _ => CodeConstant::Other,
    };
    operators.into_iter().map_while(Result::ok).map(classify).collect()
}

/// What was found: each value with its rank. The lower, the more it looks like an operand of a comparison.
#[derive(Default)]
struct Candidates {
    values: Vec<(u8, Value)>,
    known: HashMap<String, usize>,
}

impl Candidates {
    fn add(&mut self, rank: u8, value: Value) {
        if self.values.len() >= SORTED {
            return;
        }
        let at = self.values.len();
        let known = *self.known.entry(value.to_string()).or_insert(at);
        match self.values.get_mut(known) {
            Some(known) => known.0 = known.0.min(rank),
            None => self.values.push((rank, value)),
        }
    }

    fn text(&mut self, rank: u8, bytes: &[u8]) {
        let plain = |text: &&str| LENGTHS.contains(&text.len()) && !text.chars().any(char::is_control);
        if let Some(text) = std::str::from_utf8(bytes).ok().filter(plain) {
            self.add(rank, text.into());
        }
    }

    /// From code: numbers that are compared with, texts that the compiler turned into numbers for a comparison, and
    /// pairs of numbers that are the address and length of a text.
    fn code(&mut self, seen: &[CodeConstant], data: &[(usize, &[u8])]) {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for (i, what) in seen.iter().enumerate() {
            let compared = matches!(seen.get(i + 1), Some(CodeConstant::Compare));
            match what {
                CodeConstant::Float(number) if compared => {
                    Number::from_f64(*number).into_iter().for_each(|number| self.add(0, number.into()));
                }
                CodeConstant::Number(number) if compared => {
                    let text = piece(*number);
                    let plain = text.is_some() || (-1..=127).contains(number);
                    self.add(if plain { 3 } else { 0 }, (*number).into());
                    pieces.extend(text);
                }
                _ => {}
            }
            if let CodeConstant::Number(place) = what {
                let around = seen[i.saturating_sub(2)..].iter().take(5);
                // In order, so that every run of an audit tries the same.
                let lengths: BTreeSet<usize> = around.filter_map(CodeConstant::length).collect();
                for length in lengths {
                    slice(data, *place, length).into_iter().for_each(|text| self.text(1, text));
                }
            }
        }
        self.join(&pieces);
    }

    /// Put texts together again: a long one is compared eight bytes at a time, and the last piece may overlap the
    /// one before.
    fn join(&mut self, pieces: &[Vec<u8>]) {
        for (i, first) in pieces.iter().enumerate() {
            self.text(0, first);
            let behind = pieces[i + 1..].iter().take(3).enumerate();
            let before = pieces[..i].iter().next_back().map(|piece| (0, piece));
            for (distance, second) in behind.chain(before) {
                for shared in (0..first.len().min(second.len())).filter(|shared| first.ends_with(&second[..*shared])) {
                    // This is how most texts are compared: in order, the last piece overlapping the one before.
                    let rank = if distance == 0 && shared > 0 { 0 } else { 1 };
                    self.text(rank, &[first, &second[shared..]].concat());
                }
            }
        }
    }

    /// From tables of texts in data: address and length, one after the other.
    fn pointers(&mut self, bytes: &[u8], data: &[(usize, &[u8])]) {
        let number = |word: &[u8]| word.try_into().map(u32::from_le_bytes).unwrap_or_default();
        let words: Vec<u32> = bytes.chunks_exact(4).map(number).collect();
        for pair in words.windows(2) {
            let length = usize::try_from(pair[1]).unwrap_or_default();
            slice(data, pair[0].into(), length).into_iter().for_each(|text| self.text(1, text));
        }
    }

    /// From data: everything readable, whole and split into words.
    fn plain(&mut self, bytes: &[u8]) {
        for run in bytes.split(|byte| !(b' '..=b'~').contains(byte)).filter(|run| run.len() > 3) {
            self.text(2, run);
            for word in run.split(|byte| !byte.is_ascii_alphanumeric() && !b"_-.".contains(byte)) {
                self.text(4, word);
            }
        }
    }

    fn in_order(mut self) -> Vec<Value> {
        self.values.sort_by_key(|(rank, _)| *rank);
        self.values.into_iter().map(|(_, value)| value).take(MOST).collect()
    }
}

impl CodeConstant {
    fn length(&self) -> Option<usize> {
        match self {
            Self::Number(number) => usize::try_from(*number).ok().filter(|length| LENGTHS.contains(length)),
            _ => None,
        }
    }
}

/// The text whose bytes this number is, if they are printable.
fn piece(number: i64) -> Option<Vec<u8>> {
    let bytes = number.to_le_bytes();
    let long = if i32::try_from(number).is_ok() { 4 } else { 8 };
    let bytes: Vec<u8> = bytes[..long].iter().copied().take_while(|byte| *byte != 0).collect();
    (bytes.len() > 1 && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))).then_some(bytes)
}

fn slice<'a>(data: &[(usize, &'a [u8])], place: i64, length: usize) -> Option<&'a [u8]> {
    let place = usize::try_from(place).ok()?;
    // The segment that begins last before this place; there may be a hundred thousand.
    let (start, bytes) = data[..data.partition_point(|(start, _)| *start <= place)].last()?;
    bytes.get(place - start..)?.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found_in(code: &str, data: &str) -> Vec<Value> {
        let text =
            format!(r#"(component (core module (memory 1) (func (drop {code})) (data (i32.const 64) "{data}")))"#);
        find(&wat::parse_str(text).unwrap())
    }

    #[test]
    fn what_code_compares_with_comes_first() {
        let found = found_in("(i32.eq (i32.const 5) (i32.const 4711))", "some words");
        assert_eq!(found[0], json!(4711));
        assert!(found.contains(&json!("some words")) && found.contains(&json!("words")), "{found:?}");
        assert!(found_in("(f64.eq (f64.const 1) (f64.const 2.5))", "").contains(&json!(2.5)));
    }

    #[test]
    fn texts_that_the_compiler_made_numbers_of_are_put_together_again() {
        // "open sesame", as eight bytes and the last eight of eleven.
        let number = |text: &[u8; 8]| i64::from_le_bytes(*text);
        let (one, two) = (number(b"open ses"), number(b"n sesame"));
        let code = format!(
            "(i64.or (i64.xor (i64.load (i32.const 0)) (i64.const {one})) (i64.xor (i64.load (i32.const 3)) (i64.const {two})))"
        );
        assert!(found_in(&code, "").contains(&json!("open sesame")));
    }

    #[test]
    fn texts_that_lie_side_by_side_are_told_apart_by_place_and_length() {
        let found = found_in("(i32.add (i32.const 69) (i32.const 6))", "aheadsesamebehind");
        assert!(found.contains(&json!("sesame")), "{found:?}");
        // A table: place 64, length 5.
        let found = found_in("(i32.const 0)", r"ahead---\40\00\00\00\05\00\00\00");
        assert!(found.contains(&json!("ahead")), "{found:?}");
    }

    #[test]
    fn they_are_found_in_the_same_order_each_time() {
        // One place, and two numbers beside it that can be its length.
        let code = "(i32.add (i32.const 5) (i32.add (i32.const 64) (i32.const 7)))";
        for _ in 0..32 {
            let found = found_in(code, "aheadsesame");
            assert_eq!(found[..2], [json!("ahead"), json!("aheadse")]);
        }
    }

    #[test]
    fn damaged_bytes_have_nothing() {
        assert!(find(b"").is_empty() && find(b"\0asm garbage").is_empty());
    }
}
