//! Makes the files of the cases: components that misbehave as told, the smallest tracker with a
//! piece of it replaced, good ones that are cut or padded, and code that compilers choke on.

use crate::hostile::case::{Base, Case};
use crate::support::workspace;
use glassbox::home::BUNDLED;
use glassbox_component::embed;
use glassbox_tests::{MISFIT, misfit};
use std::fmt::Write;

/// The file's content; none where it has none.
pub fn component(case: &Case) -> Option<Vec<u8>> {
    let plan = &case.component;
    let own = || case.text("component.wat").expect("a component.wat");
    let bytes = match plan.base {
        Base::Empty => return None,
        Base::Text => own().into_bytes(),
        Base::Bundled => BUNDLED.to_vec(),
        Base::Wat => with_manifests(case, assemble(&case.name, &own())),
        Base::Tiny => with_manifests(case, assemble(&case.name, &tiny(case))),
        Base::Misfit => with_manifests(case, bare_misfit(plan.word.as_deref())),
    };
    let mut bytes = bytes;
    if let Some((kind, size)) = &plan.module {
        section(&mut bytes, 1, &wat::parse_str(module(kind, *size)).expect("a module"));
    }
    if let Some(depth) = plan.nested {
        section(&mut bytes, 4, &nested(depth));
    }
    if let Some(percent) = plan.percent {
        bytes.truncate(bytes.len() * percent / 100);
    }
    Some(bytes)
}

fn assemble(name: &str, text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn tiny(case: &Case) -> String {
    let mut text = std::fs::read_to_string(workspace("tests/hostile/tiny.wat")).expect("tiny.wat");
    for (old, new) in &case.component.replace {
        assert!(text.contains(old), "{}: {old:?} is not in tiny.wat", case.name);
        text = text.replace(old, new);
    }
    let compared = case.component.compared.map(compared).unwrap_or_default();
    text.replace(";; imports", &format!(";; imports\n{compared}"))
}

/// A type with so many functions, and a component that is given it over and over: each time they
/// are compared.
fn compared(size: usize) -> String {
    let functions = (0..size).fold(String::new(), |out, i| out + &format!("(export \"f{i}\" (func))"));
    let again = "(instance (instantiate $c (with \"i\" (instance $x))))".repeat(900);
    format!(
        "(import \"glassbox:tracker/clock@2.0.0\" (instance $x {functions}))
         (component $c (import \"i\" (instance {functions}))) {again}"
    )
}

/// Components inside one another, down to an empty one.
fn nested(depth: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    // Heads from the inside to the outside, each with the length of what is inside.
    let (mut heads, mut length) = (vec![HEAD.to_vec()], HEAD.len());
    for _ in 0..depth {
        let mut head = HEAD.to_vec();
        head.push(4);
        leb(&mut head, length);
        length += head.len();
        heads.push(head);
    }
    heads.into_iter().rev().flatten().collect()
}

/// The misfit without its manifest, which is its last section.
fn bare_misfit(word: Option<&str>) -> Vec<u8> {
    let mut bytes = word.map_or_else(|| MISFIT.to_vec(), misfit);
    let manifest = std::fs::read_to_string(workspace("examples/misfit/misfit.toml")).expect("its manifest");
    let section = embed(b"\0asm", &manifest).expect("a section").split_off(4);
    assert!(bytes.ends_with(&section), "the manifest is the last section");
    bytes.truncate(bytes.len() - section.len());
    bytes
}

fn with_manifests(case: &Case, component: Vec<u8>) -> Vec<u8> {
    let plan = &case.component;
    let shared = match plan.base {
        Base::Misfit => "examples/misfit/misfit.toml",
        _ => "tests/hostile/tiny.toml",
    };
    let text = match &plan.manifest {
        Some((kind, size)) => manifest(kind, *size),
        None => case
            .text("manifest.toml")
            .unwrap_or_else(|| std::fs::read_to_string(workspace(shared)).expect("a manifest")),
    };
    (0..plan.manifests.unwrap_or(1)).fold(component, |component, _| embed(&component, &text).expect("a component"))
}

/// Append a section to a component.
fn section(bytes: &mut Vec<u8>, id: u8, content: &[u8]) {
    bytes.push(id);
    leb(bytes, content.len());
    bytes.extend_from_slice(content);
}

/// A number as WebAssembly writes it.
fn leb(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
}

/// Code that takes a compiler long, or much memory.
fn module(kind: &str, size: usize) -> String {
    let again = |size| "local.get 0 br_if 0 end ".repeat(size);
    match kind {
        "functions" => format!("(module {})", "(func)".repeat(size)),
        "types" => format!(
            "(module {})",
            (0..size).fold(String::new(), |mut out, i| {
                let bits = (0..20).map(|bit| if i >> bit & 1 == 1 { "i32 " } else { "i64 " });
                let _ = write!(out, "(type (func (param {})))", bits.collect::<String>());
                out
            })
        ),
        "nested-loops" => format!("(module (func (param i32) {} {}))", "loop ".repeat(size), again(size)),
        "loops-and-variables" => {
            let one = format!("loop {}", again(1));
            format!("(module (func (param i32) (local {}) {}))", "i32 ".repeat(1000), one.repeat(size))
        }
        "heavy-loops" => {
            let one = |i: usize| {
                let [a, b, c] = [1, 7, 13].map(|step| i * step % 60 + 1);
                let branch = format!("local.get {a} if local.get {b} local.get {c} i32.add local.set {a} end");
                format!("{} {branch} {}", "loop ".repeat(32), again(32))
            };
            let all: String = (0..size).map(one).collect();
            format!("(module (func (param i32) (local {}) {all}))", "i32 ".repeat(60))
        }
        "long-function" => format!("(module (func (param i32) (result i32) local.get 0 {}))", "i32.clz ".repeat(size)),
        "much-code" => {
            let function = format!("(func (param i32) (result i32) local.get 0 {})", "i32.clz ".repeat(60_000));
            format!("(module {})", function.repeat(size))
        }
        "results" => format!("(module (func (result {}) unreachable))", "i64 ".repeat(size)),
        _ => panic!("{kind} is not a kind of module"),
    }
}

/// Manifests that are too much of something.
fn manifest(kind: &str, size: usize) -> String {
    let mut text = "[plugin]\nname = \"misfit\"\n[capabilities]\nuser_agent = 'Misfit/1'\n".to_string();
    let field = |i: usize, pattern: &str| format!("  {{ name = \"f{i}\", pattern = '{pattern}' }},\n");
    let fields = |each: &dyn Fn(usize) -> String| {
        format!(
            "[[says]]\nrequest = \"r\"\nmethod = \"GET\"\nfields = [\n{}]\n",
            (0..size).map(each).collect::<String>()
        )
    };
    text += &match kind {
        "long" => format!("# {}\n", "x".repeat(size)),
        "fields" => fields(&|i| format!("  {{ name = \"f{i}\", max_length = 1 }},\n")),
        "patterns" => fields(&|i| field(i, &format!("a{i}"))),
        "big-patterns" => fields(&|i| field(i, &format!("(?:\\w{{1000}}){{{}}}", i + 1))),
        "deep-path" => format!("[[sees]]\nevent = \"PrintStarted\"\nfields = [\"{}a\"]\n", "a.".repeat(size)),
        "deep-array" => format!("[[sees]]\nevent = {}1{}\n", "[".repeat(size), "]".repeat(size)),
        "deep-key" => format!("[{}a]\n", "a.".repeat(size)),
        _ => panic!("{kind} is not a kind of manifest"),
    };
    text
}
