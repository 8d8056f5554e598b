//! Grants change under a running host, and versions come that ask for more than was granted.

use crate::reload::{Host, opt_in, wait_for_count, wait_for_version};
use crate::support::{ENVIRONMENT, Home, LONG, SILENCE, START, STARTED, kinds, receiver};
use glassbox_tests::counter;
use std::fs;

#[test]
fn grants_decide_what_runs_at_once() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    fs::write(home.plugin("counter"), counter("first")).unwrap();
    let mut host = home.start();
    host.wait_for_log("WARN counter: waiting: nobody has granted it anything; 'glassbox grant counter' shows");
    host.send(ENVIRONMENT);
    host.send(STARTED);
    assert_eq!(kinds(&receiver, 3), START);
    opt_in(&home, &receiver);
    // It came late, and hears that the server has started.
    assert_eq!(kinds(&receiver, 4)[3], "started");
    let list = home.run(&["list"]).good();
    assert!(list.contains("counter  Counts what it hears, for tests\n"), "{list}");

    home.run(&["revoke", "counter"]).good();
    host.wait_for_log("counter: its grant was revoked, and it was stopped");
    host.send(r#"{"event":"Report"}"#);
    assert_eq!(receiver.wait_for(5, SILENCE).len(), 4);
    let status = home.run(&["status"]).good();
    assert!(status.contains("\ncounter: nothing is sent: waiting: nobody has granted it anything"), "{status}");
    assert!(home.run(&["revoke", "counter"]).good().contains("Nothing was granted to 'counter'."));

    assert!(home.run(&["grant", "counter"]).good().contains("Counts what it hears"));
    wait_for_count(&host, " INFO counter: reports are sent", 2);
    host.send(r#"{"event":"Report"}"#);
    assert_eq!(kinds(&receiver, 5)[4], "report");
    assert!(home.run(&["grant", "counter"]).good().contains("asks for no more than what was granted before"));
    host.close();
    host.wait(LONG).log();
}

#[test]
fn a_version_that_asks_for_more_waits_while_the_old_one_runs_on() {
    let mut host = Host::start();
    // Less was granted than this version asks for.
    let grant = host.home.root().join("grants/counter.toml");
    let granted = fs::read_to_string(&grant).unwrap();
    let manifest = granted.replace("fields = [\"seq\"]", "fields = [\"seq\", \"owner\"]");
    let more = with_manifest(&counter("second"), &granted_part(&manifest));
    fs::write(host.file(), more).unwrap();
    host.log(
        "WARN counter: waiting: it asks for more than was granted, to\n      - also see owner of the event Count\n",
    );
    host.count(1);
    assert_eq!(host.version(), "first");
    let list = host.home.run(&["list"]).good();
    let file = "counter.wasm is another version, which does not run: waiting: it asks for more than was granted, to\n      \
                - also see owner of the event Count";
    assert!(list.contains("\n    reports are sent while the host runs: ") && list.contains(file), "{list}");
    let out = host.home.run(&["grant", "counter"]).good();
    assert!(out.contains("Beyond what was granted before, 'counter' asks to\n  - also see owner of the event Count\n"));
    wait_for_version(&mut host, "second");
    host.end();
}

/// The manifest in a grant: all but its comments.
fn granted_part(grant: &str) -> String {
    grant.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The component with another manifest. It is the last section, as [`glassbox_component::embed`] leaves it.
pub fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    let name = glassbox_component::MANIFEST_SECTION.as_bytes();
    let at = component.windows(name.len()).rposition(|part| part == name).unwrap();
    // Before the name: its length, the section's length (two bytes here), and the section's id.
    let start = (at - 6..at).find(|start| glassbox_contract::inspect("x", &component[..*start]).is_ok()).unwrap();
    glassbox_component::embed(&component[..start], manifest).unwrap()
}
