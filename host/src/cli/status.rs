//! `status`: whether anything is sent, which rule decides, and what was sent so far.

use anyhow::Result;
use glassbox::home::Home;
use glassbox::home::config::octoprint::ALL;
use glassbox::operations::status::verdict;
use glassbox::operations::{connections, octoprints};
use glassbox::plugins::context::label;
use glassbox_journal::{JournalEntry, Reader, What};
use glassbox_util::text::printable;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// Say whether anything is sent.
pub fn status(home: &Home, octoprint: Option<&str>) -> Result<()> {
    home.must_exist()?;
    let octoprints = octoprints::chosen(home, octoprint.or(Some(ALL)))?;
    let mut out = std::io::stdout().lock();
    let running = if home.is_running() { " (a host runs with it)" } else { "" };
    writeln!(out, "home {}{running}", home.root().display())?;
    if let Some(left) = octoprints::left_behind(home, &octoprints::all(home)?) {
        writeln!(out, "note: {left}")?;
    }
    let so_far = so_far(home)?;
    for name in home.plugin_names()? {
        for one in &octoprints {
            let label = label(one.name.as_deref(), &printable(&name, usize::MAX));
            writeln!(out, "{label}: {}", verdict(&one.home, &name, &one.option()))?;
            if let Some(so_far) = so_far.get(&(one.name.clone(), name.clone())) {
                so_far.write(&one.option(), &name, &mut out)?;
            }
        }
        // What concerns all of them.
        if octoprints.iter().all(|one| one.name.is_some())
            && let Some(so_far) = so_far.get(&(None, name.clone()))
        {
            so_far.write("", &name, &mut out)?;
        }
    }
    connections::write(home, octoprint, &octoprints, &mut out)
}

/// What becomes of a plugin itself; the last one tells how it is.
const TURNS: [What; 8] = [
    What::Loaded,
    What::Refused,
    What::Waiting,
    What::Revoked,
    What::Removed,
    What::Restarted,
    What::RolledBack,
    What::Quarantined,
];

/// What the journal says of a plugin.
#[derive(Default)]
struct SoFar {
    counts: HashMap<What, u64>,
    /// The last thing that became of the plugin itself.
    last: Option<JournalEntry>,
}

/// By OctoPrint and plugin.
fn so_far(home: &Home) -> Result<BTreeMap<(Option<String>, String), SoFar>> {
    let mut found: BTreeMap<_, SoFar> = BTreeMap::new();
    Reader::new(home.journal()).read(|line| {
        // What is not an entry is 'journal --verify''s affair.
        let Ok(entry) = serde_json::from_slice::<JournalEntry>(line) else { return Ok(()) };
        let so_far = found.entry((entry.octoprint.clone(), entry.plugin.clone())).or_default();
        *so_far.counts.entry(entry.what).or_default() += entry.count.unwrap_or(1);
        if TURNS.contains(&entry.what) {
            so_far.last = Some(entry);
        }
        Ok(())
    })?;
    Ok(found)
}

impl SoFar {
    fn write(&self, option: &str, name: &str, out: &mut impl Write) -> Result<()> {
        let count = |what| self.counts.get(&what).copied().unwrap_or_default();
        let (sent, failed, dropped) = (count(What::Sent), count(What::Failed), count(What::Dropped));
        if sent + failed + dropped + count(What::Blocked) > 0 {
            let blocked = count(What::Blocked);
            writeln!(
                out,
                "    in the journal: {sent} sent, {failed} failed, {dropped} dropped, {blocked} blocked (glassbox journal --plugin {name}{option})"
            )?;
        }
        let bad = [What::Quarantined, What::RolledBack, What::Refused, What::Restarted];
        if let Some(last) = self.last.as_ref().filter(|last| bad.contains(&last.what)) {
            let what = serde_json::to_value(last.what)?;
            let reason = last.reason.as_deref().unwrap_or_default();
            writeln!(out, "    {}: {reason}", what.as_str().unwrap_or_default())?;
        }
        Ok(())
    }
}
