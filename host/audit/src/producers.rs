//! What a component says about itself: the sections `producers` and `version`, which its tools wrote. None of
//! it is proof of anything, as anybody can write anything there.

use serde::Serialize;
use std::collections::BTreeSet;
use wasmparser::{KnownCustom, Parser, Payload};

/// A tool or language with which the component claims to be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a component claims about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SelfDescription {
    /// The tools and languages, sorted.
    pub producers: Vec<Producer>,
    /// Its version, if it names one.
    pub version: Option<String>,
}

/// The most producers that are read.
const MOST: usize = 32;

/// Read the claims of a component; damaged sections are left out.
pub fn read(component: &[u8]) -> SelfDescription {
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
    SelfDescription { producers: producers.into_iter().take(MOST).collect(), version }
}

fn cut(text: &str) -> String {
    glassbox_sandbox::printable(text, 80)
}
