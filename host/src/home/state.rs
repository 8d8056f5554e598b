//! What a plugin saved, in `state/NAME.json`, so that its timers and what it knows of OctoPrint's server continue when
//! the host is restarted. When a state is saved is up to the room `plugins`.

use super::{Home, make_folder};
use crate::system::Now;
use anyhow::Result;
use glassbox_sandbox::limits;
use glassbox_util::files::{read_bounded, write_own};
use glassbox_util::machine::{advice, is_machines};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

/// The largest file, in bytes: what was heard may be escaped, and there are other fields.
const LARGEST: usize = 2 * limits::HEARD + 2 * limits::HANDOVER + 4096;

/// How states are saved. Before 3, they were the component's own, which may have kept paths and ids.
const FORMAT: u64 = 3;

/// A state that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What the room `plugins` wrote, as JSON text.
    pub state: String,
    /// How long ago it was saved. Zero if the wall clock is behind that time, and nothing else tells.
    pub age: Duration,
    /// Whether OctoPrint's server had started and not stopped by then.
    pub server_run: bool,
    /// Whether that run of the server still goes on: it does, as far as we know, if the machine was not restarted.
    pub same_run: bool,
}

/// There may be a state, and it cannot be read at this moment, for which the file is not to blame. A plugin that started
/// without it would report again what it has reported, and write over it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} cannot be read now: {error}; {}, which is done by itself every few seconds while a host runs",
    file.display(), advice(error).unwrap_or("see that this machine can read it, and try again")
)]
pub struct Hidden {
    file: PathBuf,
    error: io::Error,
}

/// The content of a state file.
#[derive(Deserialize, Serialize)]
struct StateFile {
    /// See [`FORMAT`]; 0 if the file does not say.
    #[serde(default)]
    format: u64,
    /// When it was saved, in milliseconds since 1970. Used only if the machine was restarted since.
    saved_ms: u64,
    /// Identifies the boot of the machine; and how many milliseconds after that it was saved. A wall clock that jumps
    /// does not change these.
    boot: Option<String>,
    boot_ms: Option<u64>,
    /// Whether OctoPrint's server had started and not stopped.
    server_run: bool,
    /// An object, or a string if it is not one.
    state: Value,
}

/// Save a state. This does not wait for the disk, so that it is cheap; a crash of the machine may lose the state.
///
/// # Errors
/// When it cannot be written; the state before it is still there.
pub fn write(home: &Home, name: &str, state: &str, server_run: bool, now: &Now) -> Result<()> {
    let content = StateFile {
        format: FORMAT,
        saved_ms: millis(now.wall),
        boot: now.boot.as_ref().map(|(id, _)| id.clone()),
        boot_ms: now.boot.as_ref().map(|(_, since)| millis(*since)),
        server_run,
        // As JSON, so that people can read it; what is not JSON is stored as a string.
        state: serde_json::from_str(state).ok().filter(Value::is_object).unwrap_or_else(|| Value::String(state.into())),
    };
    make_folder(&home.state())?;
    write_own(&home.state_file(name), serde_json::to_string(&content)?.as_bytes())
}

/// Read the saved state. None if there is none or it cannot be used, which is logged; then the plugin starts without.
///
/// # Errors
/// When it cannot be known now.
pub fn read(home: &Home, name: &str, now: &Now) -> Result<Option<Saved>, Hidden> {
    let file = home.state_file(name);
    let read = match read_bounded(&file, LARGEST) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if is_machines(&error) => return Err(Hidden { file, error }),
        read => read.and_then(|bytes| Ok(serde_json::from_slice::<StateFile>(&bytes)?)),
    };
    let stored = match read {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(about = name, "{} is damaged, and the plugin starts without it: {error}", file.display());
            return Ok(None);
        }
    };
    if stored.format != FORMAT {
        let file = file.display();
        tracing::info!(about = name, "the plugin starts without {file}, which another version of glassbox wrote");
        return Ok(None);
    }
    let state = match stored.state {
        Value::String(text) => text,
        value => value.to_string(),
    };
    let since_boot = now.boot.as_ref().zip(stored.boot.zip(stored.boot_ms));
    let same_boot = since_boot.filter(|((id, _), (stored_id, _))| id == stored_id);
    let age = match same_boot {
        Some(((_, since), (_, stored))) => since.saturating_sub(Duration::from_millis(stored)),
        // If the wall clock was set back, the difference would be negative.
        None => now.wall.saturating_sub(Duration::from_millis(stored.saved_ms)),
    };
    let same_run = stored.server_run && same_boot.is_some();
    Ok(Some(Saved { state, age, server_run: stored.server_run, same_run }))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: u64, boot: Option<(&str, u64)>) -> Now {
        Now { wall: Duration::from_secs(wall), boot: boot.map(|(id, s)| (id.into(), Duration::from_secs(s))) }
    }

    #[test]
    fn age_is_counted_by_the_machines_uptime_unless_it_was_restarted() {
        let folder = std::env::temp_dir().join(format!("glassbox-state-{}", std::process::id()));
        let home = Home::at(&folder);
        write(&home, "p", r#"{"a":1}"#, true, &now(1_000_000, Some(("one", 500)))).unwrap();
        let read = |name: &str, now: &Now| read(&home, name, now).unwrap();
        let age = |now: Now| read("p", &now).map(|saved| (saved.age.as_secs(), saved.same_run));
        assert_eq!(age(now(5, Some(("one", 530)))), Some((30, true)), "the wall clock jumped back");
        assert_eq!(age(now(9_000_000, Some(("one", 530)))), Some((30, true)), "and forward");
        assert_eq!(age(now(1_000_060, Some(("two", 3)))), Some((60, false)), "another start");
        assert_eq!(age(now(1_000_060, None)), Some((60, false)));
        assert_eq!(age(now(5, None)), Some((0, false)));
        assert_eq!(read("p", &now(5, None)).unwrap().state, r#"{"a":1}"#);
        write(&home, "p", "no json", false, &now(1, Some(("one", 1)))).unwrap();
        let saved = read("p", &now(2, Some(("one", 2)))).unwrap();
        assert_eq!((saved.state.as_str(), saved.same_run), ("no json", false));
        // As it was written before, which may hold what no component is shown any more.
        let file = home.state_file("p");
        let written = std::fs::read_to_string(&file).unwrap();
        let older = written.replace("\"format\":3,", "");
        assert_ne!(older, written);
        std::fs::write(&file, older).unwrap();
        assert_eq!(read("p", &now(2, None)), None);
        std::fs::write(home.state_file("p"), "{").unwrap();
        assert_eq!(read("p", &now(2, None)), None);
        assert_eq!(read("q", &now(2, None)), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
