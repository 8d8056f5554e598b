//! Lists of plugins and achievements, which reports name by a number.

use super::tally::{Pairs, Words};
use anyhow::Result;
use rusqlite::{Connection, OptionalExtension};

/// Longer ids and versions are not counted, as in the original.
const LONGEST: usize = 256;

/// Which installations had which plugins, and which versions of them.
#[derive(Default)]
pub(super) struct Plugins {
    /// By the plugin's id.
    pub(super) plugins: Pairs,
    /// By [`version_key`].
    pub(super) versions: Pairs,
}

/// A plugin's version as one text. No id has a line feed: it would have come encoded, and ids with one are not counted.
pub(super) fn version_key(id: &str, version: &str) -> String {
    format!("{id}\n{version}")
}

/// An id as it is counted: whatever its spelling, it is one plugin.
pub(super) fn plugin_id(text: &str) -> Option<String> {
    let id = text.to_lowercase();
    (!id.is_empty() && id.chars().count() <= LONGEST && !id.contains('\n')).then_some(id)
}

impl Plugins {
    /// Of all pairs of a list and an installation.
    pub(super) fn new(lists: &mut Pairs, shared: &Connection, words: &mut Words) -> Result<Self> {
        let mut all = Self::default();
        for_each_list(lists, shared, |text, installations| {
            for entry in text.split(',') {
                let (id, version) = match entry.split_once(':') {
                    None => (entry, None),
                    Some((id, rest)) => (id, rest.rsplit(':').next()),
                };
                let Some(id) = plugin_id(id) else { continue };
                let plugin = words.number(&id);
                let version = version.filter(|version| !version.is_empty() && version.chars().count() <= LONGEST);
                let version = version.map(|version| words.number(&version_key(&id, version)));
                for installation in installations {
                    all.plugins.add(plugin, *installation);
                    if let Some(version) = version {
                        all.versions.add(version, *installation);
                    }
                }
            }
        })?;
        Ok(all)
    }
}

/// Which installations had which achievements.
pub(super) fn achievements(lists: &mut Pairs, shared: &Connection, words: &mut Words) -> Result<Pairs> {
    let mut all = Pairs::default();
    for_each_list(lists, shared, |text, installations| {
        for key in text.split(',').filter(|key| !key.is_empty() && key.chars().count() <= LONGEST) {
            let key = words.number(key);
            installations.iter().for_each(|installation| all.add(key, *installation));
        }
    })?;
    Ok(all)
}

/// Each list's text, and the installations that had it.
fn for_each_list(lists: &mut Pairs, shared: &Connection, mut each: impl FnMut(&str, &[u32])) -> Result<()> {
    let mut find = shared.prepare("SELECT text FROM list WHERE number = ?")?;
    let mut same: (u32, Vec<u32>) = (0, Vec::new());
    // One more pair than there are, so that the last list is handled as well.
    for (list, installation) in lists.all().map(|(list, one)| (list, Some(one))).chain([(0, None)]) {
        if list != same.0 || installation.is_none() {
            if !same.1.is_empty() {
                let text: Option<String> = find.query_row([same.0], |row| row.get(0)).optional()?;
                each(text.as_deref().unwrap_or_default(), &same.1);
            }
            same = (list, Vec::new());
        }
        same.1.extend(installation);
    }
    Ok(())
}
