//! Capacity in words, for a terminal.

use crate::{Capacity, Day, Report};
use std::fmt;

/// So many bits, rounded up: `1 bit`, `1.6 bits`, `5,349 bits`, `22.7 Gbit`.
pub fn bits(bits: f64) -> String {
    let tenths = |bits: f64| {
        // What a float is off by is no tenth.
        let text = format!("{:.1}", ((bits * 10.0 - 1e-6).ceil() / 10.0).abs());
        text.strip_suffix(".0").map_or(text.clone(), Into::into)
    };
    match bits {
        ..10.0 => match tenths(bits).as_str() {
            "1" => "1 bit".into(),
            "0" => "no bit".into(),
            few => format!("{few} bits"),
        },
        ..1e6 => {
            let whole = format!("{:.0}", (bits - 1e-6).ceil());
            let (thousands, rest) = whole.split_at(whole.len().saturating_sub(3));
            let comma = if thousands.is_empty() { "" } else { "," };
            format!("{thousands}{comma}{rest} bits")
        }
        ..1e9 => format!("{} Mbit", tenths(bits / 1e6)),
        _ => format!("{} Gbit", tenths(bits / 1e9)),
    }
}

/// For example `97 bits for ping and pong, and 1 to 1.6 bits for each further report`.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.in_rhythm.is_empty() {
            parts.push(format!("{} for {}", bits(self.rhythm), self.in_rhythm.join(" and ")));
        }
        if self.at_will > 0.0 {
            parts.push(format!("{} for what it sends at will", bits(self.at_will)));
        }
        if let Some((least, most)) = self.further {
            let least = if bits(least) == bits(most) { String::new() } else { format!("{} to ", bits(least)) };
            parts.push(format!("{least}{} for each further report", bits(most)));
        }
        if parts.is_empty() { f.write_str("no bit") } else { f.write_str(&parts.join(", and ")) }
    }
}

/// As several lines of text; each begins with two spaces.
impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |report: &&Report| report.values <= 0.0 && report.sent <= 1.0;
        for report in self.reports.iter().filter(|report| !plain(report)) {
            let values =
                if report.values > 0.0 { format!("{} in what it says, ", bits(report.values)) } else { String::new() };
            let sent = match report {
                Report { at_will: true, .. } => "in when it is sent",
                Report { forms: 1, .. } => "in whether it is sent",
                _ => "in whether and in which form it is sent",
            };
            writeln!(f, "  {}: {values}{} {sent}", report.request, bits(report.sent))?;
        }
        let others = self.reports.iter().filter(plain).count();
        let who = if others == self.reports.len() { "each report" } else { "each other report" };
        if others > 0 {
            writeln!(f, "  {who}: {} in whether it is sent, and none in what it says", bits(1.0))?;
        }
        writeln!(f, "  in a day: {}", self.day)?;
        if self.reports.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "  in a call that it makes slow, or that fails: {} more; the journal shows each",
            bits(Self::delay())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_rounded_up_and_easy_to_read() {
        for (value, text) in [
            (0.0, "no bit"),
            (1.0, "1 bit"),
            (3_f64.log2(), "1.6 bits"),
            (3.0, "3 bits"),
            (0.01, "0.1 bits"),
            (9.96, "10 bits"),
            (97.0, "97 bits"),
            (160.000_000_1, "160 bits"),
            (5348.2, "5,349 bits"),
            (262_144.0, "262,144 bits"),
            (1_500_000.0, "1.5 Mbit"),
            (22.65e9, "22.7 Gbit"),
        ] {
            assert_eq!(bits(value), text);
        }
    }
}
