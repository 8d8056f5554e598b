//! What strangers wrote, in whatever command shows it: no text of theirs moves a terminal's cursor, turns a line around,
//! passes for a line of ours or fills the screen, and no secret of the user's is in what is printed. All commands are walked
//! with all their options, as clap has them, so that a new one is walked too, or fails here.

mod answers;
mod place;

use crate::support::program;
use place::{Place, SECRETS, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

/// Each command with each of its options at least once. What stands in braces is [`Place::argument`]; those with `~` at the
/// beginning go on until they are stopped.
const LINES: &str = "
    help
    help {text}
    {text}
    {raw}
    --help
    --version
    init
    import {yaml} --force --octoprint mk3
    import {yaml} --octoprint {text}
    import {garbage} --octoprint mk3
    import {garbage}
    list
    status
    status --json
    status --octoprint {text}
    doctor
    doctor --json
    doctor --octoprint {octoprint} --api-key-file {key} --reach-server
    doctor --octoprint {odd} --api-key-file {key}
    doctor --octoprint {secret-url} --api-key-file {garbage}
    settings tracking --octoprint mk3
    settings tracking server ping --octoprint all
    settings tracking {text} --octoprint mk3
    settings tracking {text}=1 --octoprint mk3
    settings tracking ping={text} --octoprint mk3
    settings tracking enabled={text} --octoprint {text}
    settings tiny --octoprint mk4
    settings tiny one={text} --octoprint mk4
    settings tiny server={secret-url} --octoprint mk4
    settings tiny two=3 --octoprint mk4
    settings {text}
    grant tiny
    grant {text}
    opt-in tracking --yes --octoprint all
    opt-in tiny --yes --octoprint {text}
    opt-in {text}
    run --events {events} --record {new-1} --record-limit 100000 --record-scrub
    run --events {events} --record {new-2}
    run --events {garbage}
    ~run --octoprint {octoprint} --api-key-file {key}
    ~run --octoprint {odd} --api-key-file {key}
    run --octoprint {secret-url} --api-key-file {key}
    ~run
    replay {recording}
    replay {recording} --component {plugin}
    replay {recording} --with {plugin}
    replay {recording} --scrub {new-3}
    replay {garbage}
    journal
    journal --json
    log
    journal --verify
    ~journal --follow
    journal --since {text}
    journal --plugin {text}
    journal --octoprint {text}
    audit {plugin} --trials 1 --seed 1 --time 2
    audit {plugin} --quick --corpus {garbage} --sent {new-4}
    audit {plugin} --quick --html {new-5} --json
    audit {plugin} --quick --sign {garbage} --out {new-6} --valid-days 3
    audit {plugin} --source {garbage}
    audit {plugin} --quick --against {bundled}
    audit {described} --quick
    audit {garbage} --quick
    audit {raw}
    audit --schema
    demo --speed 0 --port 0 --session {session}
    demo --session {text}
    trust {tls}
    trust {tls} --fingerprint {text}
    trust {text}
    policy tracking
    policy described
    policy tiny --markdown
    policy tiny --deny-field {text}
    policy {text}
    pack {module} {manifest} --output {new-7}
    pack {garbage} {garbage} --output {new-8}
    pack {text} {text} --output {text}
    completions fish
    completions {text}
    revoke tiny
    revoke {text}
    opt-out tracking --octoprint all
    opt-out tiny --octoprint {text}
    opt-out {text}
";

/// What each command has, and clap's own.
const EVERYWHERE: [&str; 8] = ["-v", "-h", "-V", "--home", "--verbose", "--log", "--help", "--version"];

#[test]
fn of_short_texts_nothing_is_obeyed() {
    walk(Text::Short, &[]);
}

#[test]
fn long_texts_have_an_end_in_a_log_as_well() {
    walk(Text::Long, &["-vv", "--log", "json"]);
}

#[test]
fn nor_is_anything_of_damaged_files() {
    walk(Text::Damaged, &["-vv"]);
}

/// The commands and their options, from the script that clap writes of its own tree.
fn tree() -> BTreeMap<String, BTreeSet<String>> {
    let script = program(&["completions", "bash"]).run().good();
    let mut commands = BTreeMap::new();
    let mut command = String::new();
    for line in script.lines().map(str::trim) {
        if let Some(label) = line.strip_suffix(')').and_then(|label| label.strip_prefix("glassbox__subcmd__")) {
            command = label.replace("__subcmd__", "-");
        } else if let Some(options) = line.strip_prefix("opts=\"") {
            // Those of `help` are the other commands again.
            if !command.is_empty() && !command.starts_with("help") {
                let options = options.trim_end_matches('"').split(' ').filter(|option| option.starts_with("--"));
                commands.insert(command.clone(), options.map(String::from).collect());
            }
        }
    }
    commands
}

#[test]
fn every_command_and_every_option_is_walked() {
    let tree = tree();
    assert!(tree.len() >= 19 && tree["opt-in"].contains("--yes"), "{tree:?}");
    let lines: Vec<Vec<&str>> =
        LINES.lines().map(|line| line.trim().trim_start_matches('~').split(' ').collect()).collect();
    for (command, options) in tree {
        let walked: BTreeSet<_> = lines.iter().filter(|line| line[0] == command).flatten().copied().collect();
        assert!(!walked.is_empty(), "'{command}' is not walked: add a line for it");
        let missing = options.iter().filter(|option| !EVERYWHERE.contains(&option.as_str()));
        let missing: Vec<_> = missing.filter(|option| !walked.contains(option.as_str())).collect();
        assert!(missing.is_empty(), "'{command}' is not walked with {missing:?}: add a line for it");
    }
}

fn walk(text: Text, more: &[&str]) {
    let place = Place::new(text);
    let mut wrong = Vec::new();
    for line in LINES.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (line, goes_on) = line.strip_prefix('~').map_or((line, false), |line| (line, true));
        let program = place.home.command(more).into_command();
        let mut command = std::process::Command::new("timeout");
        // Long enough to have heard what somebody says; the others end by themselves.
        command.args(["--kill-after", "60", if goes_on { "3" } else { "120" }]);
        command.arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        place.environment(&mut command);
        command.args(line.split(' ').map(|word| place.argument(word)));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let is_json = line.contains("--json") || line.contains("--schema");
        for (name, bytes, is_json) in
            [("stdout", &output.stdout, is_json), ("stderr", &output.stderr, more.contains(&"json"))]
        {
            // The user's own file, and what is taken over from it.
            let is_taken_over = |what: &String| line.starts_with("import") && what.starts_with("the secret 4711");
            for what in faults(bytes, is_json).into_iter().filter(|what| !is_taken_over(what)) {
                wrong.push(format!("{line} ({name}, {:?}): {what}", output.status.code()));
            }
        }
        if output.status.code().is_none_or(|code| ![0, 1, 2, 3, 124].contains(&code)) {
            wrong.push(format!("{line}: {:?}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{text:?}:\n{}", wrong.join("\n"));
}

/// What nobody may be shown.
fn faults(bytes: &[u8], is_json: bool) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return vec![format!("it is not UTF-8: {}", around(&String::from_utf8_lossy(bytes), "\u{fffd}"))];
    };
    let mut faults = Vec::new();
    if let Some(obeyed) = text.chars().find(|character| is_obeyed(*character)) {
        faults.push(format!("{obeyed:?} in {}", around(text, &obeyed.to_string())));
    }
    for secret in SECRETS {
        if text.contains(secret) {
            faults.push(format!("the secret {secret} in {}", around(text, secret)));
        }
    }
    if let Some(long) = text.lines().find(|line| line.len() > 4096).filter(|_| !is_json) {
        faults.push(format!("a line of {} bytes: {}", long.len(), around(long, "")));
    }
    if let Some(forged) = text.lines().find(|line| line.starts_with("tracking: nothing is sent: FORGED")) {
        faults.push(format!("a line that is not ours: {}", around(forged, "")));
    }
    if text.contains("panicked at") {
        faults.push(format!("a panic: {}", around(text, "panicked at")));
    }
    faults
}

/// Whether a terminal does something else with it than to show it.
fn is_obeyed(character: char) -> bool {
    match character {
        '\n' => false,
        '\0'..'\u{20}' | '\u{7f}'..'\u{a0}' => true,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// Some of the text around the first of these.
fn around(text: &str, what: &str) -> String {
    let at = text.find(what).unwrap_or(0);
    let (from, to) = (text.floor_char_boundary(at.saturating_sub(200)), text.ceil_char_boundary(at + 200));
    format!("{:?}", &text[from..to.min(text.len())])
}
