//! `init`, `list`, `status`, `policy`: what is there, and what it does.

use super::load_or_bundled;
use anyhow::Result;
use glassbox::describe;
use glassbox::grants::{self, Standing};
use glassbox::home::{BUNDLED_NAME, Home, Stored};
use glassbox_sandbox::{Consent, Sandbox, consent, digest, examine};
use std::io::Write;

/// Make the home.
pub fn init(home: &Home) -> Result<()> {
    let made = home.init()?;
    let mut out = std::io::stdout().lock();
    for file in &made {
        writeln!(out, "made {}", file.display())?;
    }
    if made.is_empty() {
        writeln!(out, "{} was complete; nothing was changed", home.root().display())?;
    }
    writeln!(out, "Nothing is sent until you opt in. What would be recorded:")?;
    Ok(writeln!(out, "  glassbox policy {BUNDLED_NAME}\n  glassbox opt-in {BUNDLED_NAME}")?)
}

/// List the plugins.
pub fn list(home: &Home) -> Result<()> {
    home.must_exist()?;
    let sandbox = Sandbox::new(Some(&home.cache()))?;
    let mut out = std::io::stdout().lock();
    let names = home.plugin_names()?;
    if names.is_empty() {
        writeln!(out, "no plugins in {}", home.plugins().display())?;
    }
    for name in names {
        let bytes = home.read_plugin(&name);
        // One that waits is not compiled: that takes time, and nobody wants it yet.
        let loaded = bytes.and_then(|bytes| match standing(home, &name, &bytes)? {
            Ok(Standing::Granted) => {
                sandbox.prepare(&name, &bytes).map(|plugin| (plugin.policy.as_ref().manifest().clone(), bytes))
            }
            _ => Ok((examine(&name, &bytes)?.manifest().clone(), bytes)),
        });
        match loaded {
            Ok((manifest, bytes)) => {
                writeln!(out, "{name}  {}", manifest.plugin.description)?;
                writeln!(out, "    {} bytes, sha256 {}", bytes.len(), digest(&bytes))?;
                writeln!(out, "    {}", verdict(home, &name))?;
            }
            Err(error) => writeln!(out, "{name}  not loaded\n    {error}")?,
        }
    }
    Ok(())
}

/// Say whether anything is sent.
pub fn status(home: &Home) -> Result<()> {
    home.must_exist()?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "home {}", home.root().display())?;
    for name in home.plugin_names()? {
        writeln!(out, "{name}: {}", verdict(home, &name))?;
    }
    Ok(())
}

/// How a plugin stands with its grant, if it can be loaded; inside, if the grant can be read.
fn standing(home: &Home, name: &str, bytes: &[u8]) -> Result<Result<Standing>, glassbox_sandbox::Error> {
    let asked = examine(name, bytes)?;
    Ok(grants::read(home, name).map(|granted| grants::standing(asked.manifest(), granted.as_ref())))
}

fn verdict(home: &Home, name: &str) -> String {
    let standing = home.read_plugin(name).and_then(|bytes| standing(home, name, &bytes));
    match standing {
        Err(error) => return format!("nothing is sent: {error}"),
        Ok(Err(error)) => return format!("nothing is sent: {error:#}"),
        Ok(Ok(standing)) => {
            // One that asks for more may run on in the version before.
            let nothing = if standing == Standing::Waiting { "nothing is sent: " } else { "" };
            if let Some(advice) = standing.advice(name) {
                return format!("{nothing}{advice}");
            }
        }
    }
    let consent = match home.settings(name) {
        Ok(Stored::Good(settings)) => Consent::decide(&settings, consent::process_veto()),
        Ok(Stored::Missing) => Consent::Undecided,
        Ok(Stored::Damaged(reason)) => {
            let file = home.settings_file(name);
            return format!(
                "nothing is sent: the settings file {} is damaged: {reason} (mend it, or glassbox opt-in {name} to begin anew)",
                file.display()
            );
        }
        Err(error) => return format!("nothing is sent: {error:#}"),
    };
    match consent {
        Consent::Given => format!("reports are sent while the host runs: {consent}"),
        Consent::Variable(_) => format!("nothing is sent: {consent} here"),
        Consent::Refused | Consent::Undecided => format!("nothing is sent: {consent} (glassbox opt-in {name})"),
    }
}

/// Show what a plugin records.
pub fn policy(home: &Home, name: &str, markdown: bool) -> Result<()> {
    let plugin = load_or_bundled(home, name)?;
    let manifest = plugin.policy.manifest();
    let text = if markdown { describe::as_markdown(manifest) } else { describe::in_words(manifest) };
    Ok(write!(std::io::stdout().lock(), "{text}")?)
}
