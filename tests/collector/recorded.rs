//! All recorded requests of real OctoPrints, over HTTP: what is stored is what was sent, but for a closed list of
//! differences, each with its reason.

use crate::support::{Collector, Folder, day, number, odd, refused, workspace};
use rusqlite::Connection;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Why something that was sent is not stored, or not as it was sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// RECEIVING.md, 2f: an empty value is no field.
    Empty,
    /// Of a ping only counts and times are kept.
    PingField,
    /// A port is reduced to its kind.
    Port,
    /// RECEIVING.md, 8.1: what is no number where one belongs, such as the word `None`, costs itself; 8.12: so does one
    /// that is negative or has a fraction.
    NoNumber,
    /// A name that the rules do not know, as one that a broken path leads to.
    Unknown,
}

fn recorded() -> Vec<Value> {
    let mut all = Vec::new();
    for file in ["octoprint-1.11.8", "octoprint-dev-744c8359"] {
        let text = std::fs::read_to_string(workspace().join(format!("tests/corpora/{file}.jsonl"))).unwrap();
        let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.extend(cases.flat_map(|case| case["expect"].as_array().unwrap().clone()));
    }
    let text = std::fs::read_to_string(workspace().join("examples/sessions/octoprint-1.11.8.requests.jsonl")).unwrap();
    all.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    all
}

/// Decoded by another hand than the collector's.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn stored(day: &Connection) -> Vec<(String, String, Map<String, Value>)> {
    let sql = "SELECT e.text, v.text, environment, plugins, achievements, fields FROM report
        JOIN name e ON e.number = event JOIN name v ON v.number = version ORDER BY report.number";
    let mut statement = day.prepare(sql).unwrap();
    let shared =
        Connection::open(day.path().unwrap().rsplit_once("/days/").unwrap().0.to_string() + "/shared.sqlite").unwrap();
    let find = |table: &str, number: i64| -> String {
        shared.query_row(&format!("SELECT text FROM {table} WHERE number = ?"), [number], |row| row.get(0)).unwrap()
    };
    let rows = statement.query_map([], |row| {
        let mut fields = Map::new();
        let lists = [("plugins", row.get::<_, Option<i64>>(3)?), ("achievements", row.get(4)?)];
        for text in row
            .get::<_, Option<i64>>(2)?
            .map(|n| find("environment", n))
            .into_iter()
            .chain(row.get::<_, Option<String>>(5)?)
        {
            fields.append(&mut serde_json::from_str(&text).unwrap());
        }
        for (name, number) in lists {
            fields.extend(number.map(|number| (name.to_string(), find("list", number).into())));
        }
        Ok((row.get(0)?, row.get(1)?, fields))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_recorded_request_is_stored_as_it_was_sent() {
    let folder = Folder::new("recorded");
    let collector = Collector::start(&folder, "");
    let requests = recorded();
    assert!(requests.len() > 450, "{}", requests.len());
    let text = |request: &Value, key: &str| request[key].as_str().unwrap().to_string();
    for request in &requests {
        let [method, path, query, body] = ["method", "path", "query", "body"].map(|key| text(request, key));
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let agent = format!("User-Agent: {}\r\n", text(request, "user_agent"));
        assert_eq!(collector.send(&method, &target, &agent, &body), 204, "{target}");
    }
    let data = collector.stop();
    let day = day(&data);
    let stored = stored(&day);

    let mut differences: BTreeMap<Difference, usize> = BTreeMap::new();
    let mut differs = |why| *differences.entry(why).or_default() += 1;
    let (mut next, mut pings) = (stored.iter(), 0);
    for request in &requests {
        let path = text(request, "path");
        let parts: Vec<_> = path.split('/').collect();
        let event = decoded(parts[3]);
        if event == "ping" {
            pings += 1;
            differs(Difference::PingField);
            continue;
        }
        let (stored_event, version, fields) = next.next().expect("one more");
        assert_eq!(format!("OctoPrint/{version}"), text(request, "user_agent"));
        if *stored_event != event {
            assert_eq!(stored_event, "", "{path}");
            differs(Difference::Unknown);
            continue;
        }
        let form = text(request, if request["method"] == "GET" { "query" } else { "body" });
        let mut fields = fields.clone();
        for pair in form.split(['&', '?']).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value);
            // A key that comes twice has both values, in their order.
            let found = match fields.get_mut(key) {
                Some(Value::Array(all)) => {
                    let first = all.remove(0);
                    if all.is_empty() {
                        fields.shift_remove(key);
                    }
                    Some(first)
                }
                _ => fields.shift_remove(key),
            };
            let numbers = ["elapsed", "cores", "ram", "bits", "printer_baudrate", "throttled_mask"];
            match found {
                Some(Value::String(found)) if found == value => {}
                Some(Value::Number(found)) if key == "freq" && Some(found.as_f64().unwrap()) == value.parse().ok() => {}
                Some(Value::Number(found)) if numbers.contains(&key) && found.to_string() == value => {}
                Some(Value::Number(found)) if value == "unknown" && found.as_f64() == Some(0.0) => {
                    differs(Difference::NoNumber)
                }
                Some(_) if key == "printer_port" => differs(Difference::Port),
                None if value.is_empty() => differs(Difference::Empty),
                None if numbers.contains(&key)
                    && value.parse::<u64>().map_or(true, |number| number > 1_000_000_000) =>
                {
                    differs(Difference::NoNumber)
                }
                // A reason with `?` in it: `commerror_a?b=c/` ends at the question mark.
                None if key == "b" => differs(Difference::Unknown),
                found => panic!("{path} {key}={value}: {found:?}"),
            }
        }
        assert!(fields.is_empty(), "{path} {form}: {fields:?} was not sent");
    }
    assert_eq!(next.next(), None);
    assert_eq!(number(&day, "SELECT sum(pings) FROM ping"), pings);
    assert!(refused(&data).is_empty(), "{differences:?} {:?}", odd(&data));
    // The list is closed in both directions: each of them occurs.
    use Difference::{Empty, NoNumber, PingField, Port, Unknown};
    assert_eq!(differences.into_keys().collect::<Vec<_>>(), [Empty, PingField, Port, NoNumber, Unknown]);
}
