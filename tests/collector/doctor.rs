//! `doctor` sees what is wrong with a set-up, and says what to do.

use crate::support::{Collector, Folder, ID, program, workspace};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn doctor(folder: &Folder, config: &str) -> (bool, String) {
    let file = folder.0.join("doctor.toml");
    fs::write(&file, format!("data = \"data\"\n{config}")).unwrap();
    let output = program().arg("doctor").arg("--config").arg(file).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_set_up_that_is_well_is_told_so() {
    let folder = Folder::new("doctor");
    let database = workspace().join("tests/collector/places/GeoLite2-City-Test.mmdb");
    let database = format!("geo_database = {database:?}\n");
    let (ok, said) = doctor(&folder, "listen = \"127.0.0.1:1\"");
    assert!(ok && said.contains("warning  ") && said.contains("has nothing yet"), "{said}");
    let collector = Collector::start(&folder, &database);
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    crate::support::wait_for("the exports", || collector.data.join("exports/rpi_stats_30d.json").exists());
    let listen = format!("listen = {:?}\n{database}", collector.address);
    crate::support::wait_for("all of them", || doctor(&folder, &listen).1.contains("the exports are 0 minutes old"));
    let (ok, said) = doctor(&folder, &listen);
    assert!(ok, "{said}");
    for well in
        ["the configuration can be used", "kinds of reports", "every day that is kept can be read", "MB are free"]
    {
        assert!(said.lines().any(|line| line.starts_with("ok ") && line.contains(well)), "{well}: {said}");
    }
    assert!(said.contains(&format!("ok       http://{} answers", collector.address)), "{said}");
    assert!(said.contains("GeoLite2-City"), "{said}");
    // All come from this machine, where there is a database: as behind a proxy that is not named.
    assert!(!said.contains("private addresses"), "one report says nothing: {said}");
    for _ in 0..20 {
        assert_eq!(collector.report(&format!("/track/{ID}/startup/?python=3.11.2")), 204);
    }
    crate::support::wait_for("a warning", || doctor(&folder, &listen).1.contains("private addresses"));
    collector.stop();
    let (ok, said) = doctor(&folder, &listen);
    assert!(ok && said.contains("does not answer"), "{said}");
}

#[test]
fn each_fault_is_named_with_what_to_do() {
    let folder = Folder::new("doctor-faults");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    let data = collector.stop();
    fs::write(data.join("days/2020-01-02.sqlite"), "no database").unwrap();
    fs::write(data.join("days/2999-01-02.sqlite"), "").unwrap();
    fs::write(folder.0.join("places.mmdb"), "nonsense").unwrap();
    fs::write(folder.0.join("manifest.toml"), "[plugin]\nname = 5").unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let config = "listen = \"127.0.0.1:0\"\ngeo_database = \"places.mmdb\"\nmanifest = \"manifest.toml\"\naddress_header = \"X-Real-IP\"\n";
    let (ok, said) = doctor(&folder, config);
    assert!(!ok && said.contains("of these must be mended"), "{said}");
    for (kind, what) in [
        ("fault", "manifest.toml"),
        ("fault", "places.mmdb cannot be used: "),
        ("warning", "/privacy does not say who is responsible"),
        ("fault", "X-Real-IP is looked at only where a trusted proxy sends it"),
        ("fault", "2020-01-02.sqlite"),
        ("fault", "there are reports of 2999-01-02"),
        ("warning", "others can look into"),
        ("warning", "'run' takes a free port each time"),
    ] {
        assert!(said.lines().any(|line| line.starts_with(kind) && line.contains(what)), "{what}: {said}");
    }
    let (_, said) = doctor(&folder, "listen = \"unix:nowhere/socket\"\n");
    assert!(said.contains("what comes from the proxy has no place") && said.contains("does not answer"), "{said}");
    let (ok, said) = doctor(&folder, "trusted_proxies = [\"0.0.0.0/0\"]\n");
    assert!(!ok && said.contains("anybody can say to come from anywhere"), "{said}");
    let (ok, said) = doctor(&folder, "retention = 5\n");
    assert!(!ok && said.contains("there is no key"), "{said}");
}
