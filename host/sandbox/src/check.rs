//! Checks a component's bytes before anything compiles them: size, contract, and what compiling would cost. The
//! bytes are read in `host/contract/`; what is here is the limits, applied.

use crate::{Error, Stage, limits};
use glassbox_contract::{Inspection, compile_cost};

/// Read what a component's bytes say about it: imports, exports, manifest, and every difference from the contract.
/// `plugin` is the name for error messages.
///
/// # Errors
/// Of [`Stage::Check`], when the bytes are not a component at all (empty, text, a core module, cut off), or are too
/// many. A component that differs from the contract is not an error here.
pub fn inspect(plugin: &str, bytes: &[u8]) -> Result<Inspection, Error> {
    let fail = |reason: String| Error::new(plugin, Stage::Check, reason);
    if bytes.len() > limits::COMPONENT {
        let size = bytes.len() >> 20;
        return Err(fail(format!("the file has {size} MiB; the limit is {} MiB", limits::COMPONENT >> 20)));
    }
    let mut found = glassbox_contract::inspect(bytes).map_err(|error| fail(error.to_string()))?;
    let too_long = |text: &mut String| text.len() > limits::MANIFEST;
    if let Some(text) = found.manifest.take_if(too_long) {
        let (size, most) = (text.len(), limits::MANIFEST);
        found.differences.push(format!("its manifest has {size} bytes; the limit is {most}"));
    }
    Ok(found)
}

/// Whether the component can be compiled in reasonable time; no output of a compiler comes near these limits.
///
/// # Errors
/// Every limit that it exceeds, in words.
pub fn compilable(bytes: &[u8]) -> Result<(), Vec<String>> {
    let cost = compile_cost(bytes).map_err(|error| vec![error.to_string()])?;
    let found = [
        (cost.functions, limits::FUNCTIONS, "functions and types"),
        (cost.code, limits::CODE, "bytes of code"),
        (cost.largest_function, limits::FUNCTION, "bytes of code in one function"),
        (cost.loop_depth, limits::LOOP_DEPTH, "nested loops"),
        (cost.loop_work, limits::LOOP_WORK, "loops times variables"),
    ];
    let exceeded = found.iter().filter(|(found, most, _)| found > most);
    let words = |(found, most, what): &(_, _, _)| format!("it has {found} {what}; the limit is {most}");
    let wrong: Vec<_> = exceeded.map(words).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
