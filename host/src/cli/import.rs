//! `import`: takes over the settings of OctoPrint's own tracker, and says how to switch that one off.

use super::{output, progress};
use anyhow::Result;
use glassbox::home::{BUNDLED_NAME, Home};
use glassbox::operations::import::{self, Differs, Imported, ImportedSetting};
use glassbox::sources::octoprint::own_tracker::SWITCH;
use glassbox_util::text::shown;
use std::io::Write;
use std::path::Path;

/// Take over what is in this file; with `force` also where the user has set something else here.
pub fn import(home: &Home, file: &Path, force: bool, octoprint: Option<&str>) -> Result<()> {
    let mut out = super::out();
    match progress::during("reading the configuration", || import::import(home, file, force, octoprint)) {
        Ok(imported) => write(&imported, octoprint, &mut out),
        Err(error) => {
            if let Some(Differs(settings)) = error.downcast_ref() {
                for ImportedSetting { path, value, before } in settings {
                    match before {
                        None => writeln!(out, "{path} is not set here, and {} in OctoPrint", output::value(value))?,
                        Some(before) => writeln!(
                            out,
                            "{path} is {} here, and {} in OctoPrint",
                            output::value(before),
                            output::value(value)
                        )?,
                    }
                }
            }
            Err(error)
        }
    }
}

/// `octoprint` is the one that it is for, where that was said.
fn write(imported: &Imported, octoprint: Option<&str>, out: &mut impl Write) -> Result<()> {
    if imported.settings.is_empty() {
        writeln!(out, "your settings here already match OctoPrint's; nothing to import")?;
    }
    for ImportedSetting { path, value, before } in &imported.settings {
        match before {
            None => writeln!(out, "{path} = {}", output::value(value))?,
            Some(before) => writeln!(out, "{path} = {} (it was {})", output::value(value), output::value(before))?,
        }
    }
    for what in &imported.left_out {
        writeln!(out, "left out: {}", shown(what))?;
    }
    if imported.theirs_is_on {
        writeln!(out, "\nOctoPrint's own tracker is on. Switch it off, so that nothing is counted twice:")?;
        writeln!(out, "  in {SWITCH}, or while OctoPrint is stopped with")?;
        writeln!(out, "  octoprint config set --bool plugins.tracking.enabled false")?;
    } else {
        writeln!(out, "\nOctoPrint's own tracker is off, as this file says.")?;
    }
    if !imported.ours_is_on {
        let option: String = octoprint.iter().map(|name| format!(" --octoprint {name}")).collect();
        let yes = format!("glassbox opt-in {BUNDLED_NAME}{option}");
        writeln!(out, "Nobody is opted in by this. Read what is recorded, and say yes, with: {yes}")?;
    }
    Ok(())
}
