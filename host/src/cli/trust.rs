//! `trust`: shows the fingerprint of a server's certificate, and keeps the certificate after a yes.

use super::output::path;
use anyhow::{Result, bail};
use glassbox::home::Home;
use glassbox::operations::trust::Shown;
use glassbox_util::{Advised, text};
use std::io::{IsTerminal, Write};

/// Show the certificate of the server at this URL, and trust it, if it has this fingerprint or the user says yes.
pub fn trust(home: &Home, url: &str, fingerprint: Option<&str>) -> Result<()> {
    home.must_exist()?;
    let shown = Shown::look(home, url)?;
    let mut out = super::out();
    writeln!(out, "{} shows this certificate:", shown.address)?;
    writeln!(out, "  name     {}", text::shown(shown.name.as_deref().unwrap_or("(none)")))?;
    writeln!(out, "  SHA-256  {}", shown.fingerprint)?;
    // Also of one that is trusted: whoever names a fingerprint wants to know.
    if fingerprint.is_some_and(|expected| !shown.has_fingerprint(expected)) {
        bail!(
            "this is not the certificate with the fingerprint that you gave; somebody else may be answering in its place"
        );
    }
    let Some(problem) = &shown.problem else {
        return Ok(writeln!(out, "It is trusted already.")?);
    };
    writeln!(out, "It is not trusted yet: {}", problem.what())?;
    match fingerprint {
        Some(_) => {}
        None => {
            writeln!(out, "Compare the fingerprint with what the server itself says, on OctoPi for example with:")?;
            writeln!(out, "  openssl x509 -in /etc/ssl/snakeoil.pem -noout -fingerprint -sha256")?;
            if !std::io::stdin().is_terminal() {
                let advice = "if it is the right one, run this again with --fingerprint and that fingerprint";
                return Err(Advised::new("nobody can be asked here", advice).into());
            }
            write!(out, "Is it the same, and shall it be trusted? [y/N] ")?;
            out.flush()?;
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer)?;
            if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
                return Ok(writeln!(out, "Nothing was changed.")?);
            }
        }
    }
    let file = shown.trust(home)?;
    Ok(writeln!(out, "Trusted from now on, by a running host too. It is kept in {}", path(&file))?)
}
