//! `show`: all that is kept of an installation.

use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::id::Id;
use glassbox_collector::installation;

pub(super) fn run(place: &Place, id: Id) -> Result<()> {
    let shown = installation::show(&Place::existing(&place.read()?)?, id)?;
    super::print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
}
