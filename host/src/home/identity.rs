//! Who an installation is: its id, which is in the user's settings, and its salt, with which paths are hashed, in
//! `state/NAME.identity.json`. Both are the host's: no component makes them, and none is shown them. A salt belongs to
//! one id, so that hashes of two ids cannot be compared; without one that is stored, nothing is sent.

use super::settings::{Stored, text};
use super::{Home, make_folder};
use crate::system::random_bytes;
use anyhow::{Context, Result, bail};
use glassbox_sandbox::{Consent, Settings};
use glassbox_util::Advised;
use glassbox_util::files::{open_own_with, write_own_with_sync, write_privately_over};
use glassbox_util::text::hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
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
    /// Why there is a new salt, for the journal, where hashes differ from earlier ones.
    pub renewed: Option<String>,
}

/// The settings with an id, and the salt that belongs to it. Where they are missing, they are made and stored, but only
/// if something may be sent at all: who has not said yes has neither. `id_setting` is the key of the id; none for a
/// plugin that sends nothing.
///
/// # Errors
/// When the id is not one, or something that has to be made cannot be stored. Then nothing may be sent.
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
    let id = match settings.get(key) {
        Some(Value::String(id)) if is_id(id) => id.clone(),
        _ => {
            let what = format!("{key} must be 1 to {LONGEST_ID} letters, digits and '-'");
            return Err(Advised::new(what, "remove it from the settings, and a new one is made").into());
        }
    };
    let (salt, renewed) = salt(home, name, &id, is_new)?;
    Ok(Identified { settings, salt, renewed })
}

fn may_send(settings: &Settings, veto: Option<&str>) -> bool {
    settings.enabled() && veto.is_none()
}

/// Whether there is an id in the settings, or something in its place that is not one.
#[must_use]
pub fn has_id(settings: &Settings, id_setting: &str) -> bool {
    settings.get(id_setting).is_some_and(|id| !id.is_null() && id != "")
}

fn is_id(text: &str) -> bool {
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The salt that belongs to this id, and why it is new if it should not have to be.
fn salt(home: &Home, name: &str, id: &str, id_is_new: bool) -> Result<(String, Option<String>)> {
    let file = home.identity_file(name);
    let why = match read(&file) {
        Ok(Some(identity)) if identity.id == id => return Ok((identity.salt, None)),
        Ok(Some(_)) if id_is_new => None,
        Ok(Some(_)) => Some("the id is another one".into()),
        Ok(None) => Some("its file was damaged".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            (!id_is_new).then(|| "the host had none for this id, as before it was a component that made it".into())
        }
        Err(error) => {
            let what = format!("{} cannot be read: {error}", file.display());
            return Err(Advised::new(what, "remove it, and a new one is made").into());
        }
    };
    let salt = hex(&random_bytes()?);
    keep(home, name, id, &salt).context("its salt cannot be kept, so nothing is sent")?;
    let renewed =
        why.map(|why: String| format!("a new salt was made: {why}; hashes of paths differ from earlier ones"));
    Ok((salt, renewed))
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

/// What the file holds; `None` if it is damaged, so that another one may take its place.
fn read(file: &Path) -> io::Result<Option<Identity>> {
    let mut bytes = Vec::new();
    match open_own_with(file, File::options().read(true)) {
        Ok(open) => open.take(LARGEST).read_to_end(&mut bytes)?,
        // A link or the like, which the program did not put there. A link is replaced; what is no file is refused then.
        Err(error) if error.kind() == ErrorKind::Other => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_salt = |salt: &str| salt.len() >= 32 && is_id(salt);
    Ok(serde_json::from_slice::<Identity>(&bytes).ok().filter(|identity| is_salt(&identity.salt)))
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
