//! A copy of the store, made while reports come in, is a store.

use crate::support::{Collector, Folder, ID, day, number, pings, program, wait_for};
use glassbox_collector::store::Store;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

fn run(command: &str, data: &Path, arguments: &[&str]) -> Output {
    program().arg(command).args(arguments).arg("--data").arg(data).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr].concat()).unwrap()
}

#[test]
fn a_copy_that_was_made_while_reports_came_in_goes_on_as_a_store() {
    let (folder, other) = (Folder::new("backup"), Folder::new("restored"));
    let collector = Collector::start(&folder, "");
    let body = "plugins=mine:1.0&achievements=the_wizard";
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    assert_eq!(collector.send("POST", &format!("/track/{ID}/pong/"), "User-Agent: OctoPrint/1.11.8\r\n", body), 204);
    let kept = || text(&run("show", &collector.data, &[ID]));
    wait_for("both reports", || kept().contains("the_wizard") && kept().contains("\"pings\""));
    let to = other.0.join("data");
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..).take_while(|_| !ends.load(Relaxed)) {
                let id = format!("{at:08x}{}", &ID[8..]);
                collector.send(
                    "GET",
                    &format!("/track/{id}/startup/?python=3.{at}"),
                    "User-Agent: OctoPrint/1\r\n",
                    "",
                );
            }
        });
        wait_for("some of the others", || number(&day(&collector.data), "SELECT count(*) FROM report") > 20);
        let output = run("backup", &collector.data, &[to.to_str().unwrap()]);
        ends.store(true, Relaxed);
        assert!(output.status.success(), "{}", text(&output));
    });
    // Every number that the day refers to is explained in the copy of the shared file.
    let copied = day(&to);
    copied.execute("ATTACH ? AS shared", [to.join("shared.sqlite").to_str().unwrap()]).unwrap();
    assert!(number(&copied, "SELECT count(*) FROM report") > 20);
    for (field, table) in [("installation", "installation"), ("environment", "environment"), ("plugins", "list")] {
        let sql = format!("SELECT count(*) FROM report WHERE {field} NOT IN (SELECT number FROM shared.{table})");
        assert_eq!(number(&copied, &sql), 0, "{field}");
    }
    drop(copied);
    let mode = |file: &Path| file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&to), mode(&to.join("shared.sqlite"))), (0o700, 0o600));
    let days = Store::open(&to).unwrap().days().unwrap();
    assert!(days.iter().all(|day| mode(&Store::open(&to).unwrap().day(*day)) == 0o600));
    assert_eq!(kept(), text(&run("show", &to, &[ID])));
    // And of a store in which nothing happens, the copy says the same in every export.
    collector.stop();
    let (again, folders) = (other.0.join("again"), [other.0.join("a"), other.0.join("b")]);
    assert!(run("backup", &folder.0.join("data"), &[again.to_str().unwrap()]).status.success());
    let config = folder.0.join("all.toml");
    std::fs::write(&config, "k_threshold = 1\n").unwrap();
    for (data, out) in [folder.0.join("data"), again].iter().zip(&folders) {
        let now = "2099-01-01T00:00:00Z".replace("2099-01-01", &jiff::Timestamp::now().to_string()[..10]);
        let arguments = ["--config", config.to_str().unwrap(), "--now", &now, "--out", out.to_str().unwrap()];
        let output = run("exports", data, &arguments);
        assert!(output.status.success(), "{}", text(&output));
    }
    for name in glassbox_collector::exports::names() {
        let [one, two] = [0, 1].map(|at| std::fs::read_to_string(folders[at].join(&name)).unwrap());
        assert_eq!(one, two, "{name}");
    }

    let restored = Collector::start(&other, "");
    assert_eq!(restored.report(&format!("/track/{ID}/ping/")), 204);
    restored.stop();
    let all = |data: &Path| number(&day(data), "SELECT sum(pings) FROM ping");
    assert_eq!((all(&to), all(&folder.0.join("data"))), (2, 1), "it goes on by itself");
}

#[test]
fn nothing_is_written_over_a_backup_and_a_damaged_day_is_named() {
    let folder = Folder::new("backup-refused");
    let collector = Collector::start(&folder, "");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    let data = collector.stop();
    let to = folder.0.join("copy");
    std::fs::create_dir(&to).unwrap();
    std::fs::write(to.join("of somebody"), "else").unwrap();
    let output = run("backup", &data, &[to.to_str().unwrap()]);
    assert!(!output.status.success() && text(&output).contains("is not empty"), "{}", text(&output));
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1);

    std::fs::remove_file(to.join("of somebody")).unwrap();
    std::fs::write(data.join("days/2020-01-02.sqlite"), "no database").unwrap();
    let output = run("backup", &data, &[to.to_str().unwrap()]);
    assert!(!output.status.success() && text(&output).contains("but damaged days: 2020-01-02"), "{}", text(&output));
    let copied = Store::open(&to).unwrap().days().unwrap();
    assert_eq!((copied.len(), pings(&to)), (1, 1), "the others are there");
    let nowhere = run("backup", &folder.0.join("nothing"), &[to.to_str().unwrap()]);
    assert!(text(&nowhere).contains("is not the folder of a store"), "{}", text(&nowhere));
}
