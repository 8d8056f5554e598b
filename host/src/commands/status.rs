//! `status`: whether anything is sent, which rule decides, and what was sent so far.

use super::{connections, which};
use anyhow::Result;
use glassbox::attest::{self, Vouching};
use glassbox::grants::{self, Standing};
use glassbox::home::Home;
use glassbox::journal::{Entry, Reader, What, visible};
use glassbox::octoprint::config::ALL;
use glassbox::settings::Stored;
use glassbox::site::label;
use glassbox_sandbox::{Consent, consent, digest, examine};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// Say whether anything is sent.
pub fn status(home: &Home, octoprint: Option<&str>) -> Result<()> {
    home.must_exist()?;
    let octoprints = which::chosen(home, octoprint.or(Some(ALL)))?;
    let mut out = std::io::stdout().lock();
    let running = if home.is_running() { " (a host runs with it)" } else { "" };
    writeln!(out, "home {}{running}", home.root().display())?;
    if let Some(left) = which::left_behind(home, &which::all(home)?) {
        writeln!(out, "note: {left}")?;
    }
    let so_far = so_far(home)?;
    for name in home.plugin_names()? {
        for one in &octoprints {
            let label = label(one.name.as_deref(), &visible(&name));
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

/// Whether the user has switched a plugin on.
pub fn is_on(home: &Home, name: &str) -> bool {
    matches!(home.settings(name), Ok(Stored::Good(settings)) if settings.enabled())
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
    last: Option<Entry>,
}

/// By OctoPrint and plugin.
fn so_far(home: &Home) -> Result<BTreeMap<(Option<String>, String), SoFar>> {
    let mut found: BTreeMap<_, SoFar> = BTreeMap::new();
    Reader::new(home.journal()).read(|line| {
        // What is no entry is 'log --verify''s affair.
        let Ok(entry) = serde_json::from_slice::<Entry>(line) else { return Ok(()) };
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
                "    in the journal: {sent} sent, {failed} failed, {dropped} dropped, {blocked} blocked (glassbox log --plugin {name}{option})"
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

/// How a plugin stands with its grant, if it can be loaded; inside, if the grant can be read.
pub fn standing(home: &Home, name: &str, bytes: &[u8]) -> Result<Result<Standing>, glassbox_sandbox::Error> {
    let asked = examine(name, bytes)?;
    Ok(grants::read(home, name).map(|granted| grants::standing(asked.manifest(), granted.as_ref())))
}

/// How a component stands with who must vouch for it.
pub fn vouching(home: &Home, name: &str, bytes: &[u8]) -> Result<Vouching> {
    Ok(attest::standing(home, home.config()?.policy.as_ref(), name, &digest(bytes)))
}

/// Whether a plugin sends anything, and which rule decides. `option`: what a command needs to be about
/// this OctoPrint.
pub fn verdict(home: &Home, name: &str, option: &str) -> String {
    let bytes = match home.read_plugin(name) {
        Ok(bytes) => bytes,
        Err(error) => return format!("nothing is sent: {error}"),
    };
    match vouching(home, name, &bytes) {
        Err(error) => return format!("nothing is sent: {error:#}"),
        // A version that is running already may run on.
        Ok(vouching) => {
            if let Some(advice) = vouching.advice(name) {
                return advice;
            }
        }
    }
    match standing(home, name, &bytes) {
        Err(error) => return format!("nothing is sent: {error}"),
        Ok(Err(error)) => return format!("nothing is sent: {error:#}"),
        Ok(Ok(standing)) => {
            // One that asks for more may run on in the version before.
            let nothing = if standing == Standing::Waiting { "nothing is sent: " } else { "" };
            if let Some(advice) = standing.advice(name) {
                return format!("{nothing}{advice}");
            }
        }
    }
    let consent = match home.settings(name) {
        Ok(Stored::Good(settings)) => Consent::decide(&settings, consent::process_veto()),
        Ok(Stored::Missing) => Consent::Undecided,
        Ok(Stored::Damaged(reason)) => {
            let file = home.settings_file(name);
            return format!(
                "nothing is sent: the settings file {} is damaged: {reason} (mend it, or glassbox opt-in {name}{option} to begin anew)",
                file.display()
            );
        }
        Err(error) => return format!("nothing is sent: {error:#}"),
    };
    match consent {
        Consent::Given => format!("reports are sent while the host runs: {consent}"),
        Consent::Variable(_) => format!("nothing is sent: {consent} here"),
        Consent::Refused | Consent::Undecided => format!("nothing is sent: {consent} (glassbox opt-in {name}{option})"),
    }
}
