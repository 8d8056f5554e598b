//! `forget`: remove an installation.

use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::id::Id;
use glassbox_collector::installation;
use glassbox_util::Advised;

pub(super) fn run(place: &Place, id: Id) -> Result<()> {
    let forgotten = installation::forget(&Place::existing(&place.read()?)?, id)?;
    if !forgotten.damaged.is_empty() {
        let files = forgotten.damaged.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let what = format!("it is forgotten, but these files are damaged, and may hold what it reported: {files}");
        return Err(Advised::new(what, "remove them").into());
    }
    super::print(if forgotten.known { "forgotten\n" } else { "nothing is kept of it\n" })
}
