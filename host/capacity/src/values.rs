//! How many values a rule allows, in bits: the logarithm to base 2 of an upper bound. `host/docs/capacity.md` has the
//! reasons.

use glassbox_describe::free;
use glassbox_sandbox::limits;
use glassbox_sandbox::manifest::{Rule, UserAgent};
use regex_syntax::hir::{Class, Hir, HirKind};

/// Unicode's characters, in bits.
const CHARACTER: f64 = 20.085;

/// Printable ASCII, in bits: 95 characters.
const PLAIN: f64 = 6.57;

/// Of a value that the component makes up by this rule, and may leave out if it is `optional`.
pub(crate) fn of_rule(rule: &Rule, optional: bool) -> f64 {
    let longest = rule.max_length.unwrap_or(limits::VALUE_CHARS);
    let mut bits = any_text(longest, CHARACTER);
    if let Some(pattern) = &rule.pattern {
        bits = bits.min(of_pattern(pattern, longest).unwrap_or(bits));
    }
    if let Some(values) = &rule.one_of {
        bits = bits.min(count(values.len()));
    }
    if rule.constant.is_some() {
        bits = 0.0;
    }
    if optional { any_of([bits, 0.0].into_iter()) } else { bits }
}

/// Of a user agent that the component makes up.
pub(crate) fn of_agent(agent: &UserAgent) -> f64 {
    match agent {
        UserAgent::Pattern(pattern) if free::is_agent(agent) => {
            let any = any_text(limits::NAME, PLAIN);
            of_pattern(pattern, limits::NAME).map_or(any, |bits| bits.min(any))
        }
        UserAgent::Pattern(_) | UserAgent::Pinned(_) => 0.0,
    }
}

/// Of a variable in a request's name.
pub(crate) fn of_name(rule: &Rule) -> f64 {
    of_rule(rule, false).min(any_text(limits::NAME, PLAIN))
}

/// A choice among several: the logarithm of the sum of what each allows.
pub(crate) fn any_of(each: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = each.clone().fold(0.0, f64::max);
    // The largest is taken out, as 2 to its power is too large for a float.
    most + each.map(|bits| (bits - most).exp2()).sum::<f64>().max(1.0).log2()
}

fn count(values: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)] // a list in a manifest
    (values.max(1) as f64).log2()
}

fn any_text(longest: usize, character: f64) -> f64 {
    repeated(character, 0, longest)
}

/// From `least` to `most` of something that allows so many bits each time.
fn repeated(bits: f64, least: usize, most: usize) -> f64 {
    let kinds = most.saturating_sub(least) + 1;
    if bits <= 0.0 {
        return count(kinds);
    }
    #[allow(clippy::cast_precision_loss)] // at most some thousands of characters
    let (most, kinds) = (most as f64, kinds as f64);
    // A geometric series, with its largest term taken out.
    most * bits + ((1.0 - (-bits * kinds).exp2()) / (1.0 - (-bits).exp2())).log2()
}

/// None if the pattern cannot be read.
fn of_pattern(pattern: &str, longest: usize) -> Option<f64> {
    regex_syntax::parse(pattern).ok().map(|parsed| of_parsed(&parsed, longest))
}

/// A text that can be matched in two ways is counted twice, so this is an upper bound.
fn of_parsed(parsed: &Hir, longest: usize) -> f64 {
    match parsed.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 0.0,
        HirKind::Class(class) => {
            let size: usize = match class {
                Class::Unicode(class) => class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum(),
                Class::Bytes(class) => class.ranges().iter().map(regex_syntax::hir::ClassBytesRange::len).sum(),
            };
            count(size)
        }
        HirKind::Repetition(repetition) => {
            let times = |times: u32| usize::try_from(times).unwrap_or(usize::MAX).min(longest);
            let most = repetition.max.map_or(longest, times);
            repeated(of_parsed(&repetition.sub, longest), times(repetition.min).min(most), most)
        }
        HirKind::Capture(capture) => of_parsed(&capture.sub, longest),
        HirKind::Concat(parts) => parts.iter().map(|part| of_parsed(part, longest)).sum(),
        HirKind::Alternation(parts) => any_of(parts.iter().map(|part| of_parsed(part, longest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_allows_as_many_values_as_there_are() {
        let rule = |text: &str| {
            let text = format!(
                "plugin.name = \"p\"\n[[says]]\nrequest = \"r\"\nmethod = \"GET\"\nfields = [{{ name = \"f\", {text} }}]"
            );
            glassbox_sandbox::Manifest::parse(&text).unwrap().says[0].fields[0].rule.clone()
        };
        for (text, values) in [
            ("const = \"x\"", 1.0_f64),
            ("enum = [\"a\", \"b\", \"c\"]", 3.0),
            ("pattern = \"[0-9]\"", 10.0),
            ("pattern = \"[0-9]{1,3}\"", 1110.0),
            ("pattern = \"a|bc|[0-9]{2}\"", 102.0),
            ("pattern = \"(?:yes)?\"", 2.0),
            ("pattern = \"x*\"", 257.0),
            ("pattern = \"x*\", max_length = 9", 10.0),
            ("pattern = \"x{300}\", max_length = 9", 1.0),
            ("pattern = \"[0-9]{1,9}\", enum = [\"1\", \"2\"]", 2.0),
            ("max_length = 1", 1_112_065.0),
            // All but a line feed; surrogates, which are no characters, are counted.
            ("pattern = \".\"", 1_114_111.0),
        ] {
            let bits = of_rule(&rule(text), false);
            assert!((bits - values.log2()).abs() < 0.001, "{text}: {bits} and not {}", values.log2());
            let optional = of_rule(&rule(text), true);
            assert!((optional - (values + 1.0).log2()).abs() < 0.001, "{text}: {optional}");
        }
        // 256 characters of any kind, and what is longer than a float can say.
        assert!((of_rule(&rule("max_length = 256"), true) - 256.0 * CHARACTER).abs() < 0.1);
        assert!((of_rule(&rule("max_length = 16384"), true) - 16384.0 * CHARACTER).abs() < 0.1);
        assert!((of_rule(&rule("pattern = \"[0-9a-f]{40}\""), false) - 160.0).abs() < 0.001);
    }

    #[test]
    fn a_user_agent_is_short_and_plain() {
        let agent = |pattern: &str| of_agent(&UserAgent::Pattern(pattern.into()));
        assert!(agent("P/1") == 0.0 && agent(r"P/1\.0") == 0.0);
        assert!((agent("P/[0-9]") - 10_f64.log2()).abs() < 0.001);
        assert!((agent("(?s).*") - 128.0 * PLAIN).abs() < 0.1, "{}", agent("(?s).*"));
        // A pattern that cannot be read allows anything.
        assert!((agent(r"\p{Nothing}") - 128.0 * PLAIN).abs() < 0.1);
    }
}
