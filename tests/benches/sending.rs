//! What it costs to ask, right before each report leaves, whether it may: twice for each attempt, from the files.

use crate::{Sheet, median, nanoseconds};
use glassbox::home::{BUNDLED, BUNDLED_NAME, Home, grants};
use glassbox::sending::Permission;
use glassbox_contract::Prepare;
use glassbox_sandbox::{Consent, Method, Request, Sandbox, Settings, pass};
use glassbox_tests::Folder;
use std::hint::black_box;

const SETTINGS: &str = r#"{"enabled": true, "unique_id": "11111111-2222-4333-8444-555555555555",
    "server": null, "ping": 900, "pong": 86400,
    "events": {"startup": true, "printjob": true, "commerror": true, "plugin": true, "update": true}}"#;

pub fn measure(sheet: &mut Sheet) {
    let folder = Folder::new("sending");
    let home = Home::at(folder.0.join("home"));
    home.init().unwrap();
    grants::grant(&home, BUNDLED_NAME, BUNDLED).unwrap();
    let document = Settings::parse(SETTINGS).unwrap();
    home.change_settings(BUNDLED_NAME, |settings| {
        *settings = document.clone();
        Ok(())
    })
    .unwrap();
    let plugin = Sandbox::new(None).unwrap().prepare(BUNDLED_NAME, BUNDLED).unwrap();
    let fields = [("origin", "local"), ("file", "0727d057c3db6ff91f1d2d659906eb7e2a3ab61c")];
    let request = Request {
        method: Method::Get,
        name: "print_started".into(),
        fields: fields.map(|(name, value)| (name.into(), value.into())).into(),
        user_agent: "OctoPrint/1.11.8".into(),
    };
    let (report, _) = pass(request.clone(), &plugin.policy, &document, Consent::Given, None).unwrap();
    let other = Request { user_agent: "OctoPrint/1.11.9".into(), ..request };
    let (other, _) = pass(other, &plugin.policy, &document, Consent::Given, None).unwrap();
    let permission = Permission::new(&home, BUNDLED_NAME, None);
    let files = [home.settings_file(BUNDLED_NAME), home.grant_file(BUNDLED_NAME), home.config_file()];
    let reading = median(51, 500, || {
        files.iter().for_each(|file| drop(black_box(glassbox_util::files::read_bounded(file, 1 << 20).unwrap())));
    });
    // In turns, so that each report is another one than the last.
    let asking = median(51, 250, || {
        for report in [&report, &other] {
            (0..2).for_each(|_| black_box(&permission).may_leave(report, &plugin).unwrap());
        }
    });
    let (reading, asking) = (nanoseconds(reading) / 1000.0, nanoseconds(asking) / 2000.0);
    sheet.line("reading settings, grant and configuration", &format!("{reading:.1} us"));
    sheet.bound("asking twice for a report whether it may leave", asking, "us", 30.0);
    sheet.line("  asking twice / reading twice", &format!("{:.2} x", asking / reading / 2.0));
}
