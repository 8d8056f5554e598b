//! What it costs to record: an event with nothing, with the last calls kept in memory as every running host
//! does, and with all of them written into a file.

use crate::{Sheet, median, nanoseconds};
use glassbox::home::BUNDLED;
use glassbox::plugins::running_plugin::{RunningPlugin, Setup};
use glassbox::record::{Recorder, Sink, sandbox};
use glassbox_contract::{Deny, Prepare, deny};
use glassbox_sandbox::{Plugin, Settings};
use glassbox_tests::{Folder, identify};
use std::hint::black_box;
use std::sync::Arc;

const SETTINGS: &str = r#"{"enabled": true, "unique_id": "11111111-2222-4333-8444-555555555555",
    "ping": 0, "pong": 0}"#;
/// As OctoPrint sends it, with what the policy does not hand on.
const PAYLOAD: &str = r#"{"name":"a file with a name.gcode","path":"some folder/a file with a name.gcode",
    "origin":"local","size":123456,"owner":"somebody","user":"somebody else"}"#;

pub fn measure(sheet: &mut Sheet) {
    let folder = Folder::new("bench-record");
    let prepare = |metered| sandbox(None, metered).unwrap().prepare("tracking", BUNDLED).unwrap();
    // A run that is written down counts its work, too.
    let (plugin, metered) = (Arc::new(prepare(false)), Arc::new(prepare(true)));
    let recorder = |sink| Recorder::new(None, "bench", sink, folder.0.join("trap.jsonl"));
    let file = folder.0.join("recording.jsonl");
    let sink = Sink::create(&file, u64::MAX, false).unwrap();
    let all = [(&plugin, None), (&plugin, Some(recorder(None))), (&metered, Some(recorder(Some(sink))))];
    let mut all = all.map(|(plugin, recorder)| (running(plugin, recorder), Vec::new()));
    // In turn, so that all see the same machine.
    for _ in 0..51 {
        for (running, times) in &mut all {
            times.push(median(1, 500, || {
                black_box(running.event("PrintStarted", black_box(PAYLOAD), 1));
            }));
        }
    }
    let [off, ring, whole] = all.map(|(_, mut times)| {
        times.sort();
        nanoseconds(times[25])
    });
    sheet.line("a tracked event, nothing kept", &format!("{:.1} us", off / 1000.0));
    sheet.bound("  the last calls kept / nothing kept", ring / off, "x", 1.25);
    // Some 40 us for a kilobyte of text and a write; the event itself became cheaper, and so the ratio larger.
    sheet.bound("  all written into a file / nothing kept", whole / off, "x", 4.0);
    let size = std::fs::metadata(file).unwrap().len() as f64 / (51.0 * 500.0);
    sheet.line("  bytes of the recording for an event", &format!("{size:.0}"));
}

fn running(plugin: &Arc<Plugin>, recorder: Option<Recorder>) -> RunningPlugin {
    let setup = Setup {
        plugin: plugin.clone(),
        settings: Settings::parse(SETTINGS).unwrap(),
        veto: None,
        identify: identify(),
        make_capabilities: Box::new(|_: &Arc<Plugin>| deny()),
        throttle: Box::new(Deny),
        save_state: Box::new(|_| ()),
        saved: None,
    };
    RunningPlugin::start_recorded(setup, 0, recorder).unwrap()
}
