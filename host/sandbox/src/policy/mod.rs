//! The manifest, enforced: what a component is shown (how it enters is in `border.rs`, for whose sake in `ties.rs`), and a
//! check of every request against what it may say (`rules.rs`, and `pins.rs` for those that the host makes itself).
//! `gate.rs` asks for that check, and applies consent, switches and the server's URL.

mod check;
mod shown;

pub(crate) use check::Refused;

use crate::border::{Border, is_word};
use crate::gate::check_template;
use crate::manifest::{Enters, Manifest, Says, is_name};
use crate::pins::{Agent, Source};
use crate::rules::{Patterns, RequestRules};
use crate::ties::{Doors, Ties};
use crate::{Settings, limits};
use shown::is_remembered;
use std::collections::HashMap;
use std::sync::Arc;

/// A manifest whose rules can be used, compiled.
///
/// ```
/// use glassbox_sandbox::{Manifest, Policy, Settings};
///
/// let manifest = "plugin.name = \"hours\"\n[[sees]]\nevent = \"PrintDone\"\nfields = [\"time\"]";
/// let policy = Policy::new(Manifest::parse(manifest)?)?;
///
/// let payload = r#"{"name": "secret.gcode", "time": 12.5}"#;
/// let entered = policy.enter("PrintDone", payload, "")?.unwrap();
/// assert_eq!(policy.shown("PrintDone", &entered, &policy.doors(&Settings::default())).as_deref(), Some(r#"{"time":12.5}"#));
/// assert_eq!(policy.enter("PrintFailed", payload, "")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Policy {
    manifest: Manifest,
    user_agent: Agent,
    /// The events under `sees`.
    pub(crate) sees: HashMap<String, Seen>,
    pub(crate) requests: Vec<RequestRules>,
    ties: Ties,
    pub(crate) growing: Vec<Growing>,
    /// The field that says which OctoPrint this is.
    pub(crate) version: Option<Source>,
}

/// An event that is seen.
#[derive(Debug)]
pub(crate) struct Seen {
    number: usize,
    /// What of it enters.
    pub(crate) border: Border,
    /// Whether a fresh instance is shown it again.
    remembered: bool,
}

/// A list of words that grows.
#[derive(Debug)]
pub(crate) struct Growing {
    /// The event that it is a field of.
    pub(crate) list: String,
    /// The name and form of that field.
    pub(crate) key: Arc<str>,
    /// The field of another event, whose values are appended.
    pub(crate) by: Source,
}

/// Every rule of a manifest that cannot be used, and why, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct UnusableRules(pub Vec<String>);

impl Policy {
    /// Compile a manifest's rules.
    ///
    /// # Errors
    /// Every rule that cannot be used: patterns that do not compile or are too large, what is listed twice, a URL
    /// that cannot be filled in, and so on.
    pub fn new(manifest: Manifest) -> Result<Self, UnusableRules> {
        let mut wrong = Vec::new();
        if !is_name(&manifest.plugin.name) {
            wrong.push("the plugin's name must be 1 to 64 lower-case letters, digits and '-'".into());
        }
        // Whoever consents must see what is there. `Debug` escapes invisible and control characters (and quotes and
        // backslashes, which are fine).
        let shown = format!("{manifest:?}").replace("\\\\", "").replace("\\\"", "");
        if let Some(at) = shown.find('\\') {
            let hidden: String = shown[at..].chars().take(20).collect();
            wrong.push(format!("a text has invisible characters: {hidden}"));
        }
        wrong.extend(manifest.capabilities.http.as_ref().and_then(|http| check_template(&http.url).err()));
        let rules = manifest.says.iter().flat_map(|says| says.fields.iter().map(|field| &field.rule));
        let names = manifest.says.iter().filter_map(|says| says.variable.as_ref()).map(|variable| &variable.rule);
        if rules.chain(names).filter(|rule| rule.pattern.is_some()).count() > limits::PATTERNS {
            // Before any is compiled, which takes memory.
            return Err(UnusableRules(vec![format!("it has more than {} patterns", limits::PATTERNS)]));
        }
        let seen = manifest.sees.iter().map(|sees| sees.fields.len());
        let mut listed = manifest.says.iter().map(|says| says.fields.len()).chain(seen);
        let most = listed.by_ref().chain([manifest.says.len(), manifest.sees.len()]).max().unwrap_or_default();
        if most > limits::LISTED || manifest.state.len() > limits::STATE {
            return Err(UnusableRules(vec![format!("it lists more than {} of a kind", limits::LISTED)]));
        }
        check_settings(&manifest, &mut wrong);
        let mut patterns = Patterns::default();
        let user_agent = Agent::new(&manifest.capabilities.user_agent, &manifest, &mut patterns);
        let user_agent = user_agent.map_err(|reason| wrong.push(format!("user_agent: {reason}"))).ok();
        let (mut sees, growing) = check_sees(&manifest, &mut wrong);
        for (i, says) in manifest.says.iter().enumerate() {
            let clash = |other: &Says| {
                let shares = says.on.iter().any(|cause| other.on.contains(cause));
                other.request == says.request && (shares || !says.is_pinned() || !other.is_pinned())
            };
            if manifest.says[..i].iter().any(clash) {
                wrong.push(format!("the request {} is listed twice", says.request));
            }
        }
        let requests: Vec<_> =
            manifest.says.iter().map(|says| RequestRules::new(says, &manifest, &mut patterns, &mut wrong)).collect();
        let (Some(user_agent), true) = (user_agent, wrong.is_empty()) else { return Err(UnusableRules(wrong)) };
        let ties = Ties::new(&manifest, &requests, &user_agent.value.from);
        let version = Source::parse("environment.octoprint.version", &manifest).ok();
        sees.iter_mut().for_each(|(event, seen)| seen.remembered = is_remembered(event, &manifest, &requests));
        Ok(Self { user_agent, sees, requests, ties, growing, version, manifest })
    }

    /// The manifest as it was written.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the host hears this event for the component. Whether it reaches it depends on the settings.
    pub fn sees(&self, event: &str) -> bool {
        self.sees.contains_key(event)
    }

    /// For whose sake what enters.
    pub fn ties(&self) -> &Ties {
        &self.ties
    }

    /// What enters while these settings are in force.
    pub fn doors(&self, settings: &Settings) -> Doors {
        self.ties.doors(&self.manifest, settings)
    }

    /// Of a settings document, what the component is shown, as JSON text.
    pub fn show(&self, settings: &Settings) -> String {
        settings.only(&self.manifest.settings.shows).text()
    }

    /// The name in the manifest of a request of this name, for example `commerror_{reason}`.
    pub fn declared_name<'a>(&'a self, request: &'a str) -> Option<&'a str> {
        self.candidates(request).next().map(|(_, rules)| rules.declared.request.as_str())
    }

    /// The rules for requests of this name: a whole name wins over one with a variable, and of those the first does.
    fn candidates<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (usize, &'a RequestRules)> {
        let is_for = |rules: &&RequestRules| rules.is_for(name);
        let exact = self.requests.iter().find(|rules| rules.variable.is_none() && is_for(rules));
        let found = exact.or_else(|| self.requests.iter().find(is_for)).map(|rules| rules.declared.request.as_str());
        let all = self.requests.iter().enumerate();
        all.filter(move |(_, rules)| found == Some(rules.declared.request.as_str()))
    }
}

/// What cannot be shown of the settings.
fn check_settings(manifest: &Manifest, wrong: &mut Vec<String>) {
    let http = &manifest.capabilities.http;
    let secret = http.iter().flat_map(|http| http.url_setting.iter().chain([&http.id_setting]));
    // Of a path the first key is what would be shown. These are what others call them, and nobody's business either.
    let secret = secret.filter_map(|path| path.split('.').next()).chain(ALWAYS_SECRET);
    let shown = manifest.settings.shows.iter().filter(|shown| secret.clone().any(|key| key == **shown));
    wrong.extend(shown.map(|key| format!("settings: {key} cannot be shown, as it is the host's alone")));
    // Another letter that looks the same, or a bracket, would make a switch of something that nobody can switch off.
    let rhythms = manifest.says.iter().filter_map(|says| says.every.as_ref()).map(|every| every.setting.as_str());
    let odd = manifest.switches().chain(rhythms).filter(|path| !is_word(path));
    wrong.extend(odd.map(|path| format!("settings: {path:?} is not a path of letters, digits, '_' and '-'")));
}

/// Keys of the settings that no component is shown, whether or not its manifest says what they are.
const ALWAYS_SECRET: [&str; 3] = ["unique_id", "server", "file_salt"];

/// The events that are seen, by name; and what grows.
fn check_sees(manifest: &Manifest, wrong: &mut Vec<String>) -> (HashMap<String, Seen>, Vec<Growing>) {
    let (mut events, mut growing) = (HashMap::new(), Vec::new());
    for (number, seen) in manifest.sees.iter().enumerate() {
        for (i, field) in seen.fields.iter().enumerate() {
            let name = &field.name;
            if name.split('.').count() > limits::PATH {
                wrong.push(format!("event {}: a path has more than {} names", seen.event, limits::PATH));
            }
            let within =
                |other: &str| other.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            if seen.fields.iter().enumerate().any(|(j, other)| i != j && within(&other.name)) {
                wrong.push(format!("event {}: the field {name} is listed twice", seen.event));
            }
            let Some(by) = &field.grows_by else { continue };
            match Source::parse(by, manifest) {
                Ok(by @ Source::Event { .. }) if field.enters == Some(Enters::Words) => {
                    growing.push(Growing { list: seen.event.clone(), key: field.to_string().into(), by });
                }
                _ => {
                    let only = "only words can, by a field under `sees`";
                    wrong.push(format!("event {}: {name} cannot grow by {by}: {only}", seen.event));
                }
            }
        }
        for request in seen.used_for.iter().filter(|name| !manifest.says.iter().any(|says| says.request == **name)) {
            wrong.push(format!("event {}: there is no request {request} that it could be for", seen.event));
        }
        let event = Seen { number, border: Border::new(&seen.fields), remembered: false };
        if events.insert(seen.event.clone(), event).is_some() {
            wrong.push(format!("the event {} is listed twice", seen.event));
        }
    }
    (events, growing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
        plugin.name = "p"
        capabilities.http = { url = "https://a.example/{id}/", id_setting = "id" }
        [[says]]
        request = "r"
        method = "GET"
        fields = [{ name = "f", pattern = "[0-9]+" }]
    "#;

    fn wrong(text: &str) -> String {
        Policy::new(Manifest::parse(text).unwrap()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_pattern_must_be_valid_by_itself() {
        assert!(Policy::new(Manifest::parse(BASE).unwrap()).is_ok());
        // Inside our parentheses it would be two patterns: a text that begins with digits, or one that ends with them.
        let found = wrong(&BASE.replace("[0-9]+", "[0-9]+)|(?:[0-9]+"));
        assert!(found.contains("field f: the pattern \"[0-9]+)|(?:[0-9]+\" cannot be used"), "{found}");
    }

    #[test]
    fn no_pattern_takes_half_a_gigabyte() {
        let found = wrong(&BASE.replace("[0-9]+", &r"\\W".repeat(20_000)));
        assert!(found.contains("a pattern has 40000 bytes; the limit is 500"), "{found}");
    }

    #[test]
    fn neither_id_nor_server_can_be_shown() {
        let http = r#"id_setting = "ids.mine", url_setting = "server""#;
        let base = BASE.replace(r#"id_setting = "id""#, http);
        for key in ["ids", "server"] {
            let found = wrong(&format!("settings.shows = [\"ping\", \"{key}\"]\n{base}"));
            assert_eq!(found, format!("settings: {key} cannot be shown, as it is the host's alone"));
        }
        let shows = format!("settings.shows = [\"ping\"]\n{base}");
        let policy = Policy::new(Manifest::parse(&shows).unwrap()).unwrap();
        let settings = Settings::parse(r#"{"ids": {"mine": "4711"}, "ping": 60, "server": "x"}"#).unwrap();
        assert_eq!(policy.show(&settings), "{\n  \"ping\": 60\n}");
    }

    #[test]
    fn a_switch_is_a_path_that_everybody_reads_alike() {
        // The second has a Cyrillic letter, and the third seems to be another one.
        for odd in ["", "events.\u{440}rintjob", "events.printjob=false] x", "events printjob"] {
            let request = BASE.replace("request = \"r\"", &format!("request = \"r\"\nswitch = {odd:?}"));
            let field = BASE.replace("pattern =", &format!("switch = {odd:?}, optional = true, pattern ="));
            let rhythm = format!("on = [\"tick\"]\nevery = {{ setting = {odd:?}, default = 9 }}\nmethod");
            for manifest in [request, field, BASE.replace("method", &rhythm)] {
                let found = wrong(&manifest.replace("\\u{440}", "\u{440}"));
                assert!(found.contains("is not a path of letters, digits, '_' and '-'"), "{odd}: {found}");
            }
        }
    }

    #[test]
    fn a_rhythm_is_all_that_a_report_with_it_is_due_by() {
        let every = |on| format!("{BASE}\non = {on}\nevery = {{ setting = \"ping\", default = 9 }}");
        let sees = "\n[[sees]]\nevent = \"E\"\nfields = []";
        assert!(Policy::new(Manifest::parse(&(every("[\"tick\"]") + sees)).unwrap()).is_ok());
        let found = wrong(&(every("[\"tick\", \"E\"]") + sees));
        assert!(found.contains("`every` needs `on = [\"tick\"]`, and no `once`"), "{found}");
    }

    #[test]
    fn what_is_listed_twice_is_wrong() {
        let (_, says) = BASE.split_once("[[says]]").unwrap();
        assert_eq!(wrong(&format!("{BASE}[[says]]{says}")), "the request r is listed twice");
        for fields in [r#""a", "a""#, r#""a", { name = "a", as = "words" }"#, r#"{ name = "a", as = "words" }, "a.b""#]
        {
            let found = wrong(&format!("{BASE}[[sees]]\nevent = \"E\"\nfields = [{fields}]"));
            assert!(found.contains("event E: the field a is listed twice"), "{found}");
        }
    }
}
