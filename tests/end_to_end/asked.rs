//! What a user is asked and told: the question of `opt-in`, `status --json`, what `[policy]` denies, and that nothing gets
//! through.

use crate::faulty::{Faulty, status};
use crate::octoprint::follow;
use crate::push_server::PushServer;
use crate::support::{
    ENVIRONMENT, Folder, Home, PRINT, START, STARTED, answered_on_terminal, kinds, names, program, receiver,
    wait_until, workspace,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

const QUESTION: &str = "Let 'tracking' report this? [y/N] ";

#[test]
fn opting_in_asks_on_a_terminal_and_only_a_yes_is_one() {
    let home = Home::new();
    let opt_in = |more: &str, answer: &str| {
        let command = format!("--home '{}' opt-in tracking {more}", home.root().display());
        answered_on_terminal(&command, answer)
    };
    let policy = home.run(&["policy"]).good();
    for answer in ["\n", "n\n", "no\n", "yess\n", "j\n", "y es\n", ""] {
        let (status, said) = opt_in("", answer);
        assert_eq!(status, Some(2), "{answer:?}: {said}");
        let before = said.split(QUESTION).next().unwrap().replace('\r', "");
        assert!(before.contains(&policy), "it is shown before the question: {said}");
        assert!(said.contains("you have not opted in to 'tracking': nothing was changed"), "{answer:?}: {said}");
        assert!(!home.settings_file().exists() && !home.root().join("grants/tracking.toml").exists(), "{answer:?}");
    }
    for (more, answer) in [("", "y\n"), ("", " YES \n"), ("--yes", ""), ("-y", "n\n")] {
        let (status, said) = opt_in(more, answer);
        assert_eq!((status, said.contains(QUESTION)), (Some(0), more.is_empty()), "{more} {answer:?}: {said}");
        assert_eq!(home.settings()["enabled"], true);
        home.run(&["opt-out", "tracking"]).good();
        home.run(&["revoke", "tracking"]).good();
    }
    // Whoever looks at it page by page has not answered yet.
    let piped = format!("--home '{}' opt-in tracking | cat", home.root().display());
    let (_, said) = answered_on_terminal(&piped, "y\n");
    assert!(said.contains("nobody can be asked") && home.settings()["enabled"] == false, "{said}");
    // Where nobody can answer, nobody is asked: who wrote the command into a script has said yes there.
    let said = home.command(&["opt-in", "tracking"]).run_with(b"n\n").good();
    assert!(!said.contains("[y/N]") && home.settings()["enabled"] == true, "{said}");
}

/// The keys in the first column of the tables of the document, by the table's heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(workspace("host/docs/status.md")).unwrap();
    let table = text.split(heading).nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let keys = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(", ").map(|key| key.trim().replace('`', "")));
    keys.collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn status_as_json_is_as_its_document_says() {
    let (server, receiver) = (PushServer::start(), receiver());
    let home = Home::opted_in(&receiver.url());
    let status = || serde_json::from_str::<Value>(&home.run(&["status", "--json"]).good()).unwrap();
    let host = follow(&home, &server.url());
    kinds(&receiver, START.len());
    wait_until("they are in the journal", || status()["plugins"][0]["sent"] == START.len());
    let said = status();
    assert_eq!(keys(&said), documented("\n| key | what it is |"));
    let plugin = &said["plugins"][0];
    assert_eq!(keys(plugin), documented("\n| key of a plugin | what it is |"));
    assert_eq!(
        (&said["host_runs"], &plugin["plugin"], &plugin["sends"]),
        (&true.into(), &"tracking".into(), &true.into())
    );
    assert_eq!((&plugin["octoprint"], &plugin["failed"], &plugin["waiting"]), (&Value::Null, &0.into(), &0.into()));
    assert!(plugin["last_sent"].is_string() && plugin["not_getting_through"].is_null(), "{plugin}");
    let octoprint = &said["octoprints"][0];
    assert_eq!(
        keys(octoprint).into_iter().collect::<Vec<_>>(),
        ["counted_twice", "heard", "not_heard", "octoprint", "says"]
    );
    assert_eq!((&octoprint["heard"], &octoprint["counted_twice"]), (&true.into(), &Value::Null), "{octoprint}");
    home.run(&["opt-out", "tracking"]).good();
    assert_eq!(status()["plugins"][0]["sends"], false);
    host.signal("TERM");
    host.wait(crate::support::LONG).log();
    let said = status();
    assert_eq!((&said["host_runs"], &said["octoprints"][0]["heard"]), (&false.into(), &false.into()), "{said}");
}

#[test]
fn what_does_not_get_through_is_in_the_status_until_it_does() {
    let server = Faulty::http(0, vec![status("403 Forbidden"); 3]);
    let home = Home::opted_in(&server.url());
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    let told =
        || home.run(&["status"]).good().lines().find(|line| line.contains("not getting through")).map(String::from);
    let json = || {
        let said = home.run(&["status", "--json"]).good();
        serde_json::from_str::<Value>(&said).unwrap()["plugins"][0]["not_getting_through"].clone()
    };
    wait_until("three are lost", || json()["lost"] == 3);
    let line = told().unwrap();
    assert!(line.starts_with("    not getting through since 20") && line.contains(", 3 lost: "), "{line}");
    assert!(line.contains("403 Forbidden") && line.contains("tried up to four times within a minute"), "{line}");
    assert!(json()["reason"].as_str().unwrap().contains("403"), "{}", json());
    // The next one is taken.
    host.send(PRINT);
    wait_until("it gets through again", || told().is_none());
    assert_eq!(json(), Value::Null);
}

#[test]
fn what_policy_denies_does_not_leave_and_the_rest_does() {
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let shown = home.run(&["policy", "tracking", "--deny-field", "file"]).good();
    assert!(shown.contains("\n  print_started, print_done, print_failed, print_cancelled\n"), "{shown}");
    let line = shown.lines().find(|line| line.trim_start().starts_with("deny = ")).unwrap();
    // As it says, while a host runs.
    let mut host = home.start();
    host.send(ENVIRONMENT);
    host.send(STARTED);
    host.send(PRINT);
    assert_eq!(kinds(&receiver, 4).last().unwrap(), "print_started");
    home.0.write("home/glassbox.toml", format!("[policy]\n{line}\n"));
    host.wait_for_log("the configuration changed");
    host.send(PRINT);
    host.send(r#"{"event":"plugin_pluginmanager_enable_plugin","payload":{"id":"p","version":"1"}}"#);
    assert_eq!(kinds(&receiver, 5).last().unwrap(), "enable_plugin");
    let status = home.run(&["status"]).good();
    let held = "    held back by [policy] in glassbox.toml: print_started, print_done, print_failed, print_cancelled\n";
    assert!(status.contains(held), "{status}");
    for arguments in [&["policy"][..], &["opt-in", "tracking"]] {
        let said = home.run(arguments).good();
        assert!(said.contains("Held back by [policy] in glassbox.toml: print_started, "), "{said}");
    }
    let json: Value = serde_json::from_str(&home.run(&["status", "--json"]).good()).unwrap();
    assert_eq!(json["plugins"][0]["held_back"].as_array().unwrap().len(), 4, "{json}");
    host.close();
    host.wait(crate::support::LONG).log();
    let sent = names(&receiver.requests());
    assert_eq!(sent.iter().filter(|name| *name == "print_started").count(), 1, "{sent:?}");
    let journal = home.run(&["journal"]).good();
    let lines: Vec<_> =
        journal.lines().filter(|line| line.contains("print_started") && line.contains("[policy]")).collect();
    assert_eq!(lines.len(), 1, "the journal says which and why: {journal}");
    // A field that there is not is told, with one that was meant.
    let error = home.run(&["policy", "tracking", "--deny-field", "fil"]).error();
    assert!(error.starts_with("'tracking' has no report and no field 'fil'; did you mean 'file'? "), "{error}");
}

#[test]
fn what_cannot_be_replayed_or_packed_is_told_with_what_to_give() {
    let (home, folder) = (Home::opted_in("http://127.0.0.1:9/"), Folder::new());
    home.run(&["run", "--events", "-"]).good();
    let journal = fs::read_dir(home.root().join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let journal = journal.into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl")).unwrap();
    let give = "give a file that 'glassbox run --record FILE' has written, or a plugin's state/NAME.trap.jsonl";
    for (file, says, advice) in [
        (journal, "line 1: ", give),
        (folder.write("empty", ""), "it is empty, or its first line is not complete", give),
        (folder.write("text", "hello\n"), "line 1: it is not JSON", give),
        (folder.path("none"), "No such file or directory", "check its name, and that you may read it"),
        (home.root(), "Is a directory", "give the recording in it"),
    ] {
        let error = program(&["replay"]).arg(&file).run().error();
        let named = format!("the recording {}", file.display());
        assert!(error.contains(&named) && error.contains(says) && error.contains(advice), "{error}");
    }
    let manifest = folder.write("mine.toml", "[plugin]\nname = \"mine\"\ndescription = \"Mine\"\n");
    let core = folder.write("core.wasm", b"\0asm\x01\0\0\0");
    for (module, output, says, advice) in [
        (
            home.plugin("tracking"),
            "mine.wasm",
            "is a component already, and not a module",
            "take the module that cargo builds",
        ),
        (
            manifest.clone(),
            "mine.wasm",
            "is not a WebAssembly module",
            "the first file is the module, the second its manifest",
        ),
        (
            core,
            "other.wasm",
            "says that the plugin is 'mine', and not what",
            "write it to mine.wasm, or change the name",
        ),
    ] {
        let output = folder.path(output);
        let error = program(&["pack"]).arg(module).arg(&manifest).arg("-o").arg(&output).run().error();
        assert!(error.contains(says) && error.contains(advice) && !output.exists(), "{error}");
    }
}
