//! Looks at a component's bytes without compiling them: what kind of file it is, what it imports
//! and exports at its outer level, and its manifest.

use crate::error::{Error, Stage};
use crate::limits;
use wasmparser::{Encoding, Parser, Payload};

/// The custom section that holds the manifest.
const MANIFEST_SECTION: &str = "glassbox:manifest";

/// The only imports that there are.
const IMPORTS: [&str; 4] = [
    "glassbox:tracker/http@1.0.0",
    "glassbox:tracker/clock@1.0.0",
    "glassbox:tracker/hardware@1.0.0",
    "glassbox:tracker/throttle@1.0.0",
];
/// The fifth, of which any release of WASI 0.2 does.
const RANDOM: &str = "wasi:random/random@0.2.";

/// What a tracker must export.
const EXPORTS: [&str; 4] =
    ["on-event", "on-tick", "glassbox:tracker/settings@1.0.0", "glassbox:tracker/handover@1.0.0"];

/// What the bytes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Names of all imports, in order.
    pub imports: Vec<String>,
    /// Names of all exports, in order.
    pub exports: Vec<String>,
    /// The manifest's text.
    pub manifest: Option<String>,
    /// Every difference from the world, in a plugin author's words.
    pub differences: Vec<String>,
}

/// Inspect a component.
///
/// # Errors
/// When it is no component at all: empty, text, a core module, cut off.
pub fn inspect(plugin: &str, bytes: &[u8]) -> Result<Inspection, Error> {
    let fail = |reason: String| Error::new(plugin, Stage::Check, reason);
    if bytes.is_empty() {
        return Err(fail("the file is empty".into()));
    }
    if bytes.len() > limits::COMPONENT {
        let size = bytes.len() >> 20;
        return Err(fail(format!("the file has {size} MiB; at most {} are read", limits::COMPONENT >> 20)));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(fail("the file is not WebAssembly".into()));
    }
    let mut found = read(bytes).map_err(fail)?;
    found.differences = differences(&found);
    Ok(found)
}

fn read(bytes: &[u8]) -> Result<Inspection, String> {
    let mut found = Inspection::default();
    let damaged = |error: wasmparser::BinaryReaderError| format!("the file is damaged or cut off: {error}");
    // Sections of nested modules and components are not the outer level's.
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err("the file is a core module, not a component; encode it with wit-component".into());
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.imports.push(import.map_err(damaged)?.name.name.to_string());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    found.exports.push(export.map_err(damaged)?.name.name.to_string());
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == MANIFEST_SECTION => {
                let text = std::str::from_utf8(section.data()).map_err(|_| "its manifest is not UTF-8")?;
                if found.manifest.replace(text.into()).is_some() {
                    return Err("the file has two manifests".into());
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn differences(found: &Inspection) -> Vec<String> {
    let mut out = Vec::new();
    for import in &found.imports {
        if IMPORTS.contains(&import.as_str()) || import.starts_with(RANDOM) {
            continue;
        }
        let interface = import.split('@').next().unwrap_or_default();
        match IMPORTS.iter().find(|known| known.split('@').next() == Some(interface)) {
            Some(known) => out.push(format!("it imports {import}; this host has {known}")),
            None => out.push(format!("it imports {import}, which no tracker may use")),
        }
    }
    for export in EXPORTS {
        if !found.exports.iter().any(|name| name == export) {
            out.push(format!("it does not export {export}"));
        }
    }
    if found.manifest.is_none() {
        out.push("it has no manifest: embed one as the custom section glassbox:manifest".into());
    }
    out
}
