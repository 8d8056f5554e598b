//! What a component is: its bytes, and what its tools wrote into them of themselves. The latter is
//! hearsay: anybody can write anything there.

use serde::Serialize;
use std::collections::BTreeSet;
use wasmparser::{KnownCustom, Parser, Payload};

/// A tool or language that is said to have made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hearsay {
    /// What it is said to be made with.
    pub producers: Vec<Producer>,
    /// Its version, if it has one.
    pub version: Option<String>,
}

/// More than this is nobody's tools.
const MOST: usize = 32;

/// Read it; what is damaged is left out.
#[must_use]
pub fn hearsay(component: &[u8]) -> Hearsay {
    let (mut producers, mut version) = (BTreeSet::new(), None);
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        let Payload::CustomSection(section) = payload else { continue };
        if section.name() == "version" && version.is_none() {
            version = std::str::from_utf8(section.data()).ok().map(cut);
        }
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        for field in fields.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok).take(MOST) {
                producers.insert(Producer {
                    role: cut(field.name),
                    name: cut(value.name),
                    version: cut(value.version),
                });
            }
        }
    }
    Hearsay { producers: producers.into_iter().take(MOST).collect(), version }
}

fn cut(text: &str) -> String {
    glassbox_sandbox::printable(text, 80)
}
