//! Where reports come from, and that no address is anywhere afterwards.

use crate::support::{Collector, Folder, ID, day, number, pings, wait_for, workspace};
use glassbox_collector::address::Address;
use glassbox_collector::geo::{Locator, Place};
use std::path::Path;

fn files() -> std::path::PathBuf {
    workspace().join("tests/collector/places")
}

fn address(text: &str) -> Address {
    Address::new(text.parse().unwrap())
}

#[test]
fn a_place_is_rough_and_may_be_missing() {
    let locator = Locator::new(Some(&files().join("GeoLite2-City-Test.mmdb")), false);
    let place = locator.locate(&address("89.160.20.112"));
    let expected = Place {
        continent: "EU".into(),
        country: "SE".into(),
        region: "Östergötland County".into(),
        city: "Linköping".into(),
        coordinates: None,
    };
    assert_eq!(place, expected);
    assert_eq!(locator.locate(&address("::ffff:89.160.20.112")), expected);
    assert_eq!(locator.locate(&address("127.0.0.1")), Place::default());
    assert_eq!(locator.locate(&address("fe80::1")), Place::default());
    assert_eq!(locator.failed(), 0);
    assert_eq!(locator.state().database.unwrap().0, "GeoLite2-City");
    let precise = Locator::new(Some(&files().join("GeoLite2-City-Test.mmdb")), true);
    assert!(precise.locate(&address("89.160.20.112")).coordinates.is_some());
    // A database of countries knows no city, and that costs nothing else.
    let countries = Locator::new(Some(&files().join("GeoLite2-Country-Test.mmdb")), true);
    let place = countries.locate(&address("89.160.20.112"));
    assert_eq!((place.country.as_str(), place.city.as_str(), place.coordinates), ("SE", "", None));
}

#[test]
fn no_damaged_database_costs_more_than_places() {
    let mut files: Vec<_> =
        std::fs::read_dir(files().join("bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let folder = Folder::new("bad");
    let whole = std::fs::read(self::files().join("GeoLite2-City-Test.mmdb")).unwrap();
    for (name, bytes) in [("empty", &whole[..0]), ("half", &whole[..10_000]), ("end", &whole[10_000..])] {
        std::fs::write(folder.0.join(name), bytes).unwrap();
        files.push(folder.0.join(name));
    }
    files.push(folder.0.join("missing"));
    files.push(folder.0.clone());
    assert!(files.len() > 25, "{}", files.len());
    for file in files {
        let locator = Locator::new(Some(&file), true);
        for text in ["1.1.1.1", "81.2.69.142", "255.255.255.255", "0.0.0.0", "2001:db8::1", "::1", "ffff::"] {
            let _ = locator.locate(&address(text));
        }
        let state = locator.state();
        assert!(state.problem.is_some() || state.database.is_some(), "{}", file.display());
    }
}

/// Whether these bytes are in any file below.
fn holds(folder: &Path, what: &[Vec<u8>]) -> Option<String> {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = holds(&path, what) {
                return Some(found);
            }
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for one in what {
            if bytes.windows(one.len()).any(|window| window == one) {
                return Some(format!("{} holds {one:?}", path.display()));
            }
        }
    }
    None
}

#[test]
fn an_address_is_in_no_file_and_a_database_is_exchanged_while_reports_come_in() {
    let folder = Folder::new("planted");
    let database = folder.0.join("places.mmdb");
    std::fs::copy(files().join("GeoLite2-Country-Test.mmdb"), &database).unwrap();
    let config = "geo_database = \"places.mmdb\"\ntrusted_proxies = [\"127.0.0.1\"]\naddress_header = \"X-Real-IP\"\nk_threshold = 1";
    let collector = Collector::start(&folder, config);
    let planted: Vec<String> = (0..100)
        .map(|n| if n % 2 == 0 { format!("203.0.113.{}", 100 + n) } else { format!("2001:db8:beef::{:x}", 0xa000 + n) })
        .collect();
    let send = |number: usize, address: &str| {
        let id = format!("{number:08x}{}", &ID[8..]);
        let header = format!("User-Agent: OctoPrint/1.11.8\r\nX-Real-IP: {address}\r\nX-Forwarded-For: {address}\r\n");
        assert_eq!(collector.send("GET", &format!("/track/{id}/startup/?python=3.11.2"), &header, ""), 204);
    };
    planted.iter().enumerate().for_each(|(number, address)| send(number, address));
    send(1000, "89.160.20.112");
    assert_eq!(collector.report(&format!("/track/{ID}/ping/")), 204);
    wait_for("the first report", || pings(&collector.data) == 1);
    let city = || number(&day(&collector.data), "SELECT count(*) FROM place WHERE city = 'Linköping'");
    // Another database, in the place of the first: nobody has to be told.
    std::fs::copy(files().join("GeoLite2-City-Test.mmdb"), folder.0.join("new")).unwrap();
    std::fs::rename(folder.0.join("new"), &database).unwrap();
    let mut sent = 1;
    wait_for("the new database", || {
        send(1000, "89.160.20.112");
        sent += 1;
        std::thread::sleep(std::time::Duration::from_millis(300));
        city() == 1
    });
    // Overwritten in place by nonsense: what was there stays in use, and nothing is lost.
    std::fs::write(&database, "nonsense").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    for _ in 0..20 {
        send(1000, "89.160.20.112");
    }
    let data = collector.stop();
    assert_eq!(number(&day(&data), "SELECT count(*) FROM report"), 100 + sent + 20);
    assert!(
        number(&day(&data), "SELECT count(*) FROM report JOIN place ON place = place.number WHERE country = 'SE'") > 20
    );
    let log = std::fs::read_to_string(folder.0.join("log")).unwrap();
    assert!(log.contains("cannot be used"), "{log}");
    // As text, and as bytes in either order.
    let mut search: Vec<Vec<u8>> = vec!["203.0.113".into(), "2001:db8:beef".into(), "89.160.20".into()];
    for text in &planted {
        let mut bytes = match text.parse().unwrap() {
            std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
            std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        search.push(bytes.clone());
        bytes.reverse();
        search.push(bytes);
    }
    assert_eq!(holds(&folder.0, &search), None);
    // The search finds what is there.
    std::fs::write(data.join("leak"), b"\x01\xcb\x00\x71\x64").unwrap();
    assert!(holds(&folder.0, &search).is_some());
}
