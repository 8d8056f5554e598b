//! Who an installation is: its id, which is in the user's settings, and its salt, with which paths are hashed, in
//! `state/NAME.identity.json`. Both are the host's: no component makes them, and none is shown them. A salt belongs to
//! one id, so that hashes of two ids cannot be compared; without one that is stored, nothing is sent.

use super::settings::{Stored, text};
use super::{Home, make_folder};
use crate::system::random_bytes;
use anyhow::{Context, Error, Result, bail};
use glassbox_sandbox::{Consent, Settings};
use glassbox_util::Advised;
use glassbox_util::files::{open_own_with, write_own_with_sync, write_privately_over};
use glassbox_util::machine::{self, is_machines};
use glassbox_util::text::hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The largest identity file, in bytes.
const LARGEST: u64 = 4096;

/// The longest id, in characters: room for a UUID, and not for much else.
pub const LONGEST_ID: usize = 64;

/// Who an installation is, for one plugin and one OctoPrint.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
struct Identity {
    /// The id that the salt belongs to.
    id: String,
    /// 32 hex digits, unless a test wants OctoPrint's.
    salt: String,
}

/// What an instance is started with.
#[derive(Clone, Default, PartialEq)]
pub struct Identified {
    /// The settings, with an id if anything may be sent.
    pub settings: Settings,
    /// The salt; empty if nothing may be sent.
    pub salt: String,
    /// Whether the salt was made just now: whatever was hashed before belongs to another one.
    pub is_new: bool,
    /// Why there is a new salt, for the journal, where hashes differ from earlier ones.
    pub renewed: Option<String>,
}

/// What a host that starts now would find, as far as that can be told without making anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The salt that belongs to the id.
    Kept {
        /// Whether others can read it, until a host has seen that.
        readable: bool,
    },
    /// Nothing, and nothing is missing: there is no id yet either.
    New,
    /// No salt for the id that there is, and why not. A new one would be made.
    Renewed(&'static str),
}

/// Why there is no salt for an id. Whether there ever was one cannot be told.
const NONE: &str = "there is none for this id: its file was lost, or the host never had one, as for an id that was \
                    imported, or whose salt the component of an earlier version made";

/// Check that the id in the settings, if there is one, can be one.
///
/// # Errors
/// When it cannot, which the text says with the file and what to do.
pub fn check_id(home: &Home, name: &str, settings: &Settings, id_setting: &str) -> Result<()> {
    if has_id(settings, id_setting) { id(home, name, settings, id_setting).map(drop) } else { Ok(()) }
}

/// What `identify` would come to with these settings, if something may be sent. Nothing is made or changed.
///
/// # Errors
/// When it would fail: then nothing would be sent.
pub fn look(home: &Home, name: &str, settings: &Settings, id_setting: &str) -> Result<Outlook> {
    let id = if has_id(settings, id_setting) { Some(id(home, name, settings, id_setting)?) } else { None };
    match find(home, name, id)? {
        Found::Salt { readable, .. } => Ok(Outlook::Kept { readable }),
        Found::Nothing(why) => {
            must_be_writable(&home.state())?;
            Ok(why.map_or(Outlook::New, Outlook::Renewed))
        }
    }
}

/// The settings with an id, and the salt that belongs to it. Where they are missing, they are made and stored, but only
/// if something may be sent at all: who has not said yes has neither. `id_setting` is the key of the id; none for a
/// plugin that sends nothing.
///
/// # Errors
/// When the id is not one, what is in the place of the salt is not ours, or something that has to be made cannot be
/// stored. Then nothing may be sent.
pub fn identify(
    home: &Home,
    name: &str,
    settings: &Settings,
    id_setting: Option<&str>,
    veto: Option<&str>,
) -> Result<Identified> {
    let mut settings = settings.clone();
    let unidentified = |settings| Ok(Identified { settings, ..Identified::default() });
    let Some(key) = id_setting.filter(|_| may_send(&settings, veto)) else { return unidentified(settings) };
    let is_new = !has_id(&settings, key);
    if is_new {
        settings = home.add_id(name, key)?;
        // Somebody may have said no meanwhile.
        if !may_send(&settings, veto) {
            return unidentified(settings);
        }
    }
    let id = id(home, name, &settings, key)?;
    let why = match find(home, name, (!is_new).then_some(id))? {
        Found::Salt { salt, readable } => {
            if readable {
                make_private(&home.identity_file(name));
            }
            return Ok(Identified { settings, salt, ..Identified::default() });
        }
        Found::Nothing(why) => why,
    };
    let salt = hex(&random_bytes()?);
    keep(home, name, id, &salt).context("its salt cannot be kept, so nothing is sent")?;
    let renewed = why.map(|why| format!("a new salt was made: {why}; file hashes will not match earlier ones"));
    Ok(Identified { settings, salt, is_new: true, renewed })
}

fn may_send(settings: &Settings, veto: Option<&str>) -> bool {
    settings.enabled() && veto.is_none()
}

/// Whether there is an id in the settings, or something in its place that is not one.
pub fn has_id(settings: &Settings, id_setting: &str) -> bool {
    settings.get(id_setting).is_some_and(|id| !id.is_null() && id != "")
}

/// The id in the settings.
fn id<'a>(home: &Home, name: &str, settings: &'a Settings, key: &str) -> Result<&'a str> {
    settings.get(key).and_then(Value::as_str).filter(|id| is_id(id)).ok_or_else(|| {
        let file = home.settings_file(name);
        let what = format!("{key} in {} must be 1 to {LONGEST_ID} letters, digits and '-'", file.display());
        Advised::new(what, "remove it from there, and a new one is made").into()
    })
}

fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What there is of a salt for an id.
enum Found {
    Salt {
        salt: String,
        readable: bool,
    },
    /// None that belongs to it, and why not, if there should be one.
    Nothing(Option<&'static str>),
}

/// The salt that belongs to this id; none for an id that has just been made, or is still to be.
fn find(home: &Home, name: &str, id: Option<&str>) -> Result<Found> {
    Ok(match read(&home.identity_file(name))? {
        Content::Good(identity, readable) if Some(identity.id.as_str()) == id => {
            Found::Salt { salt: identity.salt, readable }
        }
        Content::Good(..) => Found::Nothing(id.map(|_| "the id changed")),
        Content::Missing => Found::Nothing(id.map(|_| NONE)),
        Content::Damaged(how) => Found::Nothing(Some(how)),
    })
}

/// Store the salt that belongs to this id. When this returns, it is on the disk: before anything is hashed with it.
///
/// # Errors
/// When it cannot be written.
pub fn keep(home: &Home, name: &str, id: &str, salt: &str) -> Result<()> {
    make_folder(&home.state())?;
    let identity = serde_json::to_string(&Identity { id: id.into(), salt: salt.into() })? + "\n";
    write_own_with_sync(&home.identity_file(name), identity.as_bytes())
}

/// What is in the place of the file.
enum Content {
    /// An identity, and whether others can read it.
    Good(Identity, bool),
    Missing,
    /// Something that another one may take the place of, and why: nothing is lost with it.
    Damaged(&'static str),
}

/// What is in the place of the file. What is neither that file nor damaged is refused, and left as it is: it is not ours.
///
/// # Errors
/// When it cannot be read, is a folder, a pipe or a device, or others may have written it.
fn read(file: &Path) -> Result<Content> {
    // What a link leads to is not even looked at. (A new file takes the place of the link, not of that.)
    if fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink()) {
        return Ok(Content::Damaged("a symbolic link was in the place of its file"));
    }
    let refused = |error| unusable(file, &error);
    let open = match open_own_with(file, File::options().read(true)) {
        Ok(open) => open,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::Missing),
        Err(error) => return Err(refused(error)),
    };
    let readable = others_can_read(file, &open)?;
    let mut bytes = Vec::new();
    open.take(LARGEST).read_to_end(&mut bytes).map_err(refused)?;
    let is_salt = |salt: &str| salt.len() >= 32 && is_id(salt);
    let identity = serde_json::from_slice::<Identity>(&bytes).ok().filter(|identity| is_salt(&identity.salt));
    Ok(identity.map_or(Content::Damaged("its file was damaged"), |identity| Content::Good(identity, readable)))
}

fn unusable(file: &Path, error: &std::io::Error) -> Error {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "let the user that glassbox runs as read it, or remove it: a new one is made",
        // The salt must not be given up for that.
        _ if is_machines(error) => machine::advice(error).unwrap_or("see that this machine can read it, and try again"),
        ErrorKind::NotADirectory => "move what is in the place of its folder away: a new one is made",
        _ => "move it away: a new one is made",
    };
    Advised::new(format!("the salt's file {} cannot be used: {error}", file.display()), advice).into()
}

/// Whether others can read the file.
///
/// # Errors
/// When others can write to it: the salt may be theirs.
fn others_can_read(file: &Path, open: &File) -> Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let found = open.metadata().map_err(|error| unusable(file, &error))?;
        let file = file.display();
        if found.uid() != nix::unistd::geteuid().as_raw() {
            let what = format!("the salt's file {file} belongs to another user, who may have written it");
            return Err(Advised::new(what, "move it away: a new one is made").into());
        }
        if found.mode() & 0o022 != 0 {
            let what = format!("others can write to the salt's file {file}, and may have done so");
            let advice = format!("move it away: a new one is made; or 'chmod 600 {file}', if nobody has written to it");
            return Err(Advised::new(what, advice).into());
        }
        Ok(found.mode() & 0o044 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = (file, open);
        Ok(false)
    }
}

/// Let nobody else read the file any more.
fn make_private(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = || {
            let open = open_own_with(file, File::options().read(true))?;
            open.set_permissions(fs::Permissions::from_mode(0o600))
        };
        match private() {
            Ok(()) => tracing::warn!("others could read the salt's file {}; now only its owner can", file.display()),
            // Some file systems have no permissions. It is a salt all the same.
            Err(error) => tracing::warn!("others can read the salt's file {}: {error}", file.display()),
        }
    }
    #[cfg(not(unix))]
    let _ = file;
}

/// Check that a file can be made in this folder, or the folder itself.
fn must_be_writable(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    if let Some(there) = folder.ancestors().find(|above| above.exists()) {
        use nix::unistd::{AccessFlags, access};
        access(there, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
            let what = format!("its salt cannot be kept: {} cannot be written: {error}", there.display());
            Advised::new(what, "give the user running glassbox write access")
        })?;
    }
    let _ = folder;
    Ok(())
}

impl Home {
    /// Add an id to a plugin's settings, if the file still says yes and has none. This never moves a damaged file aside,
    /// since nobody asked for that and somebody may just be writing it. It never makes a file either: where it was
    /// removed, nothing is enabled any more. Returns the settings as they are now.
    ///
    /// # Errors
    /// When the file is gone, damaged, or cannot be written; then nothing has changed.
    pub fn add_id(&self, name: &str, id_setting: &str) -> Result<Settings> {
        let _lock = self.lock_settings(name)?;
        let file = self.settings_file(name);
        let before = self.settings_bytes(name);
        let mut settings = match before.as_deref().map_or_else(Clone::clone, Stored::of) {
            Stored::Missing => bail!("the settings file {} is gone", file.display()),
            stored => stored.or_empty(&file)?,
        };
        if Consent::decide(&settings, None).given() && !has_id(&settings, id_setting) {
            settings.set(id_setting, uuid_v4()?.into())?;
            write_privately_over(&file, &before.unwrap_or_default(), text(&settings)?.as_bytes())?;
        }
        Ok(settings)
    }
}

/// A random UUID, of version 4 (RFC 9562).
fn uuid_v4() -> Result<String> {
    let mut bytes = random_bytes()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}
