//! Id and salt: made once, by the host, for who has said yes; and never used where they cannot be kept.
#![allow(missing_docs)]

use glassbox::home::Home;
use glassbox::home::identity::{Identified, identify, keep};
use glassbox_tests::{Folder, ID};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

struct Place {
    home: Home,
    _folder: Folder,
}

impl Place {
    /// A home with these settings.
    fn new(name: &str, settings: &Value) -> Self {
        let folder = Folder::new(name);
        let place = Self { home: Home::at(&folder.0), _folder: folder };
        place.home.init().unwrap();
        place.put(settings);
        place
    }

    fn put(&self, settings: &Value) {
        fs::write(self.home.settings_file("tracking"), settings.to_string()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.home.identity_file("tracking")
    }

    fn with_veto(&self, veto: Option<&str>) -> Result<Identified, String> {
        let settings = self.home.settings("tracking").or_empty(&self.home.settings_file("tracking")).unwrap();
        identify(&self.home, "tracking", &settings, Some("unique_id"), veto).map_err(|error| format!("{error:#}"))
    }

    fn identify(&self) -> Result<Identified, String> {
        self.with_veto(None)
    }

    fn good(&self) -> Identified {
        self.identify().unwrap()
    }

    fn stored(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap()
    }
}

fn id(identified: &Identified) -> String {
    identified.settings.get("unique_id").and_then(Value::as_str).unwrap_or_default().into()
}

/// Whether it is 16 bytes in hex.
fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn yes() -> Value {
    json!({"enabled": true, "mine": 1})
}

#[test]
fn both_are_made_once_for_who_has_said_yes() {
    let place = Place::new("identity-once", &yes());
    let first = place.good();
    assert!(first.renewed.is_none(), "{:?}", first.renewed);
    let uuid = id(&first);
    let dashes: Vec<_> = uuid.match_indices('-').map(|(at, _)| at).collect();
    assert!(dashes == [8, 13, 18, 23] && is_hex(&uuid.replace('-', "")), "{uuid}");
    assert!(&uuid[14..15] == "4" && "89ab".contains(&uuid[19..20]), "{uuid}");
    assert!(is_hex(&first.salt), "{}", first.salt);
    assert_eq!(place.stored(), json!({"id": id(&first), "salt": first.salt}));
    assert_eq!(fs::metadata(place.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let settings = place.home.settings("tracking").or_empty(&place.file()).unwrap();
    assert_eq!(settings, first.settings, "what is in force is in the file");
    assert_eq!(settings.get("mine"), Some(&1.into()));
    assert!(first.is_new);
    assert!(place.good() == Identified { is_new: false, ..first.clone() }, "and again after a restart");
    // Another home has others.
    let other = Place::new("identity-other", &yes()).good();
    assert!(id(&other) != id(&first) && other.salt != first.salt);
}

#[test]
fn who_has_not_said_yes_has_neither() {
    for settings in [json!({}), json!({"enabled": false}), json!({"enabled": "true"}), json!({"enabled": null})] {
        let place = Place::new("identity-no", &settings);
        assert!(place.good().salt.is_empty() && id(&place.good()).is_empty(), "{settings}");
        assert!(!place.file().exists());
    }
    let place = Place::new("identity-veto", &yes());
    let vetoed = place.with_veto(Some("DO_NOT_TRACK")).unwrap();
    assert!(vetoed.salt.is_empty() && id(&vetoed).is_empty() && !place.file().exists());
    let without_http = identify(&place.home, "tracking", &place.good().settings, None, None).unwrap();
    assert!(without_http.salt.is_empty());
    // Who says no keeps what was made, and has it back with the next yes.
    let first = place.good();
    place.put(&json!({"enabled": false, "unique_id": id(&first)}));
    assert!(place.good().salt.is_empty());
    place.put(&json!({"enabled": true, "unique_id": id(&first)}));
    assert_eq!(place.good().salt, first.salt);
}

#[test]
fn none_is_made_for_a_yes_that_is_gone_by_then() {
    let place = Place::new("identity-gone", &yes());
    let before = place.home.settings("tracking").or_empty(&place.file()).unwrap();
    place.put(&json!({"enabled": false}));
    let now = identify(&place.home, "tracking", &before, Some("unique_id"), None).unwrap();
    assert!(!now.settings.enabled() && now.salt.is_empty() && !place.file().exists());
    fs::remove_file(place.home.settings_file("tracking")).unwrap();
    let error = identify(&place.home, "tracking", &before, Some("unique_id"), None).err().unwrap().to_string();
    assert!(error.ends_with("tracking.json is gone"), "{error}");
}

#[test]
fn another_id_brings_another_salt() {
    let place = Place::new("identity-another", &yes());
    let first = place.good();
    place.put(&json!({"enabled": true, "unique_id": ID}));
    let second = place.good();
    assert_ne!(second.salt, first.salt);
    assert_eq!(place.stored(), json!({"id": ID, "salt": second.salt}));
    let said = "a new salt was made: the id changed; file hashes will not match earlier ones";
    assert_eq!(second.renewed.as_deref(), Some(said));
    assert_eq!(place.good().renewed, None, "said once");
    // The first id does not bring its salt back, or two installations could be told to be one.
    place.put(&json!({"enabled": true, "unique_id": id(&first)}));
    assert!(![first.salt, second.salt].contains(&place.good().salt));
    // Who removes the id begins anew, and nothing has to be said of that.
    for nothing in [Value::Null, "".into()] {
        place.put(&json!({"enabled": true, "unique_id": nothing}));
        let anew = place.good();
        assert!(id(&anew).len() == 36 && anew.renewed.is_none(), "{:?}", anew.renewed);
        assert_eq!(place.stored()["id"], id(&anew));
    }
}

#[test]
fn an_older_versions_salt_is_replaced_once() {
    let old = json!({"enabled": true, "unique_id": ID, "file_salt": "made by a component"});
    let place = Place::new("identity-upgrade", &old);
    let new = place.good();
    assert!(
        new.renewed.as_ref().is_some_and(|said| said.contains("whose salt the component of an earlier version made"))
    );
    assert!(!place.stored().to_string().contains("made by a component"));
    assert_eq!(id(&new), ID, "the id is the user's");
    assert_eq!(new.settings.get("file_salt"), Some(&"made by a component".into()), "left alone");
    assert!(new.is_new);
    assert!(place.good() == Identified { is_new: false, renewed: None, ..new });
}

#[test]
fn a_damaged_file_is_replaced() {
    let place = Place::new("identity-damaged", &json!({"enabled": true, "unique_id": ID}));
    let outside = place.home.root().join("outside");
    fs::create_dir_all(place.home.state()).unwrap();
    let write = |text: &str| fs::write(place.file(), text).unwrap();
    let damages: [(&str, &dyn Fn()); 7] = [
        ("empty", &|| write("")),
        ("cut", &|| write("{\"id\": \"1111")),
        ("no salt", &|| write(&json!({"id": ID}).to_string())),
        ("a short salt", &|| write(&json!({"id": ID, "salt": "abc"}).to_string())),
        ("an odd salt", &|| write(&json!({"id": ID, "salt": "ä".repeat(32)}).to_string())),
        ("endless", &|| write(&" ".repeat(1 << 20))),
        ("a link", &|| {
            keep(&place.home, "tracking", ID, ID).unwrap();
            fs::rename(place.file(), &outside).unwrap();
            symlink(&outside, place.file()).unwrap();
        }),
    ];
    let mut salts = Vec::new();
    for (name, damage) in damages {
        let _ = fs::remove_file(place.file());
        damage();
        let new = place.good();
        let why =
            if name == "a link" { "a symbolic link was in the place of its file" } else { "its file was damaged" };
        assert!(new.renewed.is_some_and(|said| said.contains(why)), "{name}");
        assert!(!salts.contains(&new.salt) && new.salt != ID, "{name}");
        assert_eq!(place.stored(), json!({"id": ID, "salt": new.salt}), "{name}");
        assert!(fs::symlink_metadata(place.file()).unwrap().is_file(), "{name}");
        salts.push(new.salt);
    }
    assert!(fs::read_to_string(outside).unwrap().contains(ID), "what a link led to was not touched");
}

#[test]
fn what_cannot_be_kept_is_not_used() {
    let place = Place::new("identity-unkept", &json!({"enabled": true, "unique_id": ID}));
    // As on a disk that is only readable, for root as well.
    fs::write(place.home.state(), "no folder").unwrap();
    let error = place.identify().err().unwrap();
    assert!(error.contains("state"), "{error}");
    fs::remove_file(place.home.state()).unwrap();
    fs::create_dir_all(place.file()).unwrap();
    let error = place.identify().err().unwrap();
    assert!(error.contains("tracking.identity.json"), "{error}");
    fs::remove_dir(place.file()).unwrap();
    assert!(Command::new("mkfifo").arg(place.file()).status().unwrap().success());
    let error = place.identify().err().unwrap();
    assert!(error.contains("tracking.identity.json"), "{error}");
}

#[test]
fn what_is_no_id_is_not_sent() {
    for id in [json!("it is me"), json!("a/b"), json!("x".repeat(65)), json!(5), json!(true), json!(["a"]), json!("ä")]
    {
        let place = Place::new("identity-none", &json!({"enabled": true, "unique_id": id}));
        let error = place.identify().err().unwrap();
        let what = "tracking.json must be 1 to 64 letters, digits and '-'; remove it from there, and a new one is made";
        assert!(error.starts_with("unique_id in ") && error.ends_with(what), "{error}");
        assert!(!place.file().exists());
    }
    assert!(!Place::new("identity-short", &json!({"enabled": true, "unique_id": "4711"})).good().salt.is_empty());
}
