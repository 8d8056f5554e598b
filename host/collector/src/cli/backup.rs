//! `backup`: copy the store.

use super::Done;
use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::store::backup::backup;
use glassbox_util::Advised;
use std::path::Path;

pub(super) fn run(place: &Place, to: &Path) -> Result<Done> {
    let store = Place::existing(&place.read()?)?;
    let progress = |done: usize, all: usize| super::progress(&format!("copying day {} of {all}", done + 1));
    let damaged = backup(&store, to, progress)?;
    if damaged.is_empty() {
        super::print(&format!("the store is copied to {}; 'run --data' takes it\n", to.display()))?;
        return Ok(Done::All);
    }
    let days = damaged.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let what = format!("all is copied to {} but damaged days: {days}", to.display());
    Ok(Done::But(Advised::new(what, "'status' says what is wrong with them")))
}
