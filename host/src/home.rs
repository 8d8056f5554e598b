//! The home folder: plain files that people and the running host share. Where each file is, and
//! how one is written without losing what was there. Settings files are in [`crate::settings`].

use crate::attest;
use crate::config;
pub use crate::config::Config;
use anyhow::{Context, Result, bail};
use glassbox_sandbox::{Error, limits, manifest, printable};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The tracker that comes with this program.
pub const BUNDLED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tracking.wasm"));
/// Its name.
pub const BUNDLED_NAME: &str = "tracking";

/// A home folder.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
    /// Whose settings and states are meant, where they have a folder of their own.
    place: Option<String>,
}

impl Home {
    /// The home at this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), place: None }
    }

    /// The same home, with the settings and states of the OctoPrint that has this place in it; none for
    /// those that lie in no folder of their own. All else is for all.
    #[must_use]
    pub fn of(&self, place: Option<&str>) -> Self {
        Self { root: self.root.clone(), place: place.map(Into::into) }
    }

    fn placed(&self, folder: &str) -> PathBuf {
        self.place.iter().fold(self.root.join(folder), |folder, place| folder.join(place))
    }

    /// The default: `glassbox` in the XDG data folder.
    ///
    /// # Errors
    /// When neither `XDG_DATA_HOME` nor `HOME` says where that is.
    pub fn default_root() -> Result<PathBuf> {
        let data = match std::env::var_os("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
            Some(path) => PathBuf::from(path),
            None => std::env::home_dir().context("there is no home folder; give one with --home")?.join(".local/share"),
        };
        Ok(data.join("glassbox"))
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where plugins are dropped.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Where settings are.
    #[must_use]
    pub fn settings_folder(&self) -> PathBuf {
        self.placed("settings")
    }

    /// A plugin's file.
    #[must_use]
    pub fn plugin_file(&self, name: &str) -> PathBuf {
        self.plugins().join(name).with_extension("wasm")
    }

    /// What auditors say about a plugin.
    #[must_use]
    pub fn attestations_file(&self, name: &str) -> PathBuf {
        attest::file::beside(&self.plugin_file(name))
    }

    /// A plugin's settings file.
    #[must_use]
    pub fn settings_file(&self, name: &str) -> PathBuf {
        self.settings_folder().join(name).with_extension("json")
    }

    /// Where grants are.
    #[must_use]
    pub fn grants(&self) -> PathBuf {
        self.root.join("grants")
    }

    /// A plugin's grant.
    #[must_use]
    pub fn grant_file(&self, name: &str) -> PathBuf {
        self.grants().join(name).with_extension("toml")
    }

    /// Where plugins' states are kept.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.placed("state")
    }

    /// A plugin's state.
    #[must_use]
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("json")
    }

    /// The last calls of a plugin before it failed.
    #[must_use]
    pub fn trap_file(&self, name: &str) -> PathBuf {
        self.state().join(name).with_extension("trap.jsonl")
    }

    /// Where compiled code is kept.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where the journal is.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Make what is missing: folders, configuration, the bundled plugin. What is there stays.
    /// Returns the files that were made.
    ///
    /// # Errors
    /// When something cannot be written; the message names it.
    pub fn init(&self) -> Result<Vec<PathBuf>> {
        for folder in [self.root.clone(), self.plugins(), self.grants(), self.settings_folder()] {
            make_folder(&folder)?;
        }
        let files = [(self.config_file(), config::INITIAL.as_bytes()), (self.plugin_file(BUNDLED_NAME), BUNDLED)];
        let mut made = Vec::new();
        for (file, content) in files {
            if !file.exists() {
                write_atomically(&file, content)?;
                made.push(file);
            }
        }
        Ok(made)
    }

    /// Fail with advice where this is no home.
    ///
    /// # Errors
    /// When there is no plugin folder.
    pub fn must_exist(&self) -> Result<()> {
        if !self.plugins().is_dir() {
            bail!("there is no glassbox home at {}; run 'glassbox init' to make one", self.root.display());
        }
        Ok(())
    }

    /// Whether a host runs with this home.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let looked = fs::File::open(self.lock_file()).map(|file| file.try_lock_shared());
        matches!(looked, Ok(Err(fs::TryLockError::WouldBlock)))
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("run.lock")
    }

    /// Have the home to ourselves, as the one host that runs with it, until the file is dropped.
    ///
    /// # Errors
    /// When another host has it, or the file cannot be made.
    pub fn lock(&self) -> Result<fs::File> {
        let file = self.lock_file();
        let lock = fs::File::create(&file).with_context(|| format!("writing {}", file.display()))?;
        let mut locked = lock.try_lock();
        for _ in 0..5 {
            // Somebody may just be looking whether a host runs.
            if matches!(locked, Err(fs::TryLockError::WouldBlock)) {
                std::thread::sleep(std::time::Duration::from_millis(20));
                locked = lock.try_lock();
            }
        }
        match locked {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => bail!(
                "another glassbox runs with the home {}; stop it, or choose another home with --home",
                self.root.display()
            ),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", file.display())),
        }
    }

    /// Names of all plugins in the folder, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn plugin_names(&self) -> Result<Vec<String>> {
        let folder = self.plugins();
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "wasm")
                && let Some(name) = path.file_stem()
            {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// A plugin's bytes.
    ///
    /// # Errors
    /// As a plugin's failure of stage `Read`, also for names that are no plugin names.
    pub fn read_plugin(&self, name: &str) -> Result<Vec<u8>, Error> {
        check_name(name).map_err(|error| Error::read(name, error.to_string()))?;
        read_component(name, &self.plugin_file(name))
    }
}

/// A component's bytes, wherever the file lies.
///
/// # Errors
/// As a plugin's failure of stage `Read`.
pub fn read_component(name: &str, file: &Path) -> Result<Vec<u8>, Error> {
    // Its size is not left to the check: a digest of the part that was read would be the digest of no file.
    read_bounded(file, limits::COMPONENT).map_err(|error| Error::read(name, format!("{}: {error}", file.display())))
}

/// A file's bytes, of which there must not be more than this.
///
/// # Errors
/// When it cannot be read, is no file, or has more.
pub fn read_bounded(file: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    const MIB: usize = 1 << 20;
    let mut bytes = Vec::new();
    open_file(file)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let most = if most.is_multiple_of(MIB) { format!("{} MiB", most / MIB) } else { format!("{most} bytes") };
        return Err(std::io::Error::other(format!("it has more than {most}, the most that is read")));
    }
    Ok(bytes)
}

/// Open a file that somebody dropped somewhere. A pipe would keep us waiting for who writes to it,
/// a device has no end, and only to open one may do something.
pub(crate) fn open_file(file: &Path) -> std::io::Result<fs::File> {
    let usual = |metadata: &fs::Metadata| match metadata.is_file() || metadata.is_dir() {
        true => Ok(()),
        false => Err(std::io::Error::other("it is a pipe, a socket or a device, and no file")),
    };
    usual(&fs::metadata(file)?)?;
    let mut options = fs::File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NONBLOCK);
    let open = options.read(true).open(file)?;
    // Somebody may have exchanged it in between.
    usual(&open.metadata()?)?;
    Ok(open)
}

pub(crate) fn check_name(name: &str) -> Result<()> {
    if !manifest::is_name(name) {
        bail!("'{}' is no plugin name: 1 to 64 lower-case letters, digits and '-'", printable(name, 80));
    }
    Ok(())
}

pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| {
        format!("making the folder {}; choose another home with --home, or make it writable", folder.display())
    })
}

/// Write to a name beside it, then rename: whoever reads sees the old content or the new.
///
/// # Errors
/// When it cannot be written; the message names the file. The old content is still there.
pub fn write_atomically(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, fs::File::sync_all)
}

/// The same, without waiting for the disk: a crash of the machine may lose it.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_soon(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, |_| Ok(()))
}

fn replace(file: &Path, content: &[u8], sync: impl FnOnce(&fs::File) -> std::io::Result<()>) -> Result<()> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = fs::File::create(&temporary)
        .and_then(|mut out| out.write_all(content).and_then(|()| sync(&out)))
        .and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("writing {}", file.display()))
}
