//! What OctoPrint's own tracker reported and what ours did, kind by kind and in order: the same
//! bytes, or a difference on a closed list, each of which has a condition to meet. The list is that
//! of `glassbox_audit::conformance::Reason`, as far as it can happen here, and what only a living server
//! brings about.

use glassbox_audit::conformance::RecordedRequest;
use std::collections::{BTreeMap, BTreeSet};

/// Why ours may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// OctoPrint's never comes to send its shutdown.
    ShutdownIsSent,
    /// Nobody can be connected while the server starts: an achievement, of which our pong tells too.
    UnlockedBeforeWeCame,
    /// OctoPrint tells the second in which an achievement was unlocked, but not which was first in it.
    UnlockedInOneSecond,
    /// The web page tells its own server only.
    WebPage,
    /// Null is "not known": OctoPrint sends the word None for the version of a plugin that has none.
    Null,
    /// How many pings there are depends on time, and ours knows how long the server has been running
    /// only from when it heard it first.
    Pings,
}

/// How the two compare.
#[derive(Debug, Default)]
pub struct Comparison {
    pub same: usize,
    pub reasons: BTreeMap<Why, usize>,
    pub unexplained: Vec<String>,
}

/// Everything that both said, and when which achievement was unlocked.
struct All<'a> {
    theirs: &'a [RecordedRequest],
    ours: &'a [RecordedRequest],
    unlocked: &'a BTreeMap<String, i64>,
}

/// Compare; `unlocked` tells in which second which achievement was.
pub fn compare(theirs: &[RecordedRequest], ours: &[RecordedRequest], unlocked: &BTreeMap<String, i64>) -> Comparison {
    let all = All { theirs, ours, unlocked };
    let mut comparison = Comparison::default();
    let kinds: BTreeSet<&str> = theirs.iter().chain(ours).map(RecordedRequest::kind).collect();
    for kind in kinds {
        let theirs: Vec<_> = theirs.iter().filter(|request| request.kind() == kind).collect();
        let ours: Vec<_> = ours.iter().filter(|request| request.kind() == kind).collect();
        if kind == "ping" {
            all.compare_pings(&theirs, &ours, &mut comparison);
        } else {
            all.compare_kind(&theirs, &ours, &mut comparison);
        }
    }
    comparison
}

impl All<'_> {
    fn compare_kind(&self, theirs: &[&RecordedRequest], ours: &[&RecordedRequest], comparison: &mut Comparison) {
        let (mut i, mut j) = (0, 0);
        while i < theirs.len() || j < ours.len() {
            let (their, our) = (theirs.get(i).copied(), ours.get(j).copied());
            let why = match (their, our) {
                (Some(their), Some(our)) if their == our => {
                    comparison.same += 1;
                    (i, j) = (i + 1, j + 1);
                    continue;
                }
                (Some(their), Some(our)) if let Some(why) = self.pair(their, our) => {
                    (i, j) = (i + 1, j + 1);
                    why
                }
                (Some(their), _) if let Some(why) = self.only_theirs(their) => {
                    i += 1;
                    why
                }
                (_, Some(our)) if let Some(why) = self.only_ours(our) => {
                    j += 1;
                    why
                }
                _ => {
                    comparison.unexplained.push(differ(their, our));
                    (i, j) = (i + 1, j + 1);
                    continue;
                }
            };
            *comparison.reasons.entry(why).or_default() += 1;
        }
    }

    /// Of pings there may be any number, but not none, and each is one.
    fn compare_pings(&self, theirs: &[&RecordedRequest], ours: &[&RecordedRequest], comparison: &mut Comparison) {
        let is_ping = |request: &&&RecordedRequest| {
            let fields = request.fields();
            let [("octoprint_uptime", uptime), ("printer_state", state)] = fields[..] else { return false };
            self.is_get(request)
                && !uptime.is_empty()
                && uptime.bytes().all(|byte| byte.is_ascii_digit())
                && !state.is_empty()
                && state.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        let odd = theirs.iter().chain(ours).filter(|request| !is_ping(request));
        comparison.unexplained.extend(odd.map(|request| format!("no ping: {request}")));
        if theirs.is_empty() || ours.is_empty() {
            comparison.unexplained.push(differ(theirs.first().copied(), ours.first().copied()));
        } else {
            comparison.reasons.insert(Why::Pings, 1);
        }
    }

    /// Why this one of ours may differ from theirs.
    fn pair(&self, their: &RecordedRequest, our: &RecordedRequest) -> Option<Why> {
        let rest_is_same = |name: &str| {
            let bare = |request: &RecordedRequest| RecordedRequest {
                query: String::new(),
                body: String::new(),
                ..request.clone()
            };
            bare(their) == bare(our) && without(their, name) == without(our, name)
        };
        let in_order =
            their.fields().into_iter().map(|(name, _)| name).eq(our.fields().into_iter().map(|(name, _)| name));
        match their.kind() {
            "pong" if rest_is_same("achievements") => {
                let (their, our) = (their.value("achievements")?, our.value("achievements")?);
                let same = in_order && self.seconds(&their)? == self.seconds(&our)?;
                let set = |list: &str| list.split(',').map(String::from).collect::<BTreeSet<_>>();
                (same && set(&their) == set(&our)).then_some(Why::UnlockedInOneSecond)
            }
            "enable_plugin" | "disable_plugin" | "install_plugin" | "uninstall_plugin"
                if rest_is_same("plugin_version") =>
            {
                let none = their.value("plugin_version").as_deref() == Some("None");
                let entry = format!("{}:?", their.value("plugin")?);
                let listed = in_pong(self.theirs, "plugins", &entry);
                (none && listed && our.value("plugin_version").is_none()).then_some(Why::Null)
            }
            _ => None,
        }
    }

    /// Whether it is a GET to where OctoPrint's go, from somebody who calls himself as it does.
    fn is_get(&self, request: &RecordedRequest) -> bool {
        let to = |request: &RecordedRequest| {
            request.path.trim_end_matches('/').rsplit_once('/').map(|(to, _)| to.to_string())
        };
        let same = |their: &RecordedRequest| to(their) == to(request) && their.user_agent == request.user_agent;
        request.method == "GET"
            && request.body.is_empty()
            && request.path.ends_with('/')
            && self.theirs.first().is_some_and(same)
    }

    /// When the achievements of a list were unlocked, in its order.
    fn seconds(&self, list: &str) -> Option<Vec<i64>> {
        list.split(',').map(|one| self.unlocked.get(one).copied()).collect()
    }

    /// Why one of theirs may be missing from ours.
    fn only_theirs(&self, their: &RecordedRequest) -> Option<Why> {
        match their.kind() {
            "webui_load" => Some(Why::WebPage),
            "achievement_unlocked" => {
                // Of what both can hear, nothing had happened yet.
                let start = [their.kind(), "ping", "pong", "startup"];
                let mut before = self.theirs.iter().take_while(|before| !std::ptr::eq(*before, their));
                let first = before.all(|before| start.contains(&before.kind()));
                let told = in_pong(self.ours, "achievements", &their.value("achievement")?);
                (first && told).then_some(Why::UnlockedBeforeWeCame)
            }
            _ => None,
        }
    }

    /// Why one of ours may have none of theirs beside it.
    fn only_ours(&self, our: &RecordedRequest) -> Option<Why> {
        let count = |kind: &str| self.ours.iter().filter(|request| request.kind() == kind).count();
        let right = our.kind() == "shutdown" && self.is_get(our) && our.query.is_empty();
        // One for each run of the server but the last.
        (right && count("shutdown") < count("startup")).then_some(Why::ShutdownIsSent)
    }
}

/// Whether a pong has this in one of its lists.
fn in_pong(requests: &[RecordedRequest], list: &str, entry: &str) -> bool {
    let pongs = requests.iter().filter(|request| request.kind() == "pong");
    pongs.filter_map(|pong| pong.value(list)).any(|list| list.split(',').any(|one| one == entry))
}

fn without<'a>(request: &'a RecordedRequest, leave_out: &str) -> Vec<(&'a str, &'a str)> {
    request.fields().into_iter().filter(|(name, _)| *name != leave_out).collect()
}

fn differ(their: Option<&RecordedRequest>, our: Option<&RecordedRequest>) -> String {
    let text = |request: Option<&RecordedRequest>| request.map_or_else(|| "nothing".into(), ToString::to_string);
    format!("OctoPrint: {}\nhere:      {}", text(their), text(our))
}
