//! A manifest in plain words, for whoever is asked to consent: what a component reports, sees and uses. It is in the
//! trusted core because consent is worth no more than the words it was given on.

use crate::manifest::{Enters, Field, Rule, SeenField};
use crate::{Manifest, Method};
use std::fmt::Write;

/// All that a manifest allows, for a terminal: several lines of text, in the manifest's order.
#[must_use]
pub fn in_words(manifest: &Manifest) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_words(&mut out, manifest);
    out
}

fn write_words(out: &mut String, manifest: &Manifest) -> std::fmt::Result {
    let capabilities = &manifest.capabilities;
    writeln!(out, "{} - {}", manifest.plugin.name, manifest.plugin.description)?;
    if let Some(http) = &capabilities.http {
        writeln!(out, "\nIt sends to {}", http.url)?;
        if let Some(setting) = &http.url_setting {
            writeln!(out, "  (the setting '{setting}' can name another server; only you can change it)")?;
        }
        writeln!(out, "  with the setting '{}' as {{id}}, as user agent {}", http.id_setting, capabilities.user_agent)?;
    }
    writeln!(out, "\nIt may report:")?;
    for says in &manifest.says {
        let switch = says.switch.as_ref().map(|switch| format!(" [off: {switch}=false]")).unwrap_or_default();
        let method = if says.method == Method::Post { " (POST)" } else { "" };
        writeln!(out, "  {}{method}{switch}", says.request)?;
        if let Some(rule) = &says.variable {
            writeln!(out, "      in its name: {}", rule_in_words(rule).join("; "))?;
        }
        for field in &says.fields {
            writeln!(out, "      {}: {}", field.name, field_in_words(field))?;
        }
    }
    writeln!(out, "\nFrom OctoPrint's events it sees:")?;
    for sees in &manifest.sees {
        let fields: Vec<_> = sees.fields.iter().map(seen_in_words).collect();
        let fields = if fields.is_empty() { "only that it happened".into() } else { fields.join(", ") };
        writeln!(out, "  {}: {fields}", sees.event)?;
    }
    let shown = &manifest.settings.shows;
    let shown = if shown.is_empty() { "nothing".into() } else { shown.join(", ") };
    writeln!(out, "\nOf its settings it sees: {shown}")?;
    let fields: Vec<_> = capabilities.hardware.iter().map(|field| field.name()).collect();
    let hardware = if fields.is_empty() { "nothing".into() } else { fields.join(", ") };
    writeln!(
        out,
        "\nAbout this machine it sees: {hardware}{}",
        if capabilities.throttle { ", throttle state" } else { "" }
    )?;
    writeln!(out, "It has access to nothing else: no files, no network of its own, no wall clock.")
}

/// What a manifest lets a component report, as the Markdown table in `guest/README.md`.
#[must_use]
pub fn as_markdown(manifest: &Manifest) -> String {
    let mut out = String::from("| report | what it says | switch |\n|---|---|---|\n");
    for says in &manifest.says {
        let fields: Vec<_> = says.fields.iter().map(|field| format!("`{}`", field.name)).collect();
        let fields = if fields.is_empty() { "only that it happened".into() } else { fields.join(", ") };
        let switch = says.switch.as_deref().map_or("none".into(), |switch| format!("`{switch}`"));
        let _ = writeln!(out, "| `{}` | {fields} | {switch} |", says.request);
    }
    out
}

fn seen_in_words(field: &SeenField) -> String {
    let how = match field.enters {
        None => return field.name.clone(),
        Some(Enters::SaltedSha1) => "only hashed, with a salt of this installation",
        Some(Enters::PortKind) => "only its kind",
        Some(Enters::WholeSeconds) => "only whole seconds",
        Some(Enters::NamesAndVersions) => "only names and versions",
        Some(Enters::Words) => "only words",
        Some(Enters::ErrorText) => "without paths, addresses and numbers of machines",
    };
    format!("{} ({how})", field.name)
}

fn field_in_words(field: &Field) -> String {
    let mut parts = rule_in_words(&field.rule);
    if field.optional {
        parts.push("optional".into());
    }
    if let Some(switch) = &field.switch {
        parts.push(format!("off: {switch}=false"));
    }
    parts.join("; ")
}

fn rule_in_words(rule: &Rule) -> Vec<String> {
    let Rule { constant, one_of, pattern, max_length } = rule;
    let mut parts = Vec::new();
    if let Some(constant) = constant {
        parts.push(format!("always {constant}"));
    }
    if let Some(values) = one_of {
        parts.push(format!("one of {}", values.join(", ")));
    }
    match (pattern, max_length) {
        (Some(pattern), _) => parts.push(format!("text matching {pattern}")),
        (None, Some(length)) => parts.push(format!("text of at most {length} characters")),
        (None, None) => {}
    }
    parts
}
