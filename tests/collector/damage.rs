//! Days with rows that nobody has written: a bit that fell over need not be where SQLite looks. They cost that day at most.

use crate::support::{Folder, ID, fill};
use glassbox_collector::config::Config;
use glassbox_collector::exports::{names, write};
use glassbox_collector::id::Id;
use glassbox_collector::installation::show;
use glassbox_collector::store::writer::Writer;
use glassbox_collector::store::{Store, look};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use rusqlite::Connection;
use serde_json::json;
use std::collections::BTreeMap;

const SOUND: Date = date(2026, 3, 4);
const DAMAGED: Date = date(2026, 3, 5);

const DAMAGES: [&str; 20] = [
    "UPDATE report SET second = 9223372036854775807",
    "UPDATE report SET second = 86400",
    "UPDATE report SET second = -1",
    "UPDATE report SET second = 'noon'",
    "UPDATE report SET installation = -1",
    "UPDATE report SET installation = 9223372036854775807",
    "UPDATE report SET environment = 4294967295",
    "UPDATE report SET plugins = 4294967295, achievements = 4294967295",
    "UPDATE report SET event = 77, version = 77, place = 77",
    r#"UPDATE report SET fields = '{"elapsed":[9223372036854775807,9223372036854775807]}'"#,
    r#"UPDATE report SET fields = '{"elapsed":{"a":[]},"plugin":7}'"#,
    "UPDATE report SET fields = '{'",
    "UPDATE report SET fields = x'ff'",
    "UPDATE ping SET last = 9223372036854775807, first = 9223372036854775807",
    "UPDATE ping SET last = -9223372036854775808, first = -9223372036854775808",
    "UPDATE ping SET early = -1, late = -1",
    "UPDATE ping SET pings = 9223372036854775807",
    "UPDATE name SET text = x'ff' || number",
    "DELETE FROM name",
    "DROP TABLE ping",
];

fn exported(store: &Store) -> BTreeMap<String, Vec<u8>> {
    names().map(|name| (name.clone(), std::fs::read(store.exports().join(name)).unwrap())).collect()
}

#[test]
fn rows_that_nobody_wrote_cost_their_day_at_most() {
    let folder = Folder::new("rows");
    let store = Store::open(&folder.0).unwrap();
    let report = |day: Date, event: &str, query: &str| {
        let at = format!("{day}T10:00:00Z").parse::<Timestamp>().unwrap().as_second();
        json!({"at": at, "method": "GET", "path": format!("/track/{ID}/{event}/"), "query": query, "body": "",
               "user_agent": "OctoPrint/1.11.8"})
    };
    let requests = [SOUND, DAMAGED].into_iter().flat_map(|day| {
        let fields =
            [("ping", ""), ("startup", "python=3.11.2"), ("print_done", "elapsed=60"), ("install_plugin", "plugin=a")];
        fields.map(|(event, query)| report(day, event, query))
    });
    fill(&store, &requests.collect::<Vec<_>>());
    let config = Config { k_threshold: 1, ..Config::default() };
    let now = "2026-03-06T00:00:00Z".parse().unwrap();
    let file = store.day(DAMAGED);
    let whole = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    write(&config, &store, &store.exports(), now).unwrap();
    let without = exported(&store);
    for damage in DAMAGES {
        std::fs::write(&file, &whole).unwrap();
        Connection::open(&file).unwrap().execute_batch(damage).unwrap();
        let problems = write(&config, &store, &store.exports(), now).expect(damage);
        assert!(problems.iter().all(|problem| problem.contains("2026-03-05")), "{damage}: {problems:?}");
        assert!(
            problems.is_empty() || exported(&store) == without,
            "{damage}: a day that is left out counts for nothing"
        );
        let shown = show(&store, Id::parse(ID).unwrap()).expect(damage);
        assert!(shown["days"]["2026-03-04"]["pings"].is_array(), "{damage}: {shown}");
        // An error or a result.
        let _ = look::today(&store, DAMAGED);
        let _ = look::placed(&store, DAMAGED);
        assert!(look::damaged(&store).is_ok(), "{damage}");
        Writer::new(&store).retain(date(2026, 3, 6), 60).expect(damage);
    }
}
