//! The world of `wit/tracker.wit`, and how a component differs from it: every difference at once, in terms that
//! the component's author knows. A test checks the tables here against the bundled tracker, which uses all of the
//! world.

use crate::cost::interface_cost;
use crate::types::{Function, functions};
use wasmparser::types::TypesRef;
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload, ValidPayload, Validator};

/// How deeply components may be nested: each level makes comparing slower. The encoder nests them one deep.
const DEEPEST: usize = 8;

/// Most bytes of types, imports, exports, and how the parts are put together: comparing two types takes time in
/// proportion to the product of their sizes. The bundled tracker has 2 KiB.
const INTERFACE: usize = 32 << 10;

/// The world's version.
const VERSION: &str = "2.0.0";

/// What has changed since version 1, for the author of a component that was built for it.
const SINCE_1: &str = "since contract 1.0.0, the host makes the id and the salt and keeps them private, load is shown \
                       only the settings that the manifest lists and adds none, there are no random bytes, send has no \
                       answer, on-tick is told what is due, and restore is shown again what was heard";

/// The interfaces that may be imported.
const IMPORTS: [&str; 4] =
    ["glassbox:tracker/http", "glassbox:tracker/clock", "glassbox:tracker/hardware", "glassbox:tracker/throttle"];

/// The functions of these interfaces, as `wit/` has them, with all types written out.
const IMPORTED: [Expected; 4] = [
    (
        "glassbox:tracker/http",
        "send",
        "func(record { method: enum { get, post }, name: string, fields: list<tuple<string, string>>, \
         user-agent: string })",
    ),
    ("glassbox:tracker/clock", "now", "func() -> u64"),
    (
        "glassbox:tracker/hardware",
        "probe",
        "func() -> record { os: option<string>, platform: option<string>, bits: option<u32>, cores: option<u32>, \
         frequency-mhz: option<f64>, memory-bytes: option<u64>, pi-model: option<string>, \
         octopi-version: option<string>, octopiuptodate-build: option<string> }",
    ),
    ("glassbox:tracker/throttle", "query", "func() -> option<u32>"),
];

/// The functions that must be exported, likewise.
const EXPORTED: [Expected; 6] = [
    ("", "on-event", "func(string, string) -> result<option<u64>, string>"),
    ("", "on-tick", "func(list<string>) -> result<option<u64>, string>"),
    ("glassbox:tracker/settings", "schema", "func() -> string"),
    ("glassbox:tracker/settings", "load", "func(string) -> result<_, string>"),
    ("glassbox:tracker/handover", "save", "func() -> string"),
    (
        "glassbox:tracker/handover",
        "restore",
        "func(list<record { name: string, payload: string, age-ms: u64 }>, string, u64) -> result<_, string>",
    ),
];

/// Interface, function, type.
type Expected = (&'static str, &'static str, &'static str);

/// What a component's bytes say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Names of all imports, in order.
    pub imports: Vec<String>,
    /// Names of all exports, in order.
    pub exports: Vec<String>,
    /// The manifest's text, not yet parsed; none if there is not exactly one, it is too long, or not UTF-8.
    pub manifest: Option<String>,
    /// Every difference from the world, in words; empty if the component is a tracker.
    pub differences: Vec<String>,
}

/// Why bytes are not a component that can be compared with the world.
#[derive(Debug, thiserror::Error)]
pub enum NotAComponent {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// They do not begin as WebAssembly does.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// They are a core module, which has not been encoded as a component.
    #[error("the file is a core module, not a component; encode it with wit-component")]
    CoreModule,
    /// They end too early.
    #[error("the file is cut off")]
    CutOff,
    /// They are not valid WebAssembly.
    #[error("the file is damaged or cut off: {0}")]
    Damaged(BinaryReaderError),
    /// Components are nested too deeply.
    #[error("the file has components nested more than {DEEPEST} deep")]
    TooDeep,
    /// Types, imports and exports take this many bytes, which are too many.
    #[error("its types, imports and exports take {0} bytes; the limit is {INTERFACE}")]
    InterfaceTooLarge(usize),
}

/// Compare a component with the world.
///
/// # Errors
/// When it is not a component at all, or one that would take too long to compare. That it differs from the world
/// is not an error; see [`Inspection::differences`].
pub fn compare(bytes: &[u8]) -> Result<Inspection, NotAComponent> {
    use NotAComponent::{CoreModule, CutOff, Damaged};
    if bytes.is_empty() {
        return Err(NotAComponent::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(NotAComponent::NotWasm);
    }
    let cost = interface_cost(bytes).map_err(Damaged)?;
    if cost.depth > DEEPEST {
        return Err(NotAComponent::TooDeep);
    }
    if cost.size > INTERFACE {
        return Err(NotAComponent::InterfaceTooLarge(cost.size));
    }
    let mut found = Inspection::default();
    let (mut validator, mut types) = (Validator::new(), None);
    // Sections of nested modules and components are not the outer level's.
    let (mut depth, mut nested) = (0_usize, false);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(Damaged)?;
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(CoreModule);
            }
            Payload::ModuleSection { unchecked_range: range, .. }
            | Payload::ComponentSection { unchecked_range: range, .. } => {
                // The parser would take the file's end for the nested one's.
                if range.end > bytes.len() {
                    return Err(CutOff);
                }
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section.clone() {
                    found.imports.push(import.map_err(Damaged)?.name.name.to_string());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section.clone() {
                    found.exports.push(export.map_err(Damaged)?.name.name.to_string());
                }
            }
            Payload::ComponentCanonicalSection(_) if depth > 0 => nested = true,
            _ => {}
        }
        // This leaves out the bodies of functions, which the compiler validates.
        if let ValidPayload::End(end) = validator.payload(&payload).map_err(Damaged)? {
            types = Some(end);
        }
    }
    differences(&mut found, types.ok_or(CutOff)?.as_ref());
    if nested {
        let nested = "it contains a component that has functions of its own; a tracker is a single component";
        found.differences.push(nested.into());
    }
    match glassbox_sandbox::manifest_text(bytes) {
        Ok(text) => found.manifest = Some(text),
        Err(reason) => found.differences.push(reason),
    }
    Ok(found)
}

fn differences(found: &mut Inspection, types: TypesRef) {
    let Inspection { imports, exports, differences, .. } = found;
    let imported = |name: &str| functions(types, types.component_item_for_import(name));
    let exported = |name: &str| functions(types, types.component_item_for_export(name));
    imports.iter().for_each(|name| import(name, imported(name), differences));
    // Random bytes were part of the world before 2.0.0, and can be asked for without being built for WASI.
    if imports.iter().any(|name| name.starts_with("wasi:") && !name.starts_with("wasi:random/random@")) {
        differences.push("it was built for WASI; build it for wasm32-unknown-unknown".into());
    }
    let is_of_1 = |name: &String| name.starts_with("glassbox:tracker/") && name.contains("@1.");
    let of_1 = imports.iter().chain(exports.iter()).any(is_of_1);
    let exports: Vec<_> = exports.iter().map(|name| (name.as_str(), exported(name))).collect();
    EXPORTED.iter().for_each(|expected| export(expected, &exports, differences));
    if of_1 {
        differences.push(SINCE_1.into());
    }
    // A missing interface is reported once for each of its functions.
    differences.dedup();
}

fn import(name: &str, functions: Vec<Function>, differences: &mut Vec<String>) {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    if !IMPORTS.contains(&interface) {
        return differences.push(format!("it imports {name}, which no tracker may use"));
    }
    if version != VERSION {
        let age = age(version, VERSION);
        return differences.push(format!("it imports {name}; this host has {interface}@{VERSION}{age}"));
    }
    for Function { name: function, ty } in functions {
        if function.is_empty() {
            differences.push(format!("it imports {name} as {ty}; it must be an interface"));
            continue;
        }
        match IMPORTED.iter().find(|(of, known, _)| *of == interface && *known == function) {
            None => differences.push(format!("it imports {function} of {name}, which has no such function")),
            Some((_, _, expected)) if ty != *expected => {
                differences.push(format!("it imports {function} of {name} as\n  {ty}\nbut it must be\n  {expected}"));
            }
            Some(_) => {}
        }
    }
}

fn export(
    (interface, function, expected): &Expected,
    exports: &[(&str, Vec<Function>)],
    differences: &mut Vec<String>,
) {
    let whole = if interface.is_empty() { (*function).to_string() } else { format!("{interface}@{VERSION}") };
    let Some((_, found)) = exports.iter().find(|(name, _)| *name == whole) else {
        let other = exports.iter().find(|(name, _)| name.split('@').next() == Some(interface));
        return differences.push(match other {
            Some((name, _)) => {
                let version = name.split('@').nth(1).unwrap_or_default();
                format!("it exports {name}; this host needs {whole}{}", age(version, VERSION))
            }
            None => format!("it does not export {whole}"),
        });
    };
    let of = if interface.is_empty() { String::new() } else { format!(" of {whole}") };
    match found.iter().find(|known| known.name == *function || interface.is_empty()) {
        None => differences.push(format!("it does not export {function}{of}")),
        Some(Function { ty, .. }) if ty != expected => {
            differences.push(format!("it exports {function}{of} as\n  {ty}\nbut it must be\n  {expected}"));
        }
        Some(_) => {}
    }
}

/// Whether the component is newer or older than this host, for a message.
fn age(found: &str, ours: &str) -> &'static str {
    let numbers = |version: &str| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>();
    match numbers(found).cmp(&numbers(ours)) {
        std::cmp::Ordering::Greater => " (the plugin is newer than this host)",
        std::cmp::Ordering::Less => " (the plugin is older than this host)",
        std::cmp::Ordering::Equal => "",
    }
}
