//! `audit`: what it says of the bundled tracker, and of recordings that it does not match.

use crate::support::{Home, Output, on_terminal, program, workspace};
use glassbox::home::BUNDLED;
use glassbox_tests::leaky;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn audit(file: &Path, arguments: &[&str]) -> Output {
    program(&["audit", "--quick"]).arg(file).args(arguments).run()
}

fn audit_in_full(file: &Path, arguments: &[&str]) -> Output {
    program(&["audit"]).arg(file).args(arguments).run()
}

fn corpus(name: &str) -> String {
    workspace(&format!("tests/corpora/{name}.jsonl")).to_str().unwrap().into()
}

#[test]
fn the_bundled_tracker_in_words() {
    let home = Home::new();
    let file = home.plugin("tracking");
    let out = audit(&file, &[]).good();
    let sum = Command::new("sha256sum").arg(&file).output().unwrap().stdout;
    let digest = String::from_utf8(sum).unwrap()[..64].to_string();
    let expected = format!(
        "file     {}
sha256   {digest}
size     {} bytes
cost     ",
        file.display(),
        BUNDLED.len()
    );
    assert!(out.starts_with(&expected), "{out}");
    let imports = "of memory, to compile it
imports  glassbox:tracker/http@2.0.0
         glassbox:tracker/clock@2.0.0
         glassbox:tracker/hardware@2.0.0
         glassbox:tracker/throttle@2.0.0\n";
    assert!(out.contains(imports), "{out}");
    let touches = "touches  nothing but the imports above, all of which are part of the contract\n";
    assert!(out.contains(touches) && !out.contains("\ncorpus "), "{out}");
    assert!(home.run(&["list"]).good().contains(&format!("    {} bytes, sha256 {digest}\n", BUNDLED.len())));
}

#[test]
fn the_bundled_tracker_and_both_recordings_as_json() {
    let home = Home::new();
    let (one, other) = (corpus("octoprint-1.11.8"), corpus("octoprint-dev-744c8359"));
    let out = audit(&home.plugin("tracking"), &["--json", "--corpus", &one, "--corpus", &other]).good();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["digest"].as_str().map(str::len), Some(64));
    assert_eq!(report["size"], BUNDLED.len());
    assert_eq!(report["imports"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["differences"], serde_json::json!([]));
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["manifest"]["plugin"]["name"], "tracking");
    let corpora = report["corpora"].as_array().unwrap();
    assert_eq!(corpora.len(), 2);
    for corpus in corpora {
        let families = corpus["families"].as_object().unwrap();
        assert!(families.len() > 10 && families.values().all(|family| family["failed"] == 0), "{corpus}");
        let matched: u64 = families.values().filter_map(|family| family["matched"].as_u64()).sum();
        assert!(matched >= 150, "{matched}");
        assert_eq!((&corpus["failures"], &corpus["exact_failed"]), (&serde_json::json!([]), &serde_json::json!(0)));
    }
}

#[test]
fn a_difference_to_a_recording_is_shown_in_full() {
    let home = Home::new();
    let recorded = std::fs::read_to_string(corpus("octoprint-1.11.8")).unwrap();
    let mut lines: Vec<_> = recorded.lines().take(3).map(String::from).collect();
    let mut case: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(case["exact"], true);
    let name = case["case"].as_str().unwrap().to_string();
    let query = case["expect"][0]["query"].as_str().unwrap().to_string();
    case["expect"][0]["query"] = Value::from(format!("{query}&planted=1"));
    lines[0] = case.to_string();
    let file = home.0.write("altered.jsonl", lines.join("\n"));
    let output = audit(&home.plugin("tracking"), &["--corpus", file.to_str().unwrap()]);
    assert_eq!(output.status, Some(1), "{}", output.err);
    let failed = &output.out[output.out.find("\n  FAILED ").expect("the failure")..];
    assert!(failed.starts_with(&format!("\n  FAILED {name}: ")), "{failed}");
    assert!(failed.contains(&format!("?{query}&planted=1 (")), "{failed}");
    assert!(failed.contains(&format!("?{query} (")), "{failed}");
    assert!(output.out.contains("  all                             2          0       1\n"), "{}", output.out);
}

/// What is wrong with a value by a schema; only what our schema is made of is known.
fn misfits(value: &Value, schema: &Value, root: &Value, at: &str, wrong: &mut Vec<String>) {
    for (key, rule) in schema.as_object().unwrap() {
        let fits = match key.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("what is referred to");
                misfits(value, target, root, at, wrong);
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|one| {
                let mut inner = Vec::new();
                misfits(value, one, root, at, &mut inner);
                inner.is_empty()
            }),
            "type" => {
                let is = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("the type {other}"),
                };
                rule.as_array().map_or_else(|| is(rule), |all| all.iter().any(is))
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_some_and(|text| text.len() == 64), // the digest's
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "maxItems" => value.as_array().unwrap().len() as u64 <= rule.as_u64().unwrap(),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.for_each(|(i, item)| misfits(item, rule, root, &format!("{at}[{i}]"), wrong));
                true
            }
            "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" | "additionalProperties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}.{name}");
                    match (schema["properties"].get(name), schema.get("additionalProperties")) {
                        (Some(rule), _) if key == "properties" => misfits(inner, rule, root, &at, wrong),
                        (None, Some(Value::Bool(false))) if key != "properties" => {
                            wrong.push(format!("{at} is not declared"))
                        }
                        (None, Some(rule)) if key != "properties" => misfits(inner, rule, root, &at, wrong),
                        _ => {}
                    }
                }
                true
            }
            other => panic!("the schema says {other}, which this test does not know"),
        };
        if !fits {
            wrong.push(format!("{at}: {value} does not fit {key}"));
        }
    }
}

#[test]
fn the_report_fits_its_schema_whatever_it_reports() {
    let home = Home::new();
    let schema: Value = serde_json::from_str(&program(&["audit", "--schema"]).run().good()).unwrap();
    let leaky = home.0.write("leaky.wasm", leaky("hex"));
    let garbage = home.0.write("garbage.wasm", "garbage");
    let recorded = std::fs::read_to_string(corpus("octoprint-1.11.8")).unwrap();
    let altered: String =
        recorded.lines().take(2).map(|line| line.replace("origin=local", "origin=mars") + "\n").collect();
    let altered = home.0.write("altered.jsonl", altered).display().to_string();
    let tracker = home.plugin("tracking");
    let audits: [(&Path, &[&str], i32); 4] = [
        (&leaky, &["--trials", "3", "--seed", "7"], 1),
        (&garbage, &[], 1),
        (&tracker, &["--quick", "--corpus", &altered], 1),
        (&tracker, &["--trials", "0"], 0),
    ];
    for (file, arguments, status) in audits {
        let output = program(&["audit", "--json"]).arg(file).args(arguments).run();
        assert_eq!((output.status, output.err.as_str()), (Some(status), ""), "{}", output.out);
        let report: Value = serde_json::from_str(&output.out).unwrap();
        let mut wrong = Vec::new();
        misfits(&report, &schema, &schema, "report", &mut wrong);
        assert_eq!(wrong, [""; 0]);
        assert_eq!(report["flow"].is_object(), file == leaky);
    }
    // The check itself: a report with a key more, or another type, does not fit.
    let mut report = serde_json::json!({"file": 1});
    let mut wrong = Vec::new();
    misfits(&report, &schema, &schema, "report", &mut wrong);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    report = serde_json::json!({
        "name": "sees", "claim": "", "verdict": "maybe", "kind": "not-shown", "trials": 0, "why": "", "lines": [], "more": 1
    });
    misfits(&report, &schema["$defs"]["verdict"], &schema, "verdict", &mut wrong);
    assert_eq!(wrong.len(), 4, "{wrong:?}");
}

#[test]
fn the_page_needs_nothing_and_runs_nothing() {
    let home = Home::new();
    let hostile = "<script>alert(1)</script> \"' ";
    // In the manifest's description, as long as what was there.
    let mut component = leaky("copy");
    let before = b"A tracker that leaks, for tests of the audit";
    let at = component.windows(before.len()).rposition(|part| part == before).unwrap();
    let text = format!("{:1$}", hostile.replace('"', "&"), before.len());
    component[at..at + before.len()].copy_from_slice(text.as_bytes());
    let file = home.0.write("leaky.wasm", component);
    let page = home.0.path("audit.html");
    let output = audit_in_full(&file, &["--trials", "3", "--html", page.to_str().unwrap()]);
    assert_eq!(output.status, Some(0), "{}{}", output.out, output.err);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp;'"), "{page}");
    for forbidden in ["<script", "<link", "<img", "<iframe", " src=", " href=", "@import", "url(", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for wanted in [
        "name=\"viewport\"",
        "<svg ",
        "PrintStarted",
        "path → started.note",
        "class=\"verdict holds\"",
        "class=\"verdict seen\"",
        "class=\"verdict not-shown\"",
        "<h2>By construction: ",
        "How much it could hide at most",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
}

#[test]
fn a_leak_is_in_the_words_and_in_the_exit_status() {
    let home = Home::new();
    let output = audit_in_full(&home.0.write("leaky.wasm", leaky("base64")), &["--trials", "4"]);
    assert_eq!((output.status, output.err.as_str()), (Some(1), ""), "{}", output.out);
    for wanted in [
        "\n  PrintStarted\n",
        "\n    path                         -> started.note ",
        "\n  Found in a form that a reader would not recognise:\n    PrintStarted.path -> started.note in base64",
        "\n  FAILS      What it says about what it sees, it says openly: nothing is hidden in the values of its reports\n",
        "\n  not shown  In recorded cases, it sends what the real OctoPrint sent, but for documented differences\n             no corpus was given\n",
        "\nBy construction: the host enforces it, whatever the component does\n\n  holds      It is a tracker, and touches nothing but what the contract gives it\n",
        "\nSeen in trials: it was so in these; in others it may do something else\n\n",
        "\n  not shown  What OctoPrint says is true\n",
        "\nfree, for the component to decide\n\n",
    ] {
        assert!(output.out.contains(wanted), "{wanted}\nin\n{}", output.out);
    }
    assert!(!output.out.contains('\u{1b}') && !output.out.contains('\r'));
}

#[test]
fn a_terminal_gets_colour_and_progress() {
    let home = Home::new();
    let file = home.0.write("leaky.wasm", leaky("hex"));
    let arguments = format!("audit '{}' --trials 2", file.display());
    let out = on_terminal(&arguments, "");
    assert!(out.contains("\u{1b}[31mFAILS     \u{1b}[0m What it says about what it sees"), "{out}");
    assert!(out.contains("\u{1b}[32mholds     \u{1b}[0m It is a tracker"), "{out}");
    assert!(out.contains("measuring  [####") && out.contains(" %"), "{out}");
    // A progress bar clears its line, and that is no colour.
    assert!(!on_terminal(&arguments, "1").contains("\u{1b}[3"));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let home = Home::new();
    let missing = home.0.path("missing.wasm");
    let message = audit(&missing, &[]).error();
    let no_file = "No such file or directory (os error 2)";
    assert_eq!(message, format!("the component cannot be read: {}: {no_file}", missing.display()));

    let tracker = home.plugin("tracking");
    let with = |corpus: &Path| audit(&tracker, &["--corpus", corpus.to_str().unwrap()]).error();
    let missing = home.0.path("missing.jsonl");
    assert_eq!(with(&missing), format!("reading the corpus {}: {no_file}", missing.display()));
    let empty = home.0.write("empty.jsonl", "\n");
    assert_eq!(with(&empty), format!("{} has no cases", empty.display()));
    let wrong = home.0.write("wrong.jsonl", "\n{\"case\": 3}\n");
    let message = with(&wrong);
    assert!(message.starts_with(&format!("{}, line 2: this is not a recorded case: ", wrong.display())), "{message}");
}
