//! `run`: the service.

use super::arguments::Place;
use anyhow::Result;
use glassbox_collector::config::Listen;
use glassbox_collector::server;
use std::path::PathBuf;

pub(super) fn run(place: &Place, listen: Option<Listen>, geo: Option<PathBuf>) -> Result<()> {
    let mut config = place.read()?;
    config.listen = listen.unwrap_or(config.listen);
    config.geo_database = geo.or(config.geo_database);
    server::run(&config, |listening| {
        let metrics = listening.metrics.iter().map(|address| format!("metrics at {address}\n"));
        // Whoever started us may not listen.
        let _ = super::print(&format!("listening on {}\n{}", listening.everybody, metrics.collect::<String>()));
    })
}
