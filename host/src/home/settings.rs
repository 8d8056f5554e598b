//! Settings files, which people edit while the host runs: what one holds, and how it is changed without losing what
//! others wrote. What a settings document means is in `glassbox_sandbox`.

use super::make_folder;
use crate::home::{Home, check_name};
use anyhow::{Context, Result, bail};
use glassbox_sandbox::{Settings, limits};
use glassbox_util::Advised;
use glassbox_util::files::{read_bounded, write_atomically};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a settings file holds. Of the three, only `Good` can allow anything to be sent.
#[derive(Debug, PartialEq)]
pub enum Stored {
    /// There is no file: nobody has changed a setting yet.
    Missing,
    /// A settings document. What its values mean is up to the plugin.
    Good(Settings),
    /// Something that is not a settings document; the text says why, for people.
    Damaged(String),
}

impl Stored {
    /// The document; if there is none, an empty one, in which nothing is enabled. `file` is where it was read.
    ///
    /// # Errors
    /// When the file is damaged; the message names it, with advice.
    pub fn or_empty(self, file: &Path) -> Result<Settings> {
        match self {
            Self::Missing => Ok(Settings::default()),
            Self::Good(settings) => Ok(settings),
            Self::Damaged(reason) => Err(Advised::new(
                format!("the settings file {} is damaged: {reason}", file.display()),
                "fix it, or run 'glassbox opt-in' or 'opt-out', which move it aside and start a new one",
            )
            .into()),
        }
    }
}

impl Home {
    /// A plugin's settings.
    ///
    /// # Errors
    /// When there is a file and it cannot be read.
    pub fn settings(&self, name: &str) -> Result<Stored> {
        let file = self.settings_file(name);
        let bytes = match read_bounded(&file, limits::SETTINGS) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stored::Missing),
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                return Ok(Stored::Damaged("it is a folder".into()));
            }
            // It is too large, or a pipe or a device.
            Err(error) if error.kind() == ErrorKind::Other => return Ok(Stored::Damaged(error.to_string())),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        let parsed = String::from_utf8(bytes).map_err(|error| error.to_string());
        Ok(match parsed.and_then(|text| Settings::parse(&text).map_err(|error| error.to_string())) {
            Ok(settings) => Stored::Good(settings),
            Err(reason) => Stored::Damaged(reason),
        })
    }

    /// Change a plugin's settings under a lock that all of our processes respect. A damaged file is moved aside
    /// first. Returns the new settings, and where a damaged file was moved to.
    ///
    /// # Errors
    /// When `change` fails, or the file cannot be written; then nothing has changed.
    pub fn change_settings(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings) -> Result<()>,
    ) -> Result<(Settings, Option<PathBuf>)> {
        let _lock = self.lock_settings(name)?;
        let file = self.settings_file(name);
        let (mut settings, damaged) = match self.settings(name)? {
            Stored::Missing => (Settings::default(), false),
            Stored::Good(settings) => (settings, false),
            Stored::Damaged(_) => (Settings::default(), true),
        };
        change(&mut settings)?;
        let aside = if damaged { Some(move_aside(&file)?) } else { None };
        write_atomically(&file, (settings.text() + "\n").as_bytes())?;
        Ok((settings, aside))
    }

    /// Add the keys that a plugin added to its settings, unless the file has them already. This never moves a damaged
    /// file aside, since nobody asked for that and somebody may just be writing it. It never makes a file either:
    /// where it was removed, nothing is enabled any more.
    ///
    /// # Errors
    /// When the file is gone, damaged, or cannot be written; then nothing has changed.
    pub fn complete_settings(&self, name: &str, completed: &Settings) -> Result<()> {
        let _lock = self.lock_settings(name)?;
        let file = self.settings_file(name);
        let mut settings = match self.settings(name)? {
            Stored::Missing => bail!("the settings file {} is gone", file.display()),
            stored => stored.or_empty(&file)?,
        };
        settings.add_absent(&completed.text(), |_| true)?;
        write_atomically(&file, (settings.text() + "\n").as_bytes())
    }

    /// Lock the settings folder, until the returned file is dropped.
    fn lock_settings(&self, name: &str) -> Result<fs::File> {
        check_name(name)?;
        make_folder(&self.settings_folder())?;
        let file = self.settings_folder().join(".lock");
        let lock = fs::File::create(&file).with_context(|| format!("writing {}", file.display()))?;
        lock.lock().with_context(|| format!("locking {}", file.display()))?;
        Ok(lock)
    }
}

/// Rename a damaged file to a name that is free.
fn move_aside(file: &Path) -> Result<PathBuf> {
    for number in 1..1000 {
        let aside = file.with_extension(format!("json.damaged-{number}"));
        if !aside.exists() {
            fs::rename(file, &aside).with_context(|| format!("moving {} aside", file.display()))?;
            return Ok(aside);
        }
    }
    Err(Advised::new(format!("there are a thousand damaged files beside {}", file.display()), "remove some").into())
}
