//! The text of an error as it enters the box: without what looks like a path, an address, or the number of a machine.
//! What is taken out too much only makes a report say less.

use std::net::{IpAddr, SocketAddr};

/// As many hex digits in a row are a serial number, a MAC address, a UUID or a hash. An address in memory mostly has
/// fewer.
const SERIAL_DIGITS: usize = 12;

/// So many letters and digits in a row, with so many digits among them, are a serial number.
const MIXED_CHARS: usize = 10;
const MIXED_DIGITS: usize = 4;

/// What stands for that which is taken out of a text.
const REMOVED: &str = "…";

/// A text without what looks like a path, an address, or the number of a machine.
pub(crate) fn error_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut words = line.split_inclusive(char::is_whitespace);
        while let Some(word) = words.next() {
            if !is_telling(word.trim_end()) {
                out.push_str(word);
                continue;
            }
            // A path may have blanks in it: it goes on to its closing quote, or to the end of a file's name.
            let quote = closing_quote(word);
            let ends = |word: &str| quote.map_or_else(|| is_file(word), |quote| word.contains(quote));
            let mut last = word;
            if !quote.is_some_and(|quote| word[quote.len_utf8()..].contains(quote)) {
                let rest: Vec<_> = words.clone().collect();
                let further = rest.iter().position(|word| ends(word)).map_or(0, |at| at + 1);
                last = words.by_ref().take(further).last().unwrap_or(word);
            }
            out.push_str(REMOVED);
            out.push_str(&last[last.trim_end().len()..]);
        }
    }
    out
}

/// The quote that closes what this word opens.
fn closing_quote(word: &str) -> Option<char> {
    match word.chars().next()? {
        '“' => Some('”'),
        '‘' => Some('’'),
        quote @ ('"' | '\'' | '`') => Some(quote),
        _ => None,
    }
}

/// Whether a word tells of a path, an address, or the number of a machine.
fn is_telling(word: &str) -> bool {
    is_path(word)
        || is_file(word)
        || word.contains(['\\', '@'])
        || word.contains("://")
        || is_address(word)
        || has_serial(word)
}

/// A slash at its beginning, or after a character that no word has before one, as in `I/O`; or an ending like that of a
/// file after a slash. Temperatures (`210.0/215.0`, `/0.00`) are none.
fn is_path(word: &str) -> bool {
    let starts_or_ends = |(at, _)| {
        let (before, rest) = (&word[..at], &word[at + 1..]);
        let is_number = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || ['.', ',', ';'].contains(&c));
        let starts = !before.ends_with(char::is_alphanumeric) && !is_number;
        let ending = rest.rsplit_once('.').map_or("", |(_, ending)| ending);
        starts || ending.starts_with(char::is_alphabetic)
    };
    word.match_indices('/').any(starts_or_ends) || word.contains("%2F") || word.contains("%2f")
}

/// Whether it ends like the name of a file that is printed.
fn is_file(word: &str) -> bool {
    const ENDINGS: [&str; 10] = ["gcode", "gco", "gc", "bgcode", "nc", "ngc", "stl", "3mf", "ufp", "obj"];
    let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    bare.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// A number of the network, or a name in the home's.
fn is_address(word: &str) -> bool {
    const AT_HOME: [&str; 8] = ["local", "lan", "home", "internal", "intranet", "localdomain", "box", "arpa"];
    let names = word.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '-').map(|name| name.trim_matches('.'));
    let is_at_home = |name: &str| {
        name.rsplit_once('.').is_some_and(|(_, last)| AT_HOME.iter().any(|home| last.eq_ignore_ascii_case(home)))
    };
    if names.into_iter().any(is_at_home) {
        return true;
    }
    let parts = word.split(|c: char| !c.is_ascii_hexdigit() && !['.', ':', '[', ']'].contains(&c));
    // A port and a bracket may stand around it, and a full stop or colon behind it.
    parts.map(|part| part.trim_end_matches(['.', ':'])).any(|part| {
        let is_one = part.parse::<IpAddr>().is_ok() || part.parse::<SocketAddr>().is_ok();
        is_one || part.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|_| part.len() > 2)
    })
}

/// A MAC address, a UUID, a hash: as many hex digits in a row, whatever separates them. Or letters among digits, as in the
/// serial numbers of boards.
pub(crate) fn has_serial(word: &str) -> bool {
    let mut digits = 0;
    let is_long = word.bytes().any(|byte| {
        match byte {
            _ if byte.is_ascii_hexdigit() => digits += 1,
            b':' | b'-' | b'.' | b'_' => {}
            _ => digits = 0,
        }
        digits >= SERIAL_DIGITS
    });
    let is_mixed = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() >= MIXED_CHARS && (MIXED_DIGITS..part.len()).contains(&digits)
    };
    is_long || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_enters_without_paths_addresses_and_numbers() {
        for (text, expected) in [
            ("Connection error, see log", "Connection error, see log"),
            (
                "SerialException: 'device reports readiness to read'",
                "SerialException: 'device reports readiness to read'",
            ),
            ("I/O error at 12:30:45: timeout", "I/O error at 12:30:45: timeout"),
            ("Printer halted. kill() called!", "Printer halted. kill() called!"),
            ("could not open port /dev/ttyUSB0: [Errno 2]", "could not open port … [Errno 2]"),
            ("No such file: '/home/anna/my secret part.gcode' (2)", "No such file: … (2)"),
            ("No such file: /home/anna/my secret part.gcode (2)", "No such file: … (2)"),
            ("file=/home/anna/x failed", "… failed"),
            ("opening uploads/part.txt now", "opening … now"),
            ("opening ~/part now", "opening … now"),
            ("part.gcode is broken\nnext line", "… is broken\nnext line"),
            ("C:\\Users\\Anna is gone", "… is gone"),
            ("write to anna@example.org", "write to …"),
            ("see https://example.org/anna, please", "see … please"),
            ("host 192.168.1.5:8080 refused", "host … refused"),
            ("host (192.168.1.5) refused", "host … refused"),
            ("host=192.168.1.5, refused", "… refused"),
            ("host fe80::1%eth0 refused", "host … refused"),
            ("host [2001:db8::1]:80 refused", "host … refused"),
            ("mac b8:27:eb:12:34:56 gone", "mac … gone"),
            ("serial 0123456789AB gone", "serial … gone"),
            ("id 4711abcd-4711-4711-8711-4711abcd4711", "id …"),
            ("board CZPX1234X004XK is gone", "board … is gone"),
            ("host octopi.local:80, or anna-pc.fritz.box", "host … or …"),
            ("HTTPConnectionPool(host='octopi.local', port=80): Max retries", "… port=80): Max retries"),
            ("opening %2Fhome%2Fanna now", "opening … now"),
            ("at 0x7f12ab", "at 0x7f12ab"),
            ("🔥/ü ä/🔥 “/Ä ö” … 🔥.gcode", "…"),
            ("T:210.0/215.0 /0.00 B:60.00 /60.00 @:0", "T:210.0/215.0 /0.00 B:60.00 /60.00 …"),
            (
                "read/write and/or e.g. v1.2.3, 50%, Marlin 2.1.2 (Nov 26 2026)",
                "read/write and/or e.g. v1.2.3, 50%, Marlin 2.1.2 (Nov 26 2026)",
            ),
            ("MINTEMP triggered, system stopped! Heater_ID: 0", "MINTEMP triggered, system stopped! Heater_ID: 0"),
            ("", ""),
        ] {
            assert_eq!(error_text(text), expected, "{text}");
        }
    }
}
