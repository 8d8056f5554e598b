//! The table of plugins, which can be searched: the form's text is in the URL, and the answer is a page.

use super::data::Data;
use super::tables::{bar, name};
use super::{View, few, whole, whole_of};
use glassbox_util::text::printable;
use maud::{Markup, html};
use serde_json::Value;

/// Rows that are shown; more are found by searching.
const MOST: usize = 100;

/// Versions of a plugin that are shown.
const VERSIONS: usize = 3;

pub(super) fn section(data: &Data, view: &View) -> Markup {
    html! {
        section id="plugins" aria-label="Plugins" {
            h2 { "Plugins" }
            @match data.file("plugin").and_then(|file| file["plugins"].as_object()) {
                None => {
                    p.none { "Not known: the file of these numbers is missing, or has none." }
                    p.note { (data.window(Some("plugin"))) }
                },
                Some(all) => {
                    (search(view))
                    @let needle = view.search.to_lowercase();
                    @let found: Vec<_> = all.iter().filter(|(id, _)| printable(id, usize::MAX).to_lowercase().contains(&needle)).collect();
                    (table(&found))
                    p.note {
                        (data.window(Some("plugin"))) "; " (whole_of(found.len())) " of " (whole_of(all.len())) " plugins"
                        @if found.len() > MOST { ", of which the " (MOST) " most frequent are shown: search for others" }
                        ". "
                        @if let Some(few) = few(data) { "Plugins and versions that fewer than " (few) " installations share are left out. " }
                        "Installed and removed: by how many installations. "
                        a href=(format!("/export/plugin_stats_{}d.json", data.days)) { "JSON" span.unseen { " of plugins" } }
                    }
                }
            }
        }
    }
}

fn search(view: &View) -> Markup {
    html! {
        form role="search" action="/#plugins" {
            input type="hidden" name="days" value=(view.days);
            @if view.hidden { input type="hidden" name="hidden" value="yes"; }
            label for="q" { "Search for a plugin" } " "
            input id="q" type="search" name="q" value=(view.search) maxlength="80"; " "
            button { "Search" }
        }
    }
}

fn table(found: &[(&String, &Value)]) -> Markup {
    let count = |plugin: &Value, key: &str| plugin[key].as_f64().unwrap_or_default();
    let largest = found.iter().map(|(_, plugin)| count(plugin, "instances")).fold(0.0, f64::max);
    html! {
        @if found.is_empty() { p.none { "None." } }
        @else {
            table.bars.plugins aria-label="Plugins" {
                thead { tr {
                    th scope="col" { "Plugin" } th scope="col" { span.unseen { "Bar" } } th.number scope="col" { "Installations" }
                    th scope="col" { "Most frequent versions" } th.number scope="col" { "Installed" } th.number scope="col" { "Removed" }
                } }
                tbody {
                    @for (id, plugin) in found.iter().take(MOST) {
                        tr {
                            th scope="row" { bdi { (name(id)) } }
                            td.bar { (bar(count(plugin, "instances"), largest)) }
                            td.number { (whole(count(plugin, "instances"))) }
                            td { bdi { (versions(plugin)) } }
                            td.number { (whole(count(plugin, "install_events"))) }
                            td.number { (whole(count(plugin, "uninstall_events"))) }
                        }
                    }
                }
            }
        }
    }
}

fn versions(plugin: &Value) -> String {
    let all = plugin["versions"].as_object();
    let first = all.into_iter().flatten().take(VERSIONS).map(|(version, _)| name(version));
    first.collect::<Vec<_>>().join(", ")
}
