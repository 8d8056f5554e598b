//! Looks at a component's bytes without compiling them. What there is to see is found elsewhere
//! (`host/contract/`); here are the limits.

use crate::{Error, Stage, limits};
use glassbox_contract::{Inspection, effort};

/// Inspect a component.
///
/// # Errors
/// When it is not a component at all: empty, text, a core module, cut off.
pub fn inspect(plugin: &str, bytes: &[u8]) -> Result<Inspection, Error> {
    let fail = |reason: String| Error::new(plugin, Stage::Check, reason);
    if bytes.len() > limits::COMPONENT {
        let size = bytes.len() >> 20;
        return Err(fail(format!("the file has {size} MiB; at most {} are read", limits::COMPONENT >> 20)));
    }
    let mut found = glassbox_contract::inspect(bytes).map_err(fail)?;
    let too_long = |text: &mut String| text.len() > limits::MANIFEST;
    if let Some(text) = found.manifest.take_if(too_long) {
        let (size, most) = (text.len(), limits::MANIFEST);
        found.differences.push(format!("its manifest has {size} bytes; at most {most} are read"));
    }
    Ok(found)
}

/// Whether compiling it is no trouble; no compiler's own code comes near these limits.
///
/// # Errors
/// Every limit that it passes.
pub fn compilable(bytes: &[u8]) -> Result<(), Vec<String>> {
    let all = effort(bytes).map_err(|error| vec![error.to_string()])?;
    let found = [
        (all.functions, limits::FUNCTIONS, "functions and types"),
        (all.code, limits::CODE, "bytes of code"),
        (all.largest, limits::FUNCTION, "bytes of code in one function"),
        (all.depth, limits::LOOP_DEPTH, "loops inside one another"),
        (all.work, limits::LOOP_WORK, "loops times variables"),
    ];
    let passed = found.iter().filter(|(found, most, _)| found > most);
    let words = |(found, most, what): &(_, _, _)| format!("it has {found} {what}; at most {most} are compiled");
    let wrong: Vec<_> = passed.map(words).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
