//! Showing and changing a plugin's settings, checked against the plugin's schema and then by the plugin itself. Those
//! that are the host's (whether it is on, the id, the server), the host describes and checks.
//! The files are in [`crate::home::settings`], the schema in [`crate::home::settings_schema`].

use super::plugins::load_granted;
use super::similar::did_you_mean;
use crate::home::settings_schema::{self, Key};
use crate::home::{Home, grants, identity};
use anyhow::{Context, Error, Result, anyhow, bail};
use glassbox_contract::{deny, examine};
use glassbox_sandbox::{Instance, Manifest, Memory, Settings, check_template};
use glassbox_util::Advised;
use glassbox_util::text::printable;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What to do about a server's URL that is none.
const EXAMPLE: &str = "give one like https://stats.example/{id}/{event}/";

/// A setting, with what the plugin or the host says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its path, for example `events.printjob`.
    pub path: String,
    /// Its title; empty if the plugin gives none.
    pub title: String,
    /// What it does; empty if the plugin does not say.
    pub description: String,
    /// What holds where the user has set nothing; null for nothing.
    pub default: Value,
    /// What holds now.
    pub value: Value,
}

/// A new value for a setting, which the schema allows.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingChange {
    /// The setting's path.
    pub path: String,
    /// The value that it is to have.
    pub value: Value,
}

/// `enabled`, and the switches by the manifest of the plugin's file or by that which was granted. No component is asked:
/// none may stand between a user and a no.
pub fn switches(home: &Home, plugin: &str) -> BTreeSet<String> {
    let asked = home.read_plugin(plugin).and_then(|bytes| Ok(examine(plugin, &bytes)?.manifest().clone())).ok();
    let granted = grants::read(home, plugin).ok().flatten();
    let switches = asked.iter().chain(&granted).flat_map(Manifest::switches).map(Into::into);
    switches.chain(["enabled".into()]).collect()
}

/// Turn these switches off, whatever the plugin's component says of that, or whether there is one. `home` is that of the
/// OctoPrint.
///
/// # Errors
/// When the file cannot be written, or a path leads through what is not an object; nothing has changed then.
pub fn turn_off(home: &Home, plugin: &str, switches: &[&str]) -> Result<()> {
    if switches.contains(&"enabled") {
        home.switch_off(plugin)?;
    }
    let off = |settings: &mut Settings| Ok(switches.iter().try_for_each(|path| settings.set(path, false.into()))?);
    home.change_settings(plugin, off).map(drop)
}

/// Reads and changes the settings of one plugin, for any OctoPrint. An instance of the plugin that can touch
/// nothing checks each change.
pub struct SettingsEditor {
    plugin: String,
    /// The host's settings, by path.
    own: Vec<(String, Map<String, Value>)>,
    /// What the host goes by where nothing is set: switches are on, and rhythms are the manifest's. By path.
    defaults: Vec<(String, Map<String, Value>)>,
    /// The path of the id; none if it has none.
    id: Option<String>,
    /// The path of the tracking server's URL; none if it has none.
    server: Option<String>,
    schema: Value,
    instance: Instance,
}

impl SettingsEditor {
    /// Ask a plugin of the home for its schema.
    ///
    /// # Errors
    /// When there is no home, the plugin may not run or does not load, or its schema is not one.
    pub fn open(home: &Home, plugin: &str) -> Result<Self> {
        let loaded = load_granted(home, plugin)?;
        let mut instance = Instance::new(&loaded, deny(), None, Memory::default())?;
        let schema = serde_json::from_str(&instance.schema()?).context("the plugin's schema is not JSON")?;
        let manifest = loaded.policy.manifest();
        let http = manifest.capabilities.http.as_ref();
        let id = http.map(|http| http.id_setting.clone());
        let server = http.and_then(|http| http.url_setting.clone());
        Ok(Self {
            plugin: plugin.into(),
            own: own(manifest),
            defaults: defaults(manifest),
            id,
            server,
            schema,
            instance,
        })
    }

    /// Whether this is the id of the installation, which is shown as it is only to who asks for it.
    pub fn is_id(&self, path: &str) -> bool {
        self.id.as_deref() == Some(path)
    }

    /// All settings that there are: the host's, and then those of the plugin's schema.
    pub(super) fn keys(&self) -> Vec<Key<'_>> {
        let own = self.own.iter().map(|(path, schema)| Key { path: path.clone(), schema });
        let is_own = |key: &Key<'_>| self.own.iter().any(|(path, _)| *path == key.path);
        let mut keys: Vec<_> =
            own.chain(settings_schema::keys(&self.schema).into_iter().filter(|key| !is_own(key))).collect();
        // A component that does not name a switch hides that there is one.
        for (path, schema) in &self.defaults {
            if !keys.iter().any(|key| key.path == *path) {
                keys.push(Key { path: path.clone(), schema });
            }
        }
        keys
    }

    /// Check that there is such a setting.
    ///
    /// # Errors
    /// When there is not.
    pub fn must_have(&self, path: &str) -> Result<()> {
        self.key(path).map(drop)
    }

    fn key(&self, path: &str) -> Result<Key<'_>> {
        let name = &self.plugin;
        self.keys().into_iter().find(|key| key.path == path).ok_or_else(|| {
            let what = format!("'{}' is not a setting of '{name}'", printable(path, 80));
            let meant = did_you_mean(path, self.keys().into_iter().map(|key| key.path));
            Advised::new(what, format!("{meant}'glassbox settings {name}' lists them")).into()
        })
    }

    /// What a user typed for a setting: JSON, or else text as it is, as in `60`, `null` or `https://..`.
    ///
    /// # Errors
    /// When there is no such setting, or the schema does not allow the value.
    pub fn parse(&self, path: &str, value: &str) -> Result<SettingChange> {
        let key = self.key(path)?;
        let text = Value::String(value.into());
        let json = serde_json::from_str(value).unwrap_or_else(|_| text.clone());
        let value = match key.check(&json) {
            Ok(()) => json,
            Err(_) if key.check(&text).is_ok() => text,
            // About the value as it was meant: -1 is a number that is too small, not a text.
            Err(wrong) => return Err(self.refused(&key, value, wrong)),
        };
        // The gate would block every report that is to go there.
        if let (true, Some(url)) = (self.server.as_deref() == Some(path), value.as_str()) {
            check_template(url).map_err(|wrong| Advised::new(wrong, EXAMPLE))?;
        }
        Ok(SettingChange { path: path.into(), value })
    }

    /// Why the schema does not allow what was typed, with what to type.
    fn refused(&self, key: &Key<'_>, typed: &str, wrong: String) -> Error {
        if self.server.as_deref() == Some(&key.path) {
            return Advised::new(check_template(typed).err().unwrap_or(wrong), EXAMPLE).into();
        }
        // As in YAML, which OctoPrint's users write.
        let meant = match typed.to_lowercase().as_str() {
            "true" | "yes" | "on" => Value::from(true),
            "false" | "no" | "off" => Value::from(false),
            _ => return anyhow!(wrong),
        };
        match key.check(&meant) {
            Ok(()) => Advised::new(wrong, format!("write {}={meant}", key.path)).into(),
            Err(_) => anyhow!(wrong),
        }
    }

    /// All settings as they are now, in the schema's order. `home` is that of the OctoPrint.
    ///
    /// # Errors
    /// When the settings file cannot be read or is damaged.
    pub fn read(&self, home: &Home) -> Result<Vec<Setting>> {
        let settings = home.settings(&self.plugin).or_empty(&home.settings_file(&self.plugin))?;
        Ok(self.described(&settings))
    }

    /// Make these changes, all or none; returns all settings as they are then.
    ///
    /// # Errors
    /// When the plugin does not accept them, or the file cannot be written; nothing has changed then.
    pub fn change(&mut self, home: &Home, changes: &[SettingChange]) -> Result<Vec<Setting>> {
        let plugin = self.plugin.clone();
        let (changed, _) = home.change_settings(&plugin, |settings| {
            for SettingChange { path, value } in changes {
                settings.set(path, value.clone())?;
            }
            self.must_accept(settings)
        })?;
        Ok(self.described(&changed))
    }

    /// Have the plugin check what it is shown of a document.
    pub(super) fn must_accept(&mut self, settings: &Settings) -> Result<()> {
        match self.instance.load(settings)? {
            Ok(()) => Ok(()),
            Err(reason) => bail!("the plugin does not accept this: {reason}"),
        }
    }

    /// Keys in the settings file that are no settings, as somebody may have written by hand.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn unknown(&self, home: &Home) -> Result<Vec<String>> {
        let settings = home.settings(&self.plugin).or_empty(&home.settings_file(&self.plugin))?;
        let known = self.keys().into_iter().map(|key| key.path).collect();
        let mut unknown = Vec::new();
        strangers(&serde_json::to_value(settings)?, "", &known, &mut unknown);
        Ok(unknown)
    }

    fn described(&self, settings: &Settings) -> Vec<Setting> {
        let describe = |key: Key<'_>| {
            // Not as the component says: it could show as off what is on.
            let ours = self.defaults.iter().find(|(path, _)| *path == key.path);
            let default = ours.map_or(key.schema, |(_, schema)| schema).get("default").unwrap_or(&Value::Null).clone();
            let value = settings.get(&key.path).unwrap_or(&default);
            // A switch that is off by a key of another form.
            let is_off = value == &Value::Bool(true) && !settings.switch(&key.path);
            Setting {
                title: key.text("title").into(),
                description: key.text("description").into(),
                value: if is_off { false.into() } else { value.clone() },
                default,
                path: key.path,
            }
        };
        self.keys().into_iter().map(describe).collect()
    }
}

/// Paths of a document at which there is something, and of which none is known.
fn strangers(document: &Value, way: &str, known: &BTreeSet<String>, unknown: &mut Vec<String>) {
    for (key, value) in document.as_object().into_iter().flatten() {
        let path = format!("{way}{key}");
        // With a dot in it, it is no way to what has this path.
        let is_one = known.contains(&path) && !key.contains('.');
        let leads_on = format!("{path}.");
        if value.is_object() && known.iter().any(|known| known.starts_with(&leads_on)) {
            strangers(value, &leads_on, known, unknown);
        } else if !is_one {
            unknown.push(path);
        }
    }
}

/// The switches and rhythms of a manifest, each with what holds where nothing is set.
fn defaults(manifest: &Manifest) -> Vec<(String, Map<String, Value>)> {
    let rhythms = manifest.says.iter().filter_map(|says| says.every.as_ref());
    let rhythms = rhythms.map(|every| {
        (
            every.setting.clone(),
            json!({"title": "Rhythm, in seconds", "type": "integer", "minimum": 0, "default": every.default}),
        )
    });
    let switches = manifest.switches().map(|path| {
        (path.to_string(), json!({"title": "Whether this is reported", "type": "boolean", "default": true}))
    });
    let all: BTreeMap<_, _> = rhythms.chain(switches).collect();
    all.into_iter().filter_map(|(path, schema)| Some((path, schema.as_object()?.clone()))).collect()
}

/// The settings that the host itself enforces, and that a plugin need not know of, each with its schema.
fn own(manifest: &Manifest) -> Vec<(String, Map<String, Value>)> {
    let http = manifest.capabilities.http.as_ref();
    let enabled = json!({
        "title": "Reports",
        "description": "Nothing is sent unless this is true. null: not decided yet.",
        "type": ["boolean", "null"],
        "default": null,
    });
    let id = json!({
        "title": "Id of this installation",
        "description": "Random, made by the host when reports are first sent; part of the URL of every report.",
        "type": ["string", "null"],
        "pattern": format!("^[0-9A-Za-z-]{{1,{}}}$", identity::LONGEST_ID),
        "default": null,
    });
    let server = json!({
        "title": "Tracking server",
        "description": "The URL that reports go to: {id} stands for the id of this installation, {event} for the name of the report.",
        "type": ["string", "null"],
        "pattern": "^https?://",
        "maxLength": 2048,
        "default": http.map_or("", |http| http.url.as_str()),
    });
    let id = http.map(|http| (http.id_setting.clone(), id));
    let server = http.and_then(|http| Some((http.url_setting.clone()?, server)));
    let all = [("enabled".to_string(), enabled)].into_iter().chain(id).chain(server);
    all.filter_map(|(path, schema)| Some((path, schema.as_object()?.clone()))).collect()
}
