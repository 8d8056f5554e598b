//! What the page looks like when there is nothing, something old, one value, a thousand, or what strangers wrote: it says so, and
//! each is a picture for `browser/check`.

use crate::page::put;
use crate::support::{Folder, ID, fill};
use glassbox_collector::config::Config;
use glassbox_collector::exports::publish;
use glassbox_collector::page::charts::CHARTS;
use glassbox_collector::page::data::Data;
use glassbox_collector::page::{View, html};
use glassbox_collector::store::Store;
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

/// A store whose files are as a test wants them.
struct Page {
    folder: Folder,
    store: Store,
    now: Timestamp,
}

impl Page {
    /// With all files of nothing.
    fn new(name: &str) -> Self {
        let page = Self::without(name);
        publish(&Config::default(), &page.store, page.now).unwrap();
        page
    }

    fn without(name: &str) -> Self {
        let folder = Folder::new(name);
        let store = Store::open(&folder.0).unwrap();
        Self { folder, store, now: Timestamp::now() }
    }

    /// A file of 30 days, made at this time.
    fn put_at(&self, kind: &str, made: &str, content: &Value) {
        let mut all = Map::from_iter([("_generated".to_string(), made.into())]);
        all.extend(content.as_object().unwrap().clone());
        let folder = if kind == "bars" { self.store.page() } else { self.store.exports() };
        std::fs::write(folder.join(format!("{kind}_stats_30d.json")), Value::Object(all).to_string()).unwrap();
    }

    fn put(&self, kind: &str, content: &Value) {
        self.put_at(kind, &self.now.to_string(), content);
    }

    /// All charts of bars with the same rows.
    fn put_bars(&self, rows: &Map<String, Value>, of: u64) {
        let chart = json!({"of": of, "rows": rows, "others": 0});
        let charts: Map<_, _> =
            CHARTS.iter().filter(|c| c.kind() == Some("bars")).map(|c| (c.id.into(), chart.clone())).collect();
        self.put("bars", &json!({"zone": "UTC", "threshold": 10, "charts": charts}));
    }

    fn html(&self, query: &str) -> String {
        self.html_at(query, self.now)
    }

    fn html_at(&self, query: &str, at: Timestamp) -> String {
        html(&Data::read(&self.store, 30), &View::of(query), at)
    }
}

/// A histogram with one point between the two that are not whole.
fn one_point(count: u32) -> Value {
    let hour = |hour: u32| {
        json!({"start": format!("2026-11-01T{hour:02}:00:00+00:00"), "end": "", "count": count,
        "python2": 0, "python3": count})
    };
    (0..3).map(hour).collect()
}

#[test]
fn files_that_are_missing_old_or_of_the_future_are_said() {
    let page = Page::without("page-none");
    let none = page.html("");
    assert!(none.contains("There are no exports yet. They are made within a minute"), "{none}");
    assert_eq!(none.matches("<figure").count(), CHARTS.len());
    put("none", &none);
    // An empty store has all files, and nothing in them.
    publish(&Config::default(), &page.store, page.now).unwrap();
    let nothing = page.html("");
    assert!(!nothing.contains("no exports yet") && !nothing.contains("Not known"), "{nothing}");
    assert!(!nothing.contains("class=\"old\"") && nothing.contains("<dd>0</dd>"), "{nothing}");
    assert!(nothing.contains("Nothing was reported.</p><p class=\"note\">last 30 days, as of 20"), "{nothing}");
    put("nothing", &nothing);
    let old = page.html_at("", page.now + 5.hours());
    assert!(old.contains("These numbers are 5 hours old"), "{old}");
    assert!(!page.html_at("", page.now + 2.hours()).contains("hours old"));
    put("old", &old);
    page.put_at("rpi", "2026-11-01T00:00:00Z", &json!({"models": {}}));
    assert!(page.html("").contains("Some of these numbers are "), "{}", page.html(""));
    page.put_at("rpi", &(page.now + 100.hours()).to_string(), &json!({"models": {}}));
    assert!(page.html("").contains("Numbers are of the future"), "{}", page.html(""));
    std::fs::write(page.store.exports().join("rpi_stats_30d.json"), "{\"models\": ").unwrap();
    std::fs::remove_file(page.store.exports().join("plugin_stats_30d.json")).unwrap();
    assert!(page.html("").contains("cannot be made or read (rpi, plugin)"), "{}", page.html(""));
    // They were made once: that they come within a minute of the start would be a lie.
    std::fs::remove_dir_all(page.store.exports()).unwrap();
    std::fs::remove_file(page.store.page().join("bars_stats_30d.json")).unwrap();
    let gone = page.html("");
    assert!(!gone.contains("within a minute") && gone.contains("Numbers are missing"), "{gone}");
    put("gone", &gone);
    drop(page.folder);
}

#[test]
fn one_value_and_a_thousand_are_looked_at() {
    let page = Page::new("page-one");
    // So that there is a file of totals.
    fill(
        &page.store,
        &[json!({"at": 1_800_000_000, "method": "GET", "query": "", "body": "", "user_agent": "OctoPrint/1",
        "path": format!("/track/{ID}/ping/")})],
    );
    let totals = |count: u32| {
        let shared = rusqlite::Connection::open(page.store.shared()).unwrap();
        shared.execute("DELETE FROM total", []).unwrap();
        let mut day = jiff::civil::date(2024, 1, 1);
        for number in 0..count {
            shared
                .execute("INSERT INTO total VALUES (?, ?, 0, 0, 0, 0)", (day.to_string(), 91_000 + number * 17))
                .unwrap();
            // Every hundred days some are missing.
            day = day.checked_add(if number % 100 == 99 { 40.days() } else { 1.days() }).unwrap();
        }
    };
    page.put_bars(&Map::from_iter([("one".to_string(), 1.into())]), 1);
    page.put("instance", &json!({"count": 1, "histogram": one_point(1)}));
    page.put("printing", &json!({"total": 3600.0, "histogram": one_point(3600)}));
    page.put("python", &json!({"histogram": one_point(1)}));
    totals(1);
    let one = page.html("");
    assert!(one.contains("1 point, 2026-11-01 to 2026-11-01") && one.contains("100.0 %"), "{one}");
    assert!(one.contains("h20V100H0Z"), "{one}");
    put("one", &one);
    let rows = (0..1000).map(|number| (format!("value {number} of a thousand"), (91_000 - number * 91).into()));
    page.put_bars(&rows.collect(), 91_000);
    totals(1000);
    let thousand = page.html("");
    assert!(thousand.contains("975 more") && thousand.contains("value 999 of a thousand"), "{thousand}");
    assert!(thousand.contains("Table of months") && thousand.contains("2024-01 (31 d)"), "{thousand}");
    put("thousand", &thousand);
}

#[test]
fn what_strangers_wrote_does_nothing() {
    let page = Page::new("page-strange");
    let hostile =
        ["<img src=x onerror=alert(1)>", "\u{202e}desrever", &"long".repeat(2500), "=1+1", "", "\u{0}\n\u{1b}[31m"];
    page.put_bars(&hostile.iter().map(|name| ((*name).to_string(), 3.into())).collect(), 4);
    let plugin = |name: &str| json!({"instances": 3, "versions": {name: {"instances": 2}}, "install_events": 1, "uninstall_events": 0});
    let plugins: Map<_, _> = hostile.iter().map(|name| ((*name).to_string(), plugin(name))).collect();
    page.put("plugin", &json!({"plugins": plugins}));
    page.put("instance", &json!({"count": "many", "histogram": [1, 2, 3, 4]}));
    std::fs::remove_file(page.store.exports().join("python_stats_30d.json")).unwrap();
    let strange = page.html("");
    put("strange", &strange);
    for never in ["<img", "\u{202e}", "\u{1b}", &"long".repeat(21)] {
        assert!(!strange.contains(never), "{never}");
    }
    for said in ["&lt;img", "\\u{202e}", "(empty)", "75.0 %", "(python)"] {
        assert!(strange.contains(said), "{said}: {strange}");
    }
    // Both curves, and their total.
    assert_eq!(strange.matches("Not known: the file").count(), 2, "{strange}");
    assert!(strange.contains("not known"), "{strange}");
    assert!(page.html("q=desrever").contains("1 of 6 plugins") && page.html("q=nobody").contains("0 of 6 plugins"));
    // As it is shown, it can be searched for.
    assert!(page.html("q=%E2%80%AEdesrever").contains("1 of 6 plugins"));
    assert!(page.html("q=%22%3E%3Cscript%3E").contains("value=\"&quot;&gt;&lt;script&gt;\""));
    let controls = page.html("q=%00%1B%E2%80%AE");
    assert!(!controls.contains(['\u{0}', '\u{1b}', '\u{202e}']), "{controls}");
    page.put(
        "bars",
        &json!({"charts": {"achievements": {"of": 4, "rows": {"night_owl": 2, "the_wizard": 4}, "others": 1}}}),
    );
    assert_eq!(page.html("").matches("Not known: the file").count(), 19 + 2, "each has what it needs, or not");
    assert!(!page.html("").contains("Night owl") && page.html("").contains("A surprise"));
    let named = page.html("hidden=yes");
    assert!(named.contains("Night owl") && named.contains("50.0 %") && named.contains("100.0 %"), "{named}");
}
