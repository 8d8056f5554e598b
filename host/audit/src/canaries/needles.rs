//! Finds a secret in a text in many forms: as it is, encoded, reversed, hashed, in pieces. Upper and lower case
//! are the same here: secrets are long enough that none is found by accident.

use glassbox_sandbox::hex;
use md5::Md5;
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// The form in which a secret turned up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Form {
    Plain,
    Percent,
    Base64,
    Hex,
    Reversed,
    Md5,
    Sha1,
    Sha256,
    /// A hash of it together with the id: whoever receives the report can test guesses.
    HashWithId,
    /// A hash of it together with a setting that never leaves the machine.
    SaltedHash,
    /// A part of it, or of one of its encodings.
    Piece,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "as it is",
            Self::Percent => "percent-encoded",
            Self::Base64 => "in base64",
            Self::Hex => "in hex",
            Self::Reversed => "reversed",
            Self::Md5 => "as MD5",
            Self::Sha1 => "as SHA-1",
            Self::Sha256 => "as SHA-256",
            Self::HashWithId => "hashed with the id",
            Self::SaltedHash => "hashed with a salt that never leaves the machine",
            Self::Piece => "in pieces",
        })
    }
}

/// The shortest piece that is searched for, in bytes; for hashes and encodings, twice that.
const PIECE: usize = 6;

/// A secret's number, a form of it, and its bytes in that form.
type Needle = (usize, Form, Vec<u8>);

/// Secrets to search for, in all forms.
#[derive(Default)]
pub struct Needles {
    /// By their first bytes, so that one pass over a text finds all.
    all: HashMap<[u8; PIECE], Vec<Needle>>,
}

impl Needles {
    /// Add the secret `number`. `mark` is the part that cannot appear by accident, and `value` what the component was
    /// given, with the mark in it. `id` is the id in the settings, and `salts` are settings that never leave the
    /// machine: the secret may be hashed together with them.
    pub fn add(&mut self, number: usize, mark: &str, value: &str, id: &str, salts: &[String]) {
        for text in BTreeSet::from([mark, value]) {
            self.encoded(number, text.as_bytes());
            for (form, digest) in hashes(text.as_bytes()) {
                self.digest(number, form, &digest);
            }
            let with = |this: &mut Self, form, other: &str| {
                for between in ["", ":"] {
                    for both in [format!("{text}{between}{other}"), format!("{other}{between}{text}")] {
                        hashes(both.as_bytes()).iter().for_each(|(_, digest)| this.digest(number, form, digest));
                    }
                }
            };
            with(self, Form::HashWithId, id);
            salts.iter().for_each(|salt| with(self, Form::SaltedHash, salt));
        }
        // A number is too short for pieces of it to prove anything.
        if !mark.bytes().all(|byte| byte.is_ascii_digit()) {
            // Short pieces of hexadecimal text would be found in any hash.
            let piece = if mark.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') { 12 } else { PIECE };
            let reversed: Vec<u8> = mark.bytes().rev().collect();
            for text in [mark.as_bytes(), &reversed] {
                text.windows(piece).for_each(|part| self.needle(number, Form::Piece, part));
            }
            let all = base64(mark.as_bytes());
            let encoded = hex(mark.as_bytes()).into_bytes();
            for text in all.iter().map(String::as_bytes).chain([encoded.as_slice()]) {
                text.windows(2 * PIECE).for_each(|part| self.needle(number, Form::Piece, part));
            }
        }
    }

    fn encoded(&mut self, number: usize, text: &[u8]) {
        self.needle(number, Form::Plain, text);
        let percent: String = text.iter().map(|byte| format!("%{byte:02x}")).collect();
        self.needle(number, Form::Percent, percent.as_bytes());
        base64(text).iter().for_each(|text| self.needle(number, Form::Base64, text.as_bytes()));
        self.needle(number, Form::Hex, hex(text).as_bytes());
        let reversed: Vec<u8> = text.iter().rev().copied().collect();
        if reversed != text {
            self.needle(number, Form::Reversed, &reversed);
        }
        if let Some(value) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()) {
            self.needle(number, Form::Hex, format!("{value:x}").as_bytes());
        }
    }

    /// Add a hash, in hex and base64; its beginning is enough.
    fn digest(&mut self, number: usize, form: Form, digest: &[u8]) {
        self.needle(number, form, &hex(digest).as_bytes()[..2 * PIECE]);
        // Only as it is when encoded alone: nobody puts a hash into other text and then encodes that.
        base64(digest).iter().take(2).for_each(|text| self.needle(number, form, &text.as_bytes()[..2 * PIECE]));
    }

    fn needle(&mut self, number: usize, form: Form, needle: &[u8]) {
        let needle = needle.to_ascii_lowercase();
        if let Some(start) = needle.first_chunk() {
            self.all.entry(*start).or_default().push((number, form, needle));
        }
    }

    /// Which secrets are in a text, and in which forms. Where one is there as a whole, its pieces are not reported.
    pub fn search(&self, text: &str) -> BTreeSet<(usize, Form)> {
        let text = text.to_ascii_lowercase().into_bytes();
        let mut found = BTreeSet::new();
        for at in 0..text.len() {
            let Some(start) = text[at..].first_chunk() else { break };
            let here = self.all.get(start).into_iter().flatten();
            found.extend(here.filter(|(_, _, needle)| text[at..].starts_with(needle)).map(|(n, form, _)| (*n, *form)));
        }
        let whole: BTreeSet<_> = found.iter().filter(|(_, form)| *form != Form::Piece).map(|(n, _)| *n).collect();
        found.retain(|(number, form)| *form != Form::Piece || !whole.contains(number));
        found
    }
}

fn hashes(text: &[u8]) -> [(Form, Vec<u8>); 3] {
    [
        (Form::Md5, Md5::digest(text).to_vec()),
        (Form::Sha1, Sha1::digest(text).to_vec()),
        (Form::Sha256, Sha256::digest(text).to_vec()),
    ]
}

/// What is the same in base64 whatever text surrounds these bytes: for each of the three alignments in which they
/// can lie in that text, and in both alphabets.
fn base64(bytes: &[u8]) -> Vec<String> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut all = Vec::new();
    for before in 0..3 {
        let shifted = [&[0; 3][..before], bytes].concat();
        let sextet = |at: usize| {
            let (byte, bit) = (at * 6 / 8, at * 6 % 8);
            let pair = u16::from(shifted[byte]) << 8 | u16::from(shifted.get(byte + 1).copied().unwrap_or_default());
            char::from(STANDARD[usize::from(pair >> (10 - bit) & 63)])
        };
        let from = (before * 8).div_ceil(6);
        let text: String = (from..shifted.len() * 8 / 6).map(sextet).collect();
        all.push(text.replace('+', "-").replace('/', "_"));
        all.push(text);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "ghijklmnopqrstuvwxyz";
    const ID: &str = "0b5e4f7e-2f0a-4c8e-9d7c-0123456789ab";

    fn forms(text: &str) -> Vec<Form> {
        let mut needles = Needles::default();
        needles.add(0, MARK, &format!("a/{MARK}.gcode"), ID, &["salt-of-mine".into()]);
        needles.search(text).into_iter().map(|(_, form)| form).collect()
    }

    #[test]
    fn every_form_is_found_within_other_text() {
        let percent: String = MARK.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let reversed: String = MARK.chars().rev().collect();
        for (text, form) in [
            (MARK.to_string(), Form::Plain),
            (MARK.to_uppercase(), Form::Plain),
            (percent, Form::Percent),
            (hex(MARK.as_bytes()), Form::Hex),
            (reversed, Form::Reversed),
            (MARK[3..9].to_string(), Form::Piece),
            // What coreutils give for the whole value.
            ("YS9naGlqa2xtbm9wcXJzdHV2d3h5ei5nY29kZQ==".into(), Form::Base64),
            ("eGEvZ2hpamtsbW5vcHFyc3R1dnd4eXouZ2NvZGU=".into(), Form::Base64),
            ("eHhhL2doaWprbG1ub3BxcnN0dXZ3eHl6Lmdjb2Rl".into(), Form::Base64),
        ] {
            assert_eq!(forms(&format!("x={text}&y")), [form], "{text}");
        }
        assert_eq!(forms("nothing of it, ghijk only"), []);
    }

    #[test]
    fn hashes_are_found_alone_with_the_id_and_with_a_salt() {
        let digest = |text: String| hex(&Sha1::digest(text.as_bytes()));
        assert_eq!(forms(&digest(MARK.into())), [Form::Sha1]);
        assert_eq!(forms(&digest(format!("a/{MARK}.gcode"))), [Form::Sha1]);
        assert_eq!(forms(&digest(format!("a/{MARK}.gcode{ID}"))), [Form::HashWithId]);
        assert_eq!(forms(&digest(format!("a/{MARK}.gcodesalt-of-mine"))), [Form::SaltedHash]);
        assert_eq!(forms(&digest("something else".into())), []);
        assert_eq!(forms(&hex(&Md5::digest(MARK))[..16]), [Form::Md5]);
        assert_eq!(forms(&hex(&Sha256::digest(MARK))), [Form::Sha256]);
    }

    #[test]
    fn the_hashes_are_those_that_everybody_has() {
        let known = hashes(b"abc").map(|(_, digest)| hex(&digest));
        assert_eq!(known[0], "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(known[1], "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(known[2], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
