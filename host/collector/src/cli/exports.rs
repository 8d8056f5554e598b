//! `exports`: make them now.

use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::exports;
use jiff::Timestamp;
use std::path::Path;

pub(super) fn run(place: &Place, out: &Path, now: Option<Timestamp>) -> Result<()> {
    let config = place.read()?;
    let store = Place::existing(&config)?;
    exports::write(&config, &store, out, now.unwrap_or_else(Timestamp::now)).map(drop)
}
