//! Any bytes as a component: what is said of it is true as another look at it tells, and can be shown.
#![no_main]

mod sections;

use glassbox_contract::{Inspection, NotAComponent, compare};
use glassbox_sandbox::{Error, Stage, compile_cost};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::TypesRef;
use wasmparser::{Parser, Validator};

fuzz_target!(|data: &[u8]| {
    let whole = Validator::new().validate_all(data);
    let is_component = Parser::is_component(data);
    match compare(data) {
        Err(reason) => {
            // The validator takes the end of the file for that of a nested component, and has no such limits.
            use NotAComponent::{CutOff, InterfaceTooLarge, TooDeep};
            let known = matches!(reason, CutOff | TooDeep | InterfaceTooLarge(_));
            assert!(whole.is_err() || !is_component || known, "it is valid, but: {reason}");
            can_be_shown(vec![reason.to_string()]);
        }
        Ok(found) => {
            assert!(is_component);
            is_in(data, &found);
            appended(data, &found);
            if let (Ok(types), []) = (&whole, found.differences.as_slice()) {
                fits(&found, types.as_ref());
            }
            can_be_shown(found.differences);
        }
    }
    match compile_cost(data) {
        Ok(cost) => {
            assert!(cost.code <= data.len() && cost.largest_function <= cost.code);
            assert!(cost.loop_depth <= cost.largest_function);
            assert!(cost.loop_work >= cost.loop_depth);
        }
        Err(error) => assert!(whole.is_err(), "it is valid, but: {error}"),
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match sections::mutate(&data[..size], seed) {
        Some(new) if new.len() <= max_size => {
            data[..new.len()].copy_from_slice(&new);
            new.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

/// What was found stands in the file.
fn is_in(data: &[u8], found: &Inspection) {
    let stands = |text: &str| text.is_empty() || data.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(found.imports.iter().chain(&found.exports).chain(&found.manifest).all(|text| stands(text)));
}

/// One more section that is nobody's changes nothing; one more manifest is one too many, or the first.
fn appended(data: &[u8], found: &Inspection) {
    let more = |name: &str| compare(&[data, &sections::custom(name, b"m")].concat()).expect("it was a component");
    assert_eq!(*found, more("glassbox:nothing"));
    let other = more("glassbox:manifest");
    if found.manifest.is_some() {
        assert!(other.manifest.is_none() && other.differences.contains(&"it has 2 manifests".into()));
    }
    assert!(other.manifest.is_none_or(|text| text == "m"));
}

/// A component without a difference: nothing is imported or exported but functions, in interfaces, and
/// their values' types. That these types are the world's is tried against wasmtime elsewhere.
fn fits(found: &Inspection, types: TypesRef) {
    assert!(found.manifest.is_some());
    for name in &found.imports {
        match types.component_item_for_import(name).map(|item| item.ty) {
            Some(ComponentEntityType::Instance(id)) => {
                for item in types[id].exports.values() {
                    let plain = matches!(
                        item.ty,
                        ComponentEntityType::Func(_)
                            | ComponentEntityType::Type { referenced: ComponentAnyTypeId::Defined(_), .. }
                    );
                    assert!(plain, "{name} has {:?}", item.ty);
                }
            }
            other => panic!("{name} is {other:?}"),
        }
    }
}

/// As it would be said to somebody at a terminal: within bounds, and nothing but text.
fn can_be_shown(reasons: Vec<String>) {
    let said = Error { plugin: "p".into(), stage: Stage::Check, reasons }.to_string();
    assert!(said.len() < 1 << 20);
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
}
