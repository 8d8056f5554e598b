//! `grant`: shows what a plugin asks for, and grants it.

use super::{policy, progress};
use anyhow::Result;
use glassbox::home::Home;
use glassbox::home::grants::Standing;
use glassbox::operations::grants::{GrantRequest, is_on_everywhere};
use glassbox::operations::octoprints;
use glassbox_capacity::Capacity;
use std::io::Write;

/// Show what a plugin asks for, or what it asks for now beyond what was granted, and grant it.
pub fn grant(home: &Home, name: &str) -> Result<()> {
    let request = progress::during("reading the plugin", || GrantRequest::new(home, name))?;
    let mut out = super::out();
    // Shown before it is granted: nobody can accept what they could not read.
    write!(out, "{}", in_words(&request))?;
    policy::held_back(home, name, &mut out)?;
    out.flush()?;
    request.grant()?;
    writeln!(out, "\nYou have granted this to '{name}'. Take it back with: glassbox revoke {name}")?;
    if !is_on_everywhere(home, name)? {
        let option = octoprints::all(home).map_or("", |all| octoprints::which(&all));
        writeln!(out, "It sends nothing before you say: glassbox opt-in {name}{option}")?;
    }
    Ok(())
}

fn in_words(GrantRequest { manifest, before, granted, .. }: &GrantRequest) -> String {
    let name = &manifest.plugin.name;
    match before {
        Standing::Waiting => policy::in_words(manifest),
        Standing::Granted => format!("'{name}' asks for no more than what was granted before.\n"),
        Standing::More(more) => {
            let capacity = granted.as_ref().map(|granted| Capacity::of(manifest).changes_from(&Capacity::of(granted)));
            let capacity = capacity.filter(|changes| !changes.is_empty()).map(|changes| {
                format!("What it could hide, if it were malicious, was and would be\n  - {}\n", changes.join("\n  - "))
            });
            format!(
                "Beyond what was granted before, '{name}' asks to\n  - {}\n{}('glassbox policy {name}' shows all of it)\n",
                more.join("\n  - "),
                capacity.unwrap_or_default()
            )
        }
    }
}
