//! What is known of a machine: of Raspberry Pis, whose files are in `tests/hardware/`, and of the one
//! that this runs on, as Python says it, which OctoPrint asks.
#![cfg(target_os = "linux")]
#![allow(missing_docs)]

use glassbox::system::SystemHardware;
use glassbox_audit::fake::{Logged, UseLog};
use glassbox_contract::{Deliver, Deny};
use glassbox_sandbox::capabilities::{Capabilities, Hardware, Machine};
use glassbox_sandbox::{Instance, Memory};
use glassbox_tests::{TRACKING, settings, skip, workspace};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What OctoPrint asks of the machine that it runs on.
const MACHINE: &str = r#"
import json, platform, sys
print(json.dumps([platform.platform(), 64 if sys.maxsize > 2**32 else 32]))
try:
    import psutil
except ImportError:
    sys.exit()
freq = psutil.cpu_freq()
print(json.dumps([psutil.cpu_count(), freq.max if freq else None, psutil.virtual_memory().total]))
"#;

/// The same of the files below a folder.
const FOLDER: &str = r#"
import glob, json, os, sys
root = sys.argv[1]
cpu = "/sys/devices/system/cpu/"
exists, found = os.path.exists, glob.glob
os.path.exists = lambda path: exists(root + path if str(path).startswith(cpu) else path)
glob.glob = lambda pattern: found(root + pattern if pattern.startswith(cpu) else pattern)
import psutil
# It sorts paths by the first number in them.
import psutil._pslinux as linux
linux.re.search = lambda pattern, path, search=linux.re.search: search(pattern, path[len(root):])
psutil.PROCFS_PATH = root + "/proc"
print(json.dumps([psutil.cpu_freq().max, psutil.virtual_memory().total]))
"#;

/// The machines: their names, the folders of their files, and what is expected.
fn machines() -> Vec<(String, PathBuf, Value)> {
    let folders = fs::read_dir(workspace().join("tests/hardware")).unwrap().map(|entry| entry.unwrap().path());
    let mut machines: Vec<_> = folders
        .filter(|folder| folder.is_dir())
        .map(|folder| {
            let expected = serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
            (folder.file_name().unwrap().to_str().unwrap().to_string(), folder.join("root"), expected)
        })
        .collect();
    machines.sort_by(|a, b| a.0.cmp(&b.0));
    machines
}

/// What the processor is called here, which comes from no file.
fn machine() -> String {
    let output = Command::new("uname").arg("-m").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

#[test]
fn each_machine_is_known_for_what_it_is() {
    let machines = machines();
    let names: Vec<_> = machines.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["malformed", "pi-3b", "pi-4b", "pi-4b-32-on-64", "pi-4b-in-docker", "pi-5", "pi-zero-2-w"]);
    let here = u64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    for (name, root, expected) in machines {
        let text = |key: &str| expected[key].as_str().map(|text| text.replace("{machine}", &machine()));
        let expected = Machine {
            os: Some("linux".into()),
            platform: text("platform"),
            // Those of the program, as Python's are its own: not the kernel's.
            bits: Some(usize::BITS),
            cores: u32::try_from(expected["cores"].as_u64().unwrap_or(here)).ok(),
            frequency_mhz: expected["frequency_mhz"].as_f64(),
            memory_bytes: expected["memory_bytes"].as_u64(),
            pi_model: text("pi_model"),
            octopi_version: text("octopi_version"),
            octopiuptodate_build: text("octopiuptodate_build"),
        };
        assert_eq!(SystemHardware::new(root).probe(), expected, "{name}");
    }
}

/// From the files to the report, as OctoPrint would write it.
#[test]
fn the_tracker_reports_the_machine() {
    let root = workspace().join("tests/hardware/pi-4b/root");
    let capabilities = Capabilities {
        http: Box::new(Logged(Deny, UseLog::default())),
        clock: Box::new(Deny),
        hardware: Box::new(SystemHardware::new(root)),
        throttle: Box::new(Deny),
        salt: String::new(),
    };
    let mut instance = Instance::new(&TRACKING, capabilities, None, Memory::default()).unwrap();
    instance.load(&settings(&[])).unwrap().unwrap();
    instance.on_event("environment", r#"{"octoprint": {"version": "1.11.8"}}"#).unwrap();
    instance.on_event("octoprint_started", r#"{"uptime": 1}"#).unwrap();
    let outcome = instance.on_tick().unwrap();
    let startup = outcome.sent.iter().find(|request| request.url.contains("/startup/")).expect("startup");
    let expected = "&bits=64&cores=4&freq=1500.0&ram=1903988736&pi_model=Raspberry%20Pi%204%20Model%20B%20Rev%201.4&octopi_version=0.18.0";
    assert!(startup.form.ends_with(&expected.replace("64", &usize::BITS.to_string())), "{}", startup.form);
    assert!(startup.form.starts_with("version=1.11.8&os=linux&platform=Linux-5.4.72-v7l%2B-"), "{}", startup.form);
}

/// A Python, the one of the OctoPrint that other tests were given if there is one, and what the script
/// says, line by line; none without Python.
fn python(script: &str, folder: Option<&Path>) -> Option<Result<Vec<Value>, String>> {
    let octoprint = std::env::var_os("GLASSBOX_TEST_OCTOPRINT").map(PathBuf::from);
    let program = octoprint.map_or("python3".into(), |octoprint| octoprint.with_file_name("python"));
    let output = Command::new(program).args(["-c", script]).args(folder).output().ok()?;
    if !output.status.success() {
        return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8(output.stdout).unwrap();
    Some(Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()))
}

#[track_caller]
fn skip_for(what: &str) {
    skip(&format!("{what}; to have it: GLASSBOX_TEST_OCTOPRINT=$(tests/octoprint/install) cargo test --workspace"));
}

#[test]
#[cfg(target_env = "gnu")]
fn this_machine_is_what_python_says_it_is() {
    let Some(said) = python(MACHINE, None) else {
        return skip_for("there is no Python to compare with");
    };
    let said = said.unwrap();
    let found = SystemHardware::new("/").probe();
    assert_eq!(json!([found.platform, found.bits]), said[0]);
    let Some(psutil) = said.get(1) else {
        return skip_for("Python has no psutil, so cores, frequency and memory are not compared");
    };
    assert_eq!(json!([found.cores, found.frequency_mhz, found.memory_bytes]), *psutil);
}

#[test]
fn psutil_reads_the_same_from_the_same_files() {
    let mut compared = 0;
    for (name, root, expected) in machines() {
        match python(FOLDER, Some(&root)) {
            None => return skip_for("there is no Python to compare with"),
            Some(Err(error)) if error.contains("No module named 'psutil'") => {
                return skip_for("Python has no psutil to compare with");
            }
            // Where a file is damaged it gives up.
            Some(Err(error)) => assert_eq!(name, "malformed", "{error}"),
            Some(Ok(said)) => {
                assert_eq!(json!([expected["frequency_mhz"], expected["memory_bytes"]]), said[0], "{name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 6);
}
