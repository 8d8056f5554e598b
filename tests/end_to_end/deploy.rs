//! `examples/deploy`: the unit promises what its README says, systemd understands it, and its command
//! line runs a host that has its key from systemd.

use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, START, kinds, program, receiver, workspace};
use glassbox_tests::skip;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const HOME: &str = "/var/lib/glassbox";
const PROGRAM: &str = "/usr/local/bin/glassbox";

fn deployed(name: &str) -> String {
    fs::read_to_string(workspace("examples/deploy").join(name)).unwrap()
}

/// The values of a key of the unit, in order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_string);
    unit.lines().filter_map(value).collect()
}

/// The words after the program in a command line of the unit, in a home of ours.
fn arguments(command: &str, home: &Home) -> Vec<String> {
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some(PROGRAM));
    let root = home.root().display().to_string();
    words.map(|word| if word == HOME { root.clone() } else { word.into() }).collect()
}

#[test]
fn the_unit_keeps_what_it_promises() {
    let unit = deployed("glassbox.service");
    for promise in [
        "DynamicUser=yes",
        "StateDirectory=glassbox",
        "UMask=0077",
        "LoadCredential=octoprint-api-key:/etc/glassbox/octoprint-api-key",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateUsers=yes",
        "ProtectProc=invisible",
        "ProtectKernelTunables=yes",
        "DevicePolicy=closed",
        "DeviceAllow=/dev/vcio rw",
        "SupplementaryGroups=video",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "RestrictNamespaces=yes",
    ] {
        let (key, value) = promise.split_once('=').unwrap();
        assert!(values(&unit, key).iter().any(|found| found == value), "{promise}: {:?}", values(&unit, key));
    }
    // Where it may write, and what would keep it from running at all.
    for never in ["ReadWritePaths", "BindPaths", "MemoryDenyWriteExecute", "ProcSubset", "PrivateDevices"] {
        assert_eq!(values(&unit, never), [""; 0], "{never}");
    }
}

/// Each way in which the service is started, in the unit and in its README.
#[test]
fn the_service_hears_its_octoprint() {
    let (unit, readme) = (deployed("glassbox.service"), deployed("README.md"));
    let mut commands = values(&unit, "ExecStart");
    assert_eq!(commands.len(), 1);
    commands.extend(values(&readme, "ExecStart").into_iter().filter(|command| !command.is_empty()));
    assert_eq!(commands.len(), 2);
    let credential = values(&unit, "LoadCredential").remove(0).split(':').next().unwrap().to_string();
    for command in commands {
        let (server, receiver) = (PushServer::start(), receiver());
        let home = Home::opted_in(&receiver.url());
        let mut config = fs::read_to_string(home.root().join("glassbox.toml")).unwrap();
        // As in the README's third step.
        config += &format!("[[octoprint]]\nurl = \"{}\"\n", server.url());
        home.0.write("home/glassbox.toml", config);
        home.0.write(&format!("credentials/{credential}"), format!("{KEY}\n"));
        let words = arguments(&command, &home);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let host = program(&words).env("CREDENTIALS_DIRECTORY", home.0.path("credentials")).start();
        host.wait_for_log("hears OctoPrint");
        assert_eq!(kinds(&receiver, 3), START, "{command}");
        host.signal("TERM");
        host.wait(LONG).log();
    }
}

#[test]
fn the_helper_runs_as_the_service() {
    let unit = deployed("glassbox.service");
    let home = Home::new();
    let stand_in = home.0.write("bin/systemd-run", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::join_paths([stand_in.parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let helper = workspace("examples/deploy/glassboxctl");
    let output = Command::new(helper).args(["settings", "a b"]).env("PATH", path).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let (options, words): (Vec<_>, Vec<_>) =
        output.lines().partition(|line| line.starts_with("--") && *line != "--home");
    assert_eq!(words, [PROGRAM, "--home", HOME, "settings", "a b"]);
    assert!(values(&unit, "ExecStart")[0].starts_with(&format!("{PROGRAM} --home {HOME} ")));
    let properties: Vec<_> = options.iter().filter_map(|option| option.strip_prefix("--property=")).collect();
    assert!(properties.contains(&"DynamicUser=yes") && properties.contains(&"User=glassbox"), "{properties:?}");
    for property in properties {
        let (key, value) = property.split_once('=').unwrap();
        assert_eq!(values(&unit, key), [value], "{key}");
    }
}

#[test]
fn systemd_understands_the_unit_and_calls_it_tight() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("there is no systemd-analyze; on Debian: apt-get install systemd");
    }
    let home = Home::new();
    // It looks whether the program is there.
    let unit = deployed("glassbox.service").replace(PROGRAM, env!("CARGO_BIN_EXE_glassbox"));
    let file = home.0.write("glassbox.service", unit);
    let verified = Command::new("systemd-analyze").args(["--man=no", "verify"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("glassbox.service"), "{said}");

    let rated = Command::new("systemd-analyze").args(["--no-pager", "security", "--offline=yes"]).arg(&file).output();
    let rated = rated.unwrap();
    let said = String::from_utf8_lossy(&rated.stdout).into_owned() + &String::from_utf8_lossy(&rated.stderr);
    if said.contains("--offline") {
        return skip("this systemd-analyze is too old to rate a file; 250 and later can");
    }
    let exposure = |text: &str| -> f64 {
        let (_, after) = text.split_once("Overall exposure level for glassbox.service: ").expect(text);
        after.split(' ').next().unwrap().parse().unwrap()
    };
    // A later systemd may look at more than the one that was asked for the README.
    assert!(exposure(&said) <= exposure(&deployed("README.md")) + 0.3, "{said}");
    assert!(fs::read_to_string(workspace("host/docs/install.md")).unwrap().contains("exposure level of 1.3"));
}
