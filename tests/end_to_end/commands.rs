//! The commands that only show things: what they print, and their exit status.

use crate::support::{Folder, Home, program};
use glassbox::home::BUNDLED;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn init_makes_what_is_missing_and_leaves_the_rest() {
    let folder = Folder::new();
    let root = folder.path("deep/home");
    let init = || program(&["init", "--home"]).arg(&root).run().good();
    let advice = |option: &str| {
        format!(
            "Nothing is sent until you opt in. What would be recorded:\n  glassbox{option} policy tracking\n  \
             glassbox{option} opt-in tracking\n"
        )
    };
    let by_itself = program(&["init"]).env("GLASSBOX_HOME", folder.path("it's another")).run().good();
    assert!(by_itself.ends_with(&advice("")), "{by_itself}");
    let quoted = program(&["init", "--home"]).arg(folder.path("it's another")).run().good();
    let quote = folder.path("it").display().to_string();
    assert!(quoted.ends_with(&advice(&format!(" --home '{quote}'\\''s another'"))), "{quoted}");
    let advice = advice(&format!(" --home {}", root.display()));
    let (config, plugin) = (root.join("glassbox.toml"), root.join("plugins/tracking.wasm"));
    assert_eq!(init(), format!("made {}\nmade {}\n{advice}", config.display(), plugin.display()));
    assert!(fs::read(&plugin).unwrap() == BUNDLED);

    fs::write(&config, "# mine\n").unwrap();
    assert_eq!(init(), format!("{} was complete; nothing was changed\n{advice}", root.display()));
    fs::remove_file(&plugin).unwrap();
    assert_eq!(init(), format!("made {}\n{advice}", plugin.display()));
    assert_eq!(fs::read_to_string(config).unwrap(), "# mine\n");
}

#[test]
fn the_home_is_where_one_says() {
    let folder = Folder::new();
    let data = folder.path("data");
    let init = |program: crate::support::Program| program.env("XDG_DATA_HOME", &data).run().good();
    init(program(&["init", "--home"]).arg(folder.path("given")).env("GLASSBOX_HOME", folder.path("variable")));
    assert!(folder.path("given/plugins").exists() && !folder.path("variable").exists() && !data.exists());
    init(program(&["init"]).env("GLASSBOX_HOME", folder.path("variable")));
    assert!(folder.path("variable/plugins").exists() && !data.exists());
    init(program(&["init"]));
    assert!(data.join("glassbox/plugins").exists());
    program(&["init"]).env("HOME", folder.path("user")).run().good();
    assert!(folder.path("user/.local/share/glassbox/plugins").exists());
}

#[test]
fn list_and_status_say_whether_anything_is_sent() {
    let home = Home::new();
    let verdict = |expected: &str| {
        let expected = format!("{expected}\n");
        let status = format!("home {}\ntracking: {expected}", home.root().display());
        assert_eq!(home.run(&["status"]).good(), status);
        let list = home.run(&["list"]).good();
        assert!(list.starts_with("tracking  OctoPrint's anonymous usage tracking\n    "), "{list}");
        assert!(list.ends_with(&format!("\n    {expected}")), "{list}");
    };
    verdict("nothing is sent: nobody has opted in yet (glassbox opt-in tracking)");
    home.write_settings("{\"enabled\": true}");
    verdict(
        "nothing is sent: waiting: nobody has granted it anything; 'glassbox grant tracking' shows what it asks for \
         and lets it run, 'glassbox opt-in tracking' also switches it on",
    );
    home.grant();
    fs::remove_file(home.settings_file()).unwrap();
    verdict("nothing is sent: nobody has opted in yet (glassbox opt-in tracking)");
    home.write_settings("{\"enabled\": true}");
    verdict("reports are sent while the host runs: the setting 'enabled' is true");
    for no in ["false", "\"true\"", "1"] {
        home.write_settings(format!("{{\"enabled\": {no}}}"));
        verdict("nothing is sent: the setting 'enabled' is not true (glassbox opt-in tracking)");
    }
    fs::remove_file(home.plugin("tracking")).unwrap();
    assert_eq!(home.run(&["list"]).good(), format!("no plugins in {}\n", home.root().join("plugins").display()));
}

#[test]
fn compiled_code_is_for_its_owner_alone() {
    let home = Home::new();
    home.run(&["list"]).good();
    assert!(!home.root().join("cache").exists(), "what was granted nothing is not compiled");
    home.grant();
    home.run(&["list"]).good();
    let cache = home.root().join("cache");
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(cache).unwrap().count(), 1);
}

#[test]
fn opting_in_says_first_what_will_be_recorded() {
    let home = Home::new();
    let policy = home.run(&["policy"]).good();
    let out = home.run(&["opt-in", "tracking"]).good();
    let expected = format!(
        "{policy}\nYou have opted in to 'tracking'. A running host takes it up at once.\n\
         An id is made when the host runs it for the first time.\nTake it back with: glassbox opt-out tracking\n"
    );
    assert_eq!(out, expected);
    assert_eq!(home.settings(), json!({"enabled": true}));
    let out = home.run(&["opt-out", "tracking"]).good();
    let expected = "You have opted out of 'tracking'. Nothing is sent any more, and what waited is thrown away.\n";
    assert_eq!(out, expected);
    assert_eq!(home.settings(), json!({"enabled": false}));
}

#[test]
fn the_policy_in_words_and_as_a_table() {
    let folder = Folder::new();
    let policy = |more: &[&str]| {
        let out = program(&["policy"]).env("GLASSBOX_HOME", folder.path("none")).args(more).run().good();
        assert!(!folder.path("none").exists(), "it can be read before there is a home");
        out
    };
    let words = policy(&[]);
    assert!(words.starts_with("tracking - OctoPrint's anonymous usage tracking\n\nIt sends to https://tracking.octoprint.org/track/{id}/{event}/\n"));
    for part in [
        "\n  print_started, on PrintStarted [off: events.printjob=false]\n      origin: its origin; file: its path (hashed);",
        "\n  PrintStarted: path (only hashed, with a salt of this installation), origin, connector [off: events.printjob=false]\n",
        "\n  in a day: 97 bits for ping and pong, and 1 bit to 1.6 bits for each further report\n",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let table = policy(&["tracking", "--markdown"]);
    assert!(table.starts_with(
        "| report | what it says | switch | could hide |\n|---|---|---|---|\n| `ping` | `octoprint_uptime`, `printer_state` | `ping=0` | 1 bit |\n"
    ));
    assert!(table.lines().all(|line| line.starts_with("| ") || line == "|---|---|---|---|"), "{table}");
    let reports =
        words.lines().skip_while(|line| !line.starts_with("It may report ")).take_while(|line| !line.is_empty());
    let names = reports.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: BTreeSet<_> = names.filter_map(|line| line.split([',', ' ']).nth(2)).collect();
    assert_eq!(table.lines().count(), 2 + names.len(), "{names:?}");
}

#[test]
fn completions_for_the_common_shells() {
    for (shell, mark) in
        [("bash", "complete -F _glassbox"), ("zsh", "#compdef glassbox"), ("fish", "complete -c glassbox")]
    {
        let script = program(&["completions", shell]).run().good();
        assert!(script.contains(mark) && script.contains("opt-out"), "{shell}: {script}");
    }
    assert_eq!(program(&["completions", "cmd"]).run().status, Some(2));
}

const COMMANDS: [&str; 13] = [
    "init",
    "list",
    "status",
    "settings",
    "opt-in",
    "opt-out",
    "run",
    "journal",
    "audit",
    "demo",
    "policy",
    "pack",
    "completions",
];

#[test]
fn help_and_version_teach() {
    let version = program(&["--version"]).run().good();
    assert!(version.starts_with("glassbox 0.") && version.contains("(wasmtime 48."), "{version}");
    let help = program(&["--help"]).run().good();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in the help:\n{help}");
        let own = program(&[command, "--help"]).run().good();
        assert!(own.contains(&format!("Usage: glassbox {command} ")), "{own}");
    }
    assert!(
        help.contains("\nFirst steps:\n") && help.contains("\nExit status: 0 all is well, 1 a check failed"),
        "{help}"
    );
}

#[test]
fn wrong_command_lines_end_with_status_2() {
    let wrong: [&[&str]; 7] = [
        &[],
        &["fly"],
        &["list", "--fast"],
        &["settings"],
        &["run", "--octoprint", "http://h", "--events", "-"],
        &["audit"],
        &["demo", "--port", "99999"],
    ];
    for arguments in wrong {
        let output = program(arguments).run();
        assert_eq!(output.status, Some(2), "{arguments:?}: {}", output.err);
        assert!(output.out.is_empty() && output.err.contains("--help"), "{}", output.err);
    }
    for speed in ["NaN", "-1", "1e7"] {
        assert_eq!(
            program(&["demo", &format!("--speed={speed}")]).run().error(),
            "--speed must be between 0 and 1000000"
        );
    }
}

#[test]
fn pack_refuses_what_is_no_plugin_and_writes_nothing() {
    let folder = Folder::new();
    let garbage = folder.write("garbage", "garbage");
    let core = folder.write("core.wasm", b"\0asm\x01\0\0\0");
    let out = folder.path("out.wasm");
    let pack = |module: &std::path::Path, manifest: &std::path::Path| {
        let output = program(&["pack"]).arg(module).arg(manifest).arg("-o").arg(&out).run();
        assert_eq!(output.status, Some(2), "{}", output.err);
        assert!(output.err.starts_with("error: ") && !out.exists(), "{}", output.err);
        output.err
    };
    let message = pack(&garbage, &garbage);
    assert!(message.starts_with(&format!("error: {} is not a WebAssembly module; ", garbage.display())), "{message}");
    let message = pack(&core, &garbage);
    assert!(message.contains("it cannot be read: TOML parse error at line 1"), "{message}");
    let missing = folder.path("missing");
    let no_file = "No such file or directory (os error 2)\n";
    assert_eq!(pack(&missing, &garbage), format!("error: reading the module {}: {no_file}", missing.display()));
    assert_eq!(pack(&core, &missing), format!("error: reading the manifest {}: {no_file}", missing.display()));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = Home::new();
    home.grant();
    let commands: [&[&str]; 11] = [
        &["init"],
        &["list"],
        &["status"],
        &["settings", "tracking"],
        &["policy"],
        &["policy", "--markdown"],
        &["journal"],
        &["journal", "--verify"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = home.command(arguments).into_command();
        let output = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    // An error is an error even if nobody reads it.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = home.command(&["settings", "other"]).into_command();
    assert_eq!(command.stdin(Stdio::null()).stderr(writer).status().unwrap().code(), Some(2));
}
