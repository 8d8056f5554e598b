//! Writes a file of what a component sent in every case, so that another host can be compared with ours
//! (`examples/other-host/`).

use super::{Corpus, RecordedRequest, replay};
use anyhow::{Context, Result};
use glassbox_sandbox::Plugin;
use serde::Serialize;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// One line of the file.
#[derive(Serialize)]
struct SentLine<'a> {
    case: &'a str,
    sent: &'a [RecordedRequest],
}

/// Run all cases through a component, and write one line of JSON for each, in their order.
///
/// # Errors
/// When the file cannot be written.
pub fn write(plugin: &Arc<Plugin>, corpora: &[Corpus], file: &Path) -> Result<()> {
    let cannot = || format!("writing what was sent to {}", file.display());
    let mut out = BufWriter::new(File::create(file).with_context(cannot)?);
    for case in corpora.iter().flat_map(|corpus| &corpus.cases) {
        let sent = replay::run(plugin, case).sent;
        serde_json::to_writer(&mut out, &SentLine { case: &case.name, sent: &sent }).with_context(cannot)?;
        writeln!(out).with_context(cannot)?;
    }
    out.flush().with_context(cannot)
}
