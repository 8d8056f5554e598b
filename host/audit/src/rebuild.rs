//! Builds a component again from a checkout of its source, and compares: the same bytes, or which sections differ.
//! How a component is built is in the crate `glassbox-component`.

use anyhow::{Context, Result, bail, ensure};
use glassbox_sandbox::{digest, printable};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use wasmparser::{Encoding, Parser, Payload};

/// How many folders deep in a checkout a plugin is looked for.
const DEPTH: usize = 5;

/// How a component compares with what its source builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// The checkout, as an absolute path.
    pub directory: PathBuf,
    /// The compiler that was used there, by its own name for itself.
    pub compiler: String,
    /// SHA-256 of what was built.
    pub digest: String,
    /// The size of what was built, in bytes.
    pub size: usize,
    /// Whether it is the same, byte for byte.
    pub same: bool,
    /// The sections that differ; empty if it is the same.
    pub differences: Vec<SectionDifference>,
}

/// A section that differs, or all sections of a kind in one module together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SectionDifference {
    /// What it contains: `code (module 1)`, `manifest`.
    pub section: String,
    /// Its size in the component, in bytes; none if it is missing there.
    pub here: Option<usize>,
    /// Its size in what was built, in bytes; none if it is missing there.
    pub there: Option<usize>,
}

/// Build the plugin `name` from a checkout, in a temporary folder, and compare.
///
/// **This runs the code of the checkout** as the user, in no sandbox: build scripts, macros, its choice of compiler.
///
/// # Errors
/// When the checkout does not have exactly one plugin of that name, or it cannot be built.
pub fn rebuild(component: &[u8], name: &str, checkout: &Path) -> Result<Rebuilt> {
    let directory =
        checkout.canonicalize().with_context(|| format!("looking for the source in {}", checkout.display()))?;
    ensure!(
        directory.join("Cargo.lock").is_file(),
        "{} is not a checkout: it has no Cargo.lock, without which it cannot be built reproducibly",
        directory.display()
    );
    let (package, manifest) = find(&directory, name)?;
    // Never the checkout's own target folder, which may hold anything; and a new one, or whoever made one of that
    // name could put into it what is then taken for built.
    let target =
        tempfile::Builder::new().prefix("glassbox-rebuild-").tempdir().context("making a folder to build in")?;
    let built = glassbox_component::build(&directory, &package, &manifest, target.path())?;
    compare(component, &built, directory)
}

/// Compare a component with what was built from a checkout of its source.
///
/// # Errors
/// When one of them is not a component.
fn compare(component: &[u8], built: &[u8], directory: PathBuf) -> Result<Rebuilt> {
    let here = sections(component).context("reading the component")?;
    let there = sections(built).context("reading what was built")?;
    let names = here.keys().chain(there.keys().filter(|name| !here.contains_key(*name)));
    let differing = names.filter(|name| here.get(*name) != there.get(*name));
    let size = |part: Option<&Vec<u8>>| part.map(Vec::len);
    let mut differences: Vec<_> = differing
        .map(|name| SectionDifference {
            section: name.clone(),
            here: size(here.get(name)),
            there: size(there.get(name)),
        })
        .collect();
    let same = component == built;
    if !same && differences.is_empty() {
        let section = "the order of sections, or how their sizes are written".into();
        differences.push(SectionDifference { section, here: Some(component.len()), there: Some(built.len()) });
    }
    let compiler = glassbox_component::compiler(&directory);
    Ok(Rebuilt { compiler, directory, digest: digest(built), size: built.len(), same, differences })
}

/// The name of the package that a plugin is built from, and its manifest's text: a TOML file that gives the plugin
/// this name, in the same folder as a `Cargo.toml`.
fn find(checkout: &Path, name: &str) -> Result<(String, String)> {
    let mut found = Vec::new();
    search(checkout, name, DEPTH, &mut found);
    match found.as_slice() {
        [(folder, manifest)] => {
            let package = read_toml(&folder.join("Cargo.toml"));
            let package = package.as_ref().and_then(|toml| toml.get("package")?.get("name")?.as_str());
            let package =
                package.with_context(|| format!("{}/Cargo.toml does not name a package", folder.display()))?;
            Ok((package.into(), manifest.clone()))
        }
        [] => bail!(
            "{} does not have the source of the plugin {name}: no folder has a Cargo.toml and a manifest of that name",
            checkout.display()
        ),
        more => {
            let folders: Vec<_> = more.iter().map(|(folder, _)| folder.display().to_string()).collect();
            bail!("the source of {name} may be in any of these: {}", folders.join(", "))
        }
    }
}

fn search(folder: &Path, name: &str, depth: usize, found: &mut Vec<(PathBuf, String)>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_package = folder.join("Cargo.toml").is_file();
    for entry in entries {
        let (path, file_name) = (entry.path(), entry.file_name());
        // What cargo built there is not source. Links are not followed: they may lead in circles.
        let skipped = file_name == "target" || file_name == "node_modules" || file_name.as_encoded_bytes()[0] == b'.';
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !skipped && depth > 0 => search(&path, name, depth - 1, found),
            Ok(kind) if kind.is_file() && is_package && path.extension().is_some_and(|ext| ext == "toml") => {
                let named = read_toml(&path).is_some_and(|toml| {
                    toml.get("plugin").and_then(|plugin| plugin.get("name")?.as_str()) == Some(name)
                });
                if let (true, Ok(text)) = (named, std::fs::read_to_string(&path)) {
                    found.push((folder.into(), text));
                }
            }
            _ => {}
        }
    }
}

fn read_toml(file: &Path) -> Option<toml::Table> {
    std::fs::read_to_string(file).ok()?.parse().ok()
}

/// The contents of all sections by kind, those of a kind in one module together.
fn sections(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::<String, Vec<u8>>::new();
    // For each module or component that we are inside of: its number if it is a module.
    let mut within = Vec::new();
    let mut modules = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let module = within.last().copied().flatten();
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                modules += 1;
                within.push(Some(modules));
            }
            Payload::Version { .. } => within.push(None),
            Payload::End(_) => drop(within.pop()),
            // Their contents follow.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {}
            section => {
                let Some((_, range)) = section.as_section() else { continue };
                let name = kind(section);
                let name = module.map_or_else(|| name.clone(), |number| format!("{name} (module {number})"));
                all.entry(name).or_default().extend_from_slice(&bytes[range]);
            }
        }
    }
    Ok(all)
}

fn kind(section: &Payload<'_>) -> String {
    match section {
        Payload::CodeSectionStart { .. } => "code".into(),
        Payload::DataSection(_) => "data".into(),
        Payload::CustomSection(custom) => match custom.name() {
            glassbox_component::MANIFEST_SECTION => "manifest".into(),
            "name" | "component-name" => "names".into(),
            // "producers" and whatever else.
            other => printable(other, 60),
        },
        Payload::TypeSection(_) | Payload::FunctionSection(_) => "types of functions".into(),
        Payload::ImportSection(_) | Payload::ComponentImportSection(_) => "imports".into(),
        Payload::ExportSection(_) | Payload::ComponentExportSection(_) => "exports".into(),
        Payload::TableSection(_) | Payload::ElementSection(_) => "tables".into(),
        Payload::MemorySection(_) | Payload::GlobalSection(_) => "memories and globals".into(),
        _ => "how its parts are linked".into(),
    }
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, compiler, digest, size, same, differences } = self;
        let directory = printable(&directory.display().to_string(), usize::MAX);
        let compiler = printable(compiler, 200);
        if *same {
            return writeln!(f, "source   {directory}\n         builds to the same bytes, with {compiler}\n");
        }
        writeln!(f, "source   {directory}\n         builds to OTHER bytes, with {compiler}:")?;
        writeln!(f, "         sha256 {digest}, {size} bytes; they differ in")?;
        let bytes = |size: &Option<usize>| size.map_or("nothing".into(), |size| format!("{size} bytes"));
        for SectionDifference { section, here, there } in differences {
            writeln!(f, "           {section}: {} in the file, {} from the source", bytes(here), bytes(there))?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox::home::BUNDLED;

    fn compared(built: &[u8]) -> Rebuilt {
        compare(BUNDLED, built, PathBuf::from(".")).unwrap()
    }

    fn names(rebuilt: &Rebuilt) -> Vec<&str> {
        rebuilt.differences.iter().map(|section| section.section.as_str()).collect()
    }

    /// The bundled tracker with one byte changed, in the first section for which this is true.
    fn changed(wanted: impl Fn(&Payload<'_>) -> bool) -> Vec<u8> {
        let payloads = Parser::new(0).parse_all(BUNDLED).map(Result::unwrap);
        let (_, range) = payloads.filter(|payload| wanted(payload)).find_map(|payload| payload.as_section()).unwrap();
        let mut bytes = BUNDLED.to_vec();
        // The last byte: the first ones say how many follow.
        bytes[range.end - 1] ^= 1;
        bytes
    }

    #[test]
    fn the_same_bytes_are_the_same() {
        let rebuilt = compared(BUNDLED);
        assert!(rebuilt.same && rebuilt.differences.is_empty());
        assert_eq!((rebuilt.size, rebuilt.digest), (BUNDLED.len(), digest(BUNDLED)));
    }

    #[test]
    fn a_difference_is_named_by_its_section() {
        let custom = |name: &'static str| move |payload: &Payload<'_>| matches!(payload, Payload::CustomSection(custom) if custom.name() == name);
        for (built, section) in [
            (changed(|payload| matches!(payload, Payload::DataSection(_))), "data (module 1)"),
            (changed(custom("glassbox:manifest")), "manifest"),
            (changed(custom("producers")), "producers (module 1)"),
            (changed(|payload| matches!(payload, Payload::ComponentImportSection(_))), "imports"),
        ] {
            let rebuilt = compared(&built);
            assert!(!rebuilt.same);
            assert_eq!(names(&rebuilt), [section]);
            assert!(rebuilt.to_string().contains(&format!("           {section}: ")), "{rebuilt}");
        }
    }

    #[test]
    fn what_is_missing_or_added_is_named() {
        let module = [b"\0asm\x01\0\0\0".as_slice(), &[0, 2, 1, b'x']].concat();
        let rebuilt = compare(&module, b"\0asm\x01\0\0\0", PathBuf::from(".")).unwrap();
        let missing = SectionDifference { section: "x (module 1)".into(), here: Some(2), there: None };
        assert_eq!(rebuilt.differences, [missing]);
        // The same section, its size in two bytes.
        let longer = [b"\0asm\x01\0\0\0".as_slice(), &[0, 0x82, 0, 1, b'x']].concat();
        let rebuilt = compare(&module, &longer, PathBuf::from(".")).unwrap();
        assert_eq!(names(&rebuilt), ["the order of sections, or how their sizes are written"]);
        assert!(compare(&module, b"\0asm", PathBuf::from(".")).is_err());
    }

    #[test]
    fn a_plugin_is_found_by_its_name() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        for (name, package) in [("tracking", "glassbox-tracker"), ("print-hours", "print-hours")] {
            assert_eq!(find(workspace, name).unwrap().0, package);
        }
        let error = find(workspace, "nowhere").unwrap_err().to_string();
        assert!(error.ends_with(
            "does not have the source of the plugin nowhere: no folder has a Cargo.toml and a manifest of that name"
        ));
    }
}
