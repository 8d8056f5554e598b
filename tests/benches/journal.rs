//! What the journal costs: an entry, and the check of a full one.

use crate::{Sheet, median, nanoseconds};
use glassbox_journal::{Journal, JournalEntry, JournalRequest, TOTAL, What, verify};
use std::time::Instant;

fn entry() -> JournalEntry {
    let fields = [
        ("origin", "local"),
        ("file", "b44986aa01e436f3e1043c14f835436322477b3b"),
        ("throttled_now", "True"),
        ("throttled_past", "True"),
        ("throttled_mask", "327680"),
    ];
    JournalEntry {
        what: What::Sent,
        octoprint: None,
        plugin: "tracking".into(),
        component: Some("5d3f0a".repeat(10) + "0000"),
        event: Some("PrintStarted".into()),
        request: Some(JournalRequest {
            name: "print_started".into(),
            method: "GET".into(),
            path: "/track/{id}/print_started/".into(),
            fields: fields.map(|(name, value)| (name.into(), value.into())).to_vec(),
        }),
        status: Some(200),
        reason: None,
        count: None,
    }
}

pub fn measure(sheet: &mut Sheet) {
    let folder = std::env::temp_dir().join(format!("glassbox-bench-journal-{}", std::process::id()));
    let journal = Journal::open(&folder).unwrap();
    let entry = entry();
    let time = median(51, 200, || journal.write(&entry));
    sheet.line("an entry in the journal", &format!("{:.1} us", nanoseconds(time) / 1000.0));
    // Until the oldest file goes.
    while verify(&folder).unwrap().unwrap().first.is_some_and(|(number, _)| number == 1) {
        (0..5000).for_each(|_| journal.write(&entry));
    }
    let began = Instant::now();
    verify(&folder).unwrap().unwrap();
    let size = TOTAL >> 20;
    sheet.line(
        &format!("the check of a journal of {size} MiB"),
        &format!("{:.0} ms", began.elapsed().as_secs_f64() * 1e3),
    );
    let _ = std::fs::remove_dir_all(&folder);
}
