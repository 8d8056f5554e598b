//! Checks a component's bytes before anything compiles them: its size, its manifest, and what compiling would cost. What
//! it imports and exports is checked when it is linked, and said in words by `host/contract/`, which nothing here needs.

use crate::cost::compile_cost;
use crate::{Error, Manifest, Policy, Stage, hex, limits};
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

/// The custom section that holds the manifest.
const MANIFEST_SECTION: &str = "glassbox:manifest";

/// The digest that identifies a component in grants, journal, cache and attestations: the SHA-256 of its bytes, as 64
/// lower-case hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What the manifest in a component allows. `name` is its file's name without `.wasm`; the manifest must give the same.
/// The component is not compiled, and its code not looked at.
///
/// # Errors
/// Of [`Stage::Check`], when it has no manifest that can be read; else of [`Stage::Manifest`], everything that is wrong
/// with that.
pub fn examine(name: &str, bytes: &[u8]) -> Result<Policy, Error> {
    let text = manifest(bytes).map_err(|reason| Error::new(name, Stage::Check, reason))?;
    let wrong = |reasons| Error { plugin: name.into(), stage: Stage::Manifest, reasons };
    let manifest = Manifest::parse(&text).map_err(|error| wrong(vec![error.to_string()]))?;
    let other = Some(manifest.plugin.name.clone()).filter(|other| other != name);
    let policy = Policy::new(manifest).map_err(|all| all.0);
    let misnamed = other
        .map(|other| format!("it says that the plugin is '{other}', but the file is '{name}.wasm'; rename the file"));
    match (policy, misnamed) {
        (Ok(policy), None) => Ok(policy),
        (policy, misnamed) => Err(wrong(misnamed.into_iter().chain(policy.err().unwrap_or_default()).collect())),
    }
}

/// The text of a component's manifest, not yet parsed.
///
/// # Errors
/// Why there is none, or none that can be read, in words.
pub fn manifest(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > limits::COMPONENT {
        let size = bytes.len() >> 20;
        return Err(format!("the file has {size} MiB; the limit is {} MiB", limits::COMPONENT >> 20));
    }
    let mut found = Vec::new();
    // Sections of nested modules and components are not the outer level's.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| format!("the file is damaged or cut off: {error}"))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == MANIFEST_SECTION => {
                found.push(section.data());
            }
            _ => {}
        }
    }
    match found.as_slice() {
        [] => Err("it has no manifest: embed one as the custom section glassbox:manifest".into()),
        [text] if text.len() > limits::MANIFEST => {
            Err(format!("its manifest has {} bytes; the limit is {}", text.len(), limits::MANIFEST))
        }
        [text] => String::from_utf8(text.to_vec()).map_err(|_| "its manifest is not UTF-8".into()),
        several => Err(format!("it has {} manifests", several.len())),
    }
}

/// Whether the component can be compiled in reasonable time; no output of a compiler comes near these limits. `here`: by
/// this process, and not by one of its own.
///
/// # Errors
/// Every limit that it exceeds, in words.
pub fn compilable(bytes: &[u8], here: bool) -> Result<(), Vec<String>> {
    let cost = compile_cost(bytes).map_err(|error| vec![error.to_string()])?;
    let code = if here { limits::CODE_HERE } else { limits::CODE };
    let loop_work = if here { limits::LOOP_WORK_HERE } else { limits::LOOP_WORK };
    let found = [
        (cost.functions, limits::FUNCTIONS, "functions and types"),
        (cost.code, code, "bytes of code"),
        (cost.largest_function, limits::FUNCTION, "bytes of code in one function"),
        (cost.loop_depth, limits::LOOP_DEPTH, "nested loops"),
        (cost.loop_work, loop_work, "loops times variables"),
    ];
    let exceeded = found.iter().filter(|(found, most, _)| found > most);
    let words = |(found, most, what): &(_, _, _)| format!("it has {found} {what}; the limit is {most}");
    let wrong: Vec<_> = exceeded.map(words).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
