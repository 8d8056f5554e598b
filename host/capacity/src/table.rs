//! The table of what is recorded, in `guest/README.md`.

use crate::{Capacity, bits};
use glassbox_describe::free;
use glassbox_sandbox::Manifest;
use std::fmt::Write;

/// What a manifest lets a component report, and how much it could hide there, as a table in Markdown.
pub fn as_markdown(manifest: &Manifest) -> String {
    let mut out = String::from("| report | what it says | switch | could hide |\n|---|---|---|---|\n");
    for report in Capacity::of(manifest).reports {
        let request = &report.request;
        let entries = || manifest.says.iter().filter(|says| says.request == *request);
        let mut fields: Vec<String> = Vec::new();
        for (says, field) in entries().flat_map(|says| says.fields.iter().map(move |field| (says, field))) {
            let free = if free::is_field(field, says) { " (free)" } else { "" };
            let field = format!("`{}`{free}", field.name);
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let fields = if fields.is_empty() { "only that it happened".into() } else { fields.join(", ") };
        let every = entries().filter_map(|says| says.every.as_ref()).map(|every| format!("`{}=0`", every.setting));
        let switches = entries().filter_map(|says| says.switch.as_ref()).map(|switch| format!("`{switch}`"));
        let mut off: Vec<_> = switches.chain(every).collect();
        off.dedup();
        let off = if off.is_empty() { "none".into() } else { off.join(" or ") };
        // Writing to a string does not fail.
        let _ = writeln!(out, "| `{request}` | {fields} | {off} | {} |", bits(report.bits()));
    }
    out
}
