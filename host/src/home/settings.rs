//! Settings files, which people edit while the host runs: what one holds, and how it is changed without
//! losing what was there. What a settings document means is in the sandbox.

use super::make_folder;
use crate::home::{Home, check_name};
use anyhow::{Context, Result, bail};
use glassbox_sandbox::{Settings, limits};
use glassbox_util::Advised;
use glassbox_util::files::write_atomically;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What a settings file holds.
#[derive(Debug, PartialEq)]
pub enum Stored {
    /// There is none yet.
    Missing,
    /// A document.
    Good(Settings),
    /// Something that is not a settings document, and why.
    Damaged(String),
}

impl Stored {
    /// The document, or an empty one: nothing is enabled in it.
    ///
    /// # Errors
    /// When the file is damaged; the message names it.
    pub fn or_empty(self, file: &Path) -> Result<Settings> {
        match self {
            Self::Missing => Ok(Settings::default()),
            Self::Good(settings) => Ok(settings),
            Self::Damaged(reason) => {
                let what = format!("the settings file {} is damaged: {reason}", file.display());
                let advice = "fix it, or run 'glassbox opt-in' or 'opt-out', which put it aside and begin a new one";
                Err(Advised::new(what, advice).into())
            }
        }
    }
}

impl Home {
    /// A plugin's settings.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn settings(&self, name: &str) -> Result<Stored> {
        let file = self.settings_file(name);
        let mut bytes = Vec::new();
        let read = match fs::File::open(&file) {
            Ok(open) => open.take(limits::SETTINGS as u64 + 1).read_to_end(&mut bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stored::Missing),
            Err(error) => Err(error),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                return Ok(Stored::Damaged("it is a folder".into()));
            }
            read => read.with_context(|| format!("reading {}", file.display()))?,
        };
        let parsed = String::from_utf8(bytes).map_err(|error| error.to_string());
        Ok(match parsed.and_then(|text| Settings::parse(&text).map_err(|error| error.to_string())) {
            Ok(settings) => Stored::Good(settings),
            Err(reason) => Stored::Damaged(reason),
        })
    }

    /// Change a plugin's settings under a lock that all of our processes respect. A damaged file
    /// is put aside first; where to is returned.
    ///
    /// # Errors
    /// When `change` fails, or the file cannot be written; nothing has changed then.
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
        let aside = if damaged { Some(put_aside(&file)?) } else { None };
        write_atomically(&file, (settings.text() + "\n").as_bytes())?;
        Ok((settings, aside))
    }

    /// Add what a plugin asked to have added, as far as the file does not say it already. Never puts a
    /// damaged file aside: nobody asked for that, and somebody may just be writing it. Nor does it make one:
    /// where it is gone nothing is enabled any more.
    ///
    /// # Errors
    /// When the file is gone, damaged, or cannot be written; nothing has changed then.
    pub fn complete_settings(&self, name: &str, completed: &Settings) -> Result<()> {
        let _lock = self.lock_settings(name)?;
        let file = self.settings_file(name);
        let mut settings = match self.settings(name)? {
            Stored::Missing => bail!("the settings file {} is gone", file.display()),
            stored => stored.or_empty(&file)?,
        };
        settings.add_absent(&completed.text(), &[])?;
        write_atomically(&file, (settings.text() + "\n").as_bytes())
    }

    /// The settings folder is ours until the file is dropped.
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
fn put_aside(file: &Path) -> Result<PathBuf> {
    for number in 1..1000 {
        let aside = file.with_extension(format!("json.damaged-{number}"));
        if !aside.exists() {
            fs::rename(file, &aside).with_context(|| format!("putting {} aside", file.display()))?;
            return Ok(aside);
        }
    }
    Err(Advised::new(format!("there are a thousand damaged files beside {}", file.display()), "remove some").into())
}
