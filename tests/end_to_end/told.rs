//! What a component was shown, it tells: nothing of that is in the log, the journal, or what a command says. And one in
//! quarantine, that a changed configuration starts again.

use crate::support::{ENVIRONMENT, Home, LONG, PRINT, STARTED, wait_until};
use glassbox_tests::MISFIT;
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

const ID: &str = "4711abcd-4711-4711-8711-4711abcd4711";

/// A home with a misfit that does this.
fn misfit(act: &str, server: &str) -> Home {
    let home = Home::new();
    home.grant();
    fs::write(home.plugin("misfit"), MISFIT).unwrap();
    let library = glassbox::home::Home::at(home.root());
    glassbox::home::grants::grant(&library, "misfit", MISFIT).unwrap();
    let settings = json!({"enabled": true, "server": server, "unique_id": ID, "note": ID, "act": act});
    let file = home.root().join("settings/misfit.json");
    fs::write(file, serde_json::to_string_pretty(&settings).unwrap()).unwrap();
    home
}

#[test]
fn a_component_cannot_tell_what_it_was_shown() {
    let server = "http://me:hunter2-hunter2@127.0.0.1:9/{id}/{event}/";
    for act in ["setting-in-name", "setting-in-user-agent", "tell-in-on-event", "tell-in-load", "tell-in-restore"] {
        let home = misfit(act, server);
        let mut outputs = String::new();
        // Twice: there is a state to restore then.
        for _ in 0..2 {
            let mut host = home.start();
            for line in [ENVIRONMENT, STARTED, PRINT] {
                host.send(line);
            }
            host.wait_for_log("misfit");
            for arguments in [&["status"][..], &["list"], &["doctor"], &["journal"], &["journal", "--json"]] {
                let output = home.run(arguments);
                outputs += &(output.out + &output.err);
            }
            host.close();
            outputs += &host.wait(LONG).err;
        }
        if act.starts_with("tell") {
            assert!(outputs.contains("it knows …"), "{act}: {outputs}");
        }
        for told in [ID, &ID.replace('-', ""), "4711abcd", "hunter2"] {
            assert!(!outputs.contains(told), "{act}: {told} is in {outputs}");
        }
    }
}

#[test]
fn a_changed_configuration_starts_one_in_quarantine_and_says_so() {
    let home = misfit("trap-in-on-event", "http://127.0.0.1:9/{id}/{event}/");
    let mut host = home.start();
    host.send(ENVIRONMENT);
    // It rests for 36 s altogether before it is given up.
    let end = Instant::now() + 3 * LONG;
    while !host.log().contains("it is quarantined") {
        assert!(Instant::now() < end, "{}", host.log());
        host.send(PRINT);
        std::thread::sleep(Duration::from_millis(300));
    }
    let said = |text: &str| home.run(&["status"]).good().contains(text);
    wait_until("status says so", || said("misfit: nothing is sent: it is quarantined: "));
    home.0.write("home/glassbox.toml", "vcgencmd = \"/nowhere\"\n");
    host.wait_for_log("misfit: it was started again, as the configuration changed");
    wait_until("status says so", || said("misfit: reports are sent while the host runs: "));
}
