//! `forget`: remove an installation.

use super::Done;
use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::id::Id;
use glassbox_collector::installation;
use glassbox_collector::store::look;
use glassbox_util::Advised;

pub(super) fn run(place: &Place, id: Id, keep_out: bool) -> Result<Done> {
    let store = Place::existing(&place.read()?)?;
    let forgotten = installation::forget(&store, id, keep_out)?;
    let mut damaged: Vec<_> = forgotten.damaged.iter().map(|file| file.display().to_string()).collect();
    if !forgotten.known {
        // They may hold it from before.
        damaged.extend(look::damaged(&store)?);
    }
    let what = if forgotten.known { "it is forgotten" } else { "nothing is kept of it" };
    if !damaged.is_empty() {
        let what = format!("{what}, but damaged files may hold what it reported: {}", damaged.join(", "));
        return Ok(Done::But(Advised::new(what, "remove them")));
    }
    super::print(&format!("{what}{}\n", if keep_out { ", and kept out" } else { "" }))?;
    Ok(Done::All)
}
