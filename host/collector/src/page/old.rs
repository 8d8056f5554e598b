//! What is wrong with the files that the page is made of, in plain sight: they are missing, old, or of the future.

use super::data::{Data, KINDS};
use jiff::Timestamp;
use maud::{Markup, html};

/// They are made every hour; older than this, in seconds, they are out of date.
const OLD: i64 = 3 * 3600;

/// Seconds by which a clock may be set back without a word.
const AHEAD: i64 = 300;

pub(super) fn banner(data: &Data, now: Timestamp) -> Markup {
    let said = said(data, now);
    html! { @if !said.is_empty() { div.old role="status" { @for text in said { p { (text) } } } } }
}

fn said(data: &Data, now: Timestamp) -> Vec<String> {
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| data.made(kind).is_none()).collect();
    if missing.len() == KINDS.len() && !data.ever {
        return vec!["There are no exports yet. They are made within a minute of the collector's start; its log says why if they cannot be.".into()];
    }
    let mut said = Vec::new();
    if !missing.is_empty() {
        let which = missing.join(", ");
        said.push(format!("Numbers are missing: files were removed, or cannot be made or read ({which})."));
    }
    let ages = || KINDS.iter().filter_map(|kind| data.made(kind)).map(|made| now.as_second() - made.as_second());
    if let Some(age) = ages().max().filter(|age| *age > OLD) {
        let which = if ages().all(|age| age > OLD) { "These numbers" } else { "Some of these numbers" };
        said.push(format!("{which} are {} hours old: the collector has made no newer ones.", age / 3600));
    }
    if ages().min().is_some_and(|age| age < -AHEAD) {
        said.push("Numbers are of the future: the collector's clock was wrong when they were made, or is now.".into());
    }
    said
}
