//! Settings files, which people edit while the host runs: what one holds, and how it is changed without losing what
//! others wrote. What a settings document means is in `glassbox_sandbox`.

use super::{Home, repeated_keys};
use anyhow::{Context, Result};
use glassbox_sandbox::{Settings, limits};
use glassbox_util::files::{is_denied, move_aside, read_bounded, write_privately, write_privately_over};
use glassbox_util::machine::{advice, is_machines};
use glassbox_util::{Advised, encoding};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How the reason begins where the machine is to blame, and not the file; what to do follows after a semicolon.
const HIDDEN: &str = "it cannot be read now: ";

/// What to do then, where nothing better is known.
const AGAIN: &str = "see that this machine can read it, and try again";

/// What a settings file holds. Of the three, only `Good` can allow anything to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// There is no file: nobody has changed a setting yet.
    Missing,
    /// A settings document. What its values mean is up to the plugin.
    Good(Settings),
    /// Something that is not a settings document, or cannot be read; the text says why, for people.
    Damaged(String),
}

impl Stored {
    /// What a file with these bytes holds.
    pub fn of(bytes: &[u8]) -> Self {
        parse(bytes).map_or_else(Self::Damaged, Self::Good)
    }

    /// Whether a running host may read a yes there: it does, or only we are not allowed to read it.
    pub fn may_be_a_yes(&self, file: &Path) -> bool {
        match self {
            Self::Good(settings) => settings.enabled(),
            Self::Missing => false,
            Self::Damaged(_) => is_denied(file),
        }
    }

    /// The document; if there is none, an empty one, in which nothing is enabled. `file` is where it was read.
    ///
    /// # Errors
    /// When the file is damaged; the message names it, with advice.
    pub fn or_empty(self, file: &Path) -> Result<Settings> {
        match self {
            Self::Missing => Ok(Settings::default()),
            Self::Good(settings) => Ok(settings),
            Self::Damaged(reason) => Err(match reason.strip_prefix(HIDDEN).and_then(|why| why.split_once("; ")) {
                Some((why, advice)) => Advised::new(format!("reading {}: {why}", file.display()), advice),
                None => Advised::new(
                    format!("the settings file {} is damaged: {reason}", file.display()),
                    "fix it, or run 'glassbox opt-in' or 'opt-out', which move it aside and start a new one",
                ),
            }
            .into()),
        }
    }
}

/// How a plugin was switched off.
#[derive(Debug)]
pub struct SwitchedOff {
    /// Where the file was moved to, as it was damaged, had no room for the user's no, or could not be written.
    pub aside: Option<PathBuf>,
    /// Why the user's no could not be written, where the file was moved aside for that.
    pub unwritten: Option<anyhow::Error>,
}

impl Home {
    /// A plugin's settings, as the file is now. It is `Missing` only where there is nothing at all: whatever is there
    /// and cannot be read as a settings document is `Damaged`.
    pub fn settings(&self, name: &str) -> Stored {
        self.settings_bytes(name).map_or_else(|unusable| unusable, |bytes| Stored::of(&bytes))
    }

    /// A plugin's settings file as it is now.
    ///
    /// # Errors
    /// What there is instead: `Missing` or `Damaged`.
    pub fn settings_bytes(&self, name: &str) -> Result<Vec<u8>, Stored> {
        let file = self.settings_file(name);
        read_bounded(&file, limits::SETTINGS).map_err(|error| match (error.kind(), fs::symlink_metadata(&file)) {
            (ErrorKind::NotFound, Err(error)) if error.kind() == ErrorKind::NotFound => Stored::Missing,
            (ErrorKind::NotFound, Ok(_)) => Stored::Damaged("it is a link that leads nowhere".into()),
            (ErrorKind::IsADirectory, _) => Stored::Damaged("it is a folder".into()),
            _ if is_machines(&error) => {
                Stored::Damaged(format!("{HIDDEN}{error}; {}", advice(&error).unwrap_or(AGAIN)))
            }
            _ => Stored::Damaged(error.to_string()),
        })
    }

    /// Change a plugin's settings under a lock that all of our processes respect. A damaged file is moved aside
    /// first. Returns the new settings, and where a damaged file was moved to. When this returns, it is on the disk.
    ///
    /// # Errors
    /// When `change` fails, the settings would become too large, or the file cannot be written; then nothing has
    /// changed.
    pub fn change_settings(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings) -> Result<()>,
    ) -> Result<(Settings, Option<PathBuf>)> {
        let _lock = self.lock_settings(name)?;
        self.must_not_be_hidden(name)?;
        let before = self.settings_bytes(name);
        let (mut settings, damaged) = match before.as_deref().map_or_else(Clone::clone, Stored::of) {
            Stored::Missing => (Settings::default(), false),
            Stored::Good(settings) => (settings, false),
            Stored::Damaged(_) => (Settings::default(), true),
        };
        change(&mut settings)?;
        let text = text(&settings)?;
        // Not over what somebody has just written by hand, who may have said no.
        let aside = match before {
            Ok(before) if !damaged => {
                write_privately_over(&self.settings_file(name), &before, text.as_bytes()).map(|()| None)?
            }
            _ => self.replace_settings(name, &text, damaged)?,
        };
        Ok((settings, aside))
    }

    /// Check that the settings file can be read, or is itself the reason why not: only then may another take its place.
    ///
    /// # Errors
    /// When the machine is the reason.
    fn must_not_be_hidden(&self, name: &str) -> Result<()> {
        let file = self.settings_file(name);
        match read_bounded(&file, limits::SETTINGS) {
            Err(error) if is_machines(&error) => {
                let what = format!("reading {}: {error}", file.display());
                Err(Advised::new(what, advice(&error).unwrap_or(AGAIN)).into())
            }
            _ => Ok(()),
        }
    }

    /// Switch a plugin off. This works for every document that could be read: where `false`, a byte longer than
    /// `true`, makes it too large, it is moved aside, and one that holds only the user's no takes its place. Where that
    /// cannot be written, as the disk is full, it is only moved aside: without settings nothing is sent either.
    ///
    /// # Errors
    /// When the settings cannot be changed.
    pub fn switch_off(&self, name: &str) -> Result<SwitchedOff> {
        let _lock = self.lock_settings(name)?;
        let off = |mut settings: Settings| settings.set("enabled", false.into()).map(|()| settings);
        let stored = self.settings(name);
        let damaged = matches!(stored, Stored::Damaged(_));
        let settings = if let Stored::Good(settings) = stored { settings } else { Settings::default() };
        let (text, move_first) = match text(&off(settings)?) {
            Ok(text) => (text, damaged),
            Err(_) => (text(&off(Settings::default())?)?, true),
        };
        match self.replace_settings(name, &text, move_first) {
            Ok(aside) => Ok(SwitchedOff { aside, unwritten: None }),
            Err(error) if damaged => Err(error),
            Err(error) => match move_aside(&self.settings_file(name)) {
                Ok(aside) if self.settings(name) == Stored::Missing => {
                    Ok(SwitchedOff { aside: Some(aside), unwritten: Some(error) })
                }
                _ => Err(error),
            },
        }
    }

    /// Write a plugin's settings. What is there is moved aside before, if it is to be; returns where to.
    fn replace_settings(&self, name: &str, text: &str, move_first: bool) -> Result<Option<PathBuf>> {
        let file = self.settings_file(name);
        let aside = if move_first { Some(move_aside(&file)?) } else { None };
        let written = write_privately(&file, text.as_bytes());
        if written.is_err()
            && file.exists()
            && let Some(aside) = &aside
        {
            // It was not moved, as it is a mount point: the copy, which holds the id, is of no use.
            let _ = fs::remove_file(aside);
        }
        written.map(|()| aside)
    }
}

/// The document as it is written: as large as one that is read may be, and indented if that leaves it small enough.
pub(super) fn text(settings: &Settings) -> Result<String> {
    let fits = |text: &String| text.len() <= limits::SETTINGS;
    let indented = Some(settings.text() + "\n").filter(fits);
    let text = indented.or_else(|| Some(json!(settings).to_string()).filter(fits));
    text.with_context(|| format!("the settings would have more than {} bytes", limits::SETTINGS))
}

/// The settings document that these bytes are, or why they are none, for people.
fn parse(bytes: &[u8]) -> Result<Settings, String> {
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    let text = encoding::text(bytes)?;
    let settings = Settings::parse(text).map_err(|error| error.to_string())?;
    repeated_keys::check(text)?;
    Ok(settings)
}
