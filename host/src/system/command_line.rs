//! A program with its first arguments, as somebody writes it into the configuration: `vcgencmd`, `/opt/vc/bin/vcgencmd`,
//! `sudo -n vcgencmd`, or a list of these words. No shell reads it.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::path::Path;

/// The words of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<String>,
    /// Whether it was written as one text.
    is_text: bool,
}

impl CommandLine {
    /// The program, and its arguments followed by `last`, unless that is there already: OctoPrint's setting for the same
    /// thing ends with it.
    pub(super) fn with<'a>(&'a self, last: &'a str) -> (&'a Path, Vec<&'a str>) {
        let mut words = self.words();
        if words.last() != Some(&last) || words.len() == 1 {
            words.push(last);
        }
        (Path::new(words[0]), words[1..].to_vec())
    }

    fn words(&self) -> Vec<&str> {
        match self.words.as_slice() {
            // There may be blanks in a path.
            [text] if self.is_text && !Path::new(text).is_file() && !text.trim_ascii().is_empty() => {
                text.split_ascii_whitespace().collect()
            }
            words => words.iter().map(String::as_str).collect(),
        }
    }
}

impl From<&str> for CommandLine {
    fn from(text: &str) -> Self {
        Self { words: vec![text.into()], is_text: true }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = CommandLine;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a program, with arguments if it needs any")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<CommandLine, E> {
                Ok(text.into())
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<CommandLine, A::Error> {
                let mut words: Vec<String> = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                if words.is_empty() {
                    return Err(A::Error::invalid_length(0, &self));
                }
                Ok(CommandLine { words, is_text: false })
            }
        }
        from.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_folder::TestFolder;
    use super::*;

    fn read(toml: &str) -> Result<CommandLine, String> {
        #[derive(Deserialize)]
        struct Config {
            vcgencmd: CommandLine,
        }
        toml::from_str::<Config>(&format!("vcgencmd = {toml}")).map(|config| config.vcgencmd).map_err(|e| e.to_string())
    }

    #[test]
    fn a_text_is_cut_at_blanks_unless_it_is_a_file() {
        let folder = TestFolder::new();
        let file = folder.file("my tools/vcgencmd", "");
        let file = file.to_str().unwrap();
        let missing = format!("{file}2");
        let (one, two) = missing.split_once(' ').unwrap();
        for (toml, program, arguments) in [
            ("'vcgencmd'", "vcgencmd", vec!["get_throttled"]),
            ("'sudo  -n vcgencmd '", "sudo", vec!["-n", "vcgencmd", "get_throttled"]),
            ("'/usr/bin/vcgencmd get_throttled'", "/usr/bin/vcgencmd", vec!["get_throttled"]),
            ("'get_throttled'", "get_throttled", vec!["get_throttled"]),
            ("['a b', 'c d']", "a b", vec!["c d", "get_throttled"]),
            ("''", "", vec!["get_throttled"]),
            (&format!("'{file}'"), file, vec!["get_throttled"]),
            (&format!("'{missing}'"), one, vec![two, "get_throttled"]),
        ] {
            let command = read(toml).unwrap();
            assert_eq!(command.with("get_throttled"), (Path::new(program), arguments), "{toml}");
        }
        assert_eq!(read("['sudo', 'vcgencmd']").unwrap().to_string(), "sudo vcgencmd");
        for wrong in ["3", "[]", "[3]", "{}"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
