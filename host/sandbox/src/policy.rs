//! The manifest, enforced: what a component is shown (how it enters is in `border.rs`), and a check of every request
//! against what it may say. `gate.rs` asks for that check, and applies consent, switches and the server's URL.

use crate::border::Border;
use crate::gate::{Request, check_template};
use crate::manifest::{Field, HardwareField, Manifest, Rule, Says, SeenField, is_name};
use crate::{Settings, capabilities::Machine, limits};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::collections::HashMap;

/// A manifest whose rules can be used, compiled.
///
/// ```
/// use glassbox_sandbox::{Manifest, Policy};
///
/// let manifest = "plugin.name = \"hours\"\n[[sees]]\nevent = \"PrintDone\"\nfields = [\"time\"]";
/// let policy = Policy::new(Manifest::parse(manifest)?)?;
///
/// let payload = r#"{"name": "secret.gcode", "time": 12.5}"#;
/// assert_eq!(policy.enter("PrintDone", payload, "")?.as_deref(), Some(r#"{"time":12.5}"#));
/// assert_eq!(policy.enter("PrintFailed", payload, "")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Policy {
    manifest: Manifest,
    user_agent: Regex,
    /// What of which event enters.
    sees: HashMap<String, Border>,
    says: Vec<RequestRules>,
}

/// Every rule of a manifest that cannot be used, and why, in words for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct UnusableRules(pub Vec<String>);

/// Why an event cannot be handed to a component.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The payload is not JSON, or is nested too deeply.
    #[error(transparent)]
    NotJson(#[from] serde_json::Error),
    /// What the component may see of it has this many bytes, which are too many.
    #[error("the payload has {0} bytes; the limit is {limit}", limit = limits::PAYLOAD)]
    TooLarge(usize),
}

/// The rules for one kind of request.
#[derive(Debug)]
struct RequestRules {
    /// The request's name up to its variable, or all of it.
    prefix: String,
    /// The rule for the variable, and the rest of the name.
    variable: Option<(CompiledRule, String)>,
    declared: Says,
    /// One for each declared field.
    values: Vec<CompiledRule>,
}

/// The rule for a value.
#[derive(Debug)]
struct CompiledRule {
    rule: Rule,
    pattern: Option<Regex>,
}

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
        let rules = manifest.says.iter().flat_map(|says| says.fields.iter().map(|f| &f.rule).chain(&says.variable));
        if rules.filter(|rule| rule.pattern.is_some()).count() > limits::PATTERNS {
            // Before any is compiled, which takes memory.
            return Err(UnusableRules(vec![format!("it has more than {} patterns", limits::PATTERNS)]));
        }
        let secret =
            manifest.capabilities.http.iter().flat_map(|http| http.url_setting.iter().chain([&http.id_setting]));
        // Of a path the first key is what would be shown.
        let secret = secret.filter_map(|path| path.split('.').next());
        let secret = secret.filter(|key| manifest.settings.shows.iter().any(|shown| shown == key));
        wrong.extend(secret.map(|key| format!("settings: {key} cannot be shown, as it is the host's alone")));
        let mut patterns = Patterns::default();
        let user_agent = patterns.get(&manifest.capabilities.user_agent);
        let user_agent = user_agent.map_err(|reason| wrong.push(format!("user_agent: {reason}"))).ok();
        let mut sees = HashMap::new();
        for seen in &manifest.sees {
            for (i, SeenField { name, .. }) in seen.fields.iter().enumerate() {
                if name.split('.').count() > limits::PATH {
                    wrong.push(format!("event {}: a path has more than {} names", seen.event, limits::PATH));
                }
                let within =
                    |other: &str| other.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                if seen.fields.iter().enumerate().any(|(j, other)| i != j && within(&other.name)) {
                    wrong.push(format!("event {}: the field {name} is listed twice", seen.event));
                }
            }
            if sees.insert(seen.event.clone(), Border::new(&seen.fields)).is_some() {
                wrong.push(format!("the event {} is listed twice", seen.event));
            }
        }
        for (i, says) in manifest.says.iter().enumerate() {
            if manifest.says[..i].iter().any(|other| other.request == says.request) {
                wrong.push(format!("the request {} is listed twice", says.request));
            }
        }
        let says = manifest.says.iter().map(|says| RequestRules::new(says, &mut patterns, &mut wrong)).collect();
        match user_agent {
            Some(user_agent) if wrong.is_empty() => Ok(Self { user_agent, sees, says, manifest }),
            _ => Err(UnusableRules(wrong)),
        }
    }

    /// The manifest as it was written.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether this event reaches the component.
    #[must_use]
    pub fn sees(&self, event: &str) -> bool {
        self.sees.contains_key(event)
    }

    /// Of a payload (JSON text), what enters, as JSON text; none if the component does not see the event. `salt` is what
    /// texts are hashed with; while it is empty, they enter as null.
    ///
    /// # Errors
    /// When the payload is not JSON or is nested too deeply, or what is left has more than [`limits::PAYLOAD`] bytes.
    pub fn enter(&self, event: &str, payload: &str, salt: &str) -> Result<Option<String>, PayloadError> {
        let Some(border) = self.sees.get(event) else { return Ok(None) };
        let payload: Value = serde_json::from_str(payload)?;
        let entered = match payload {
            Value::Object(object) => Value::Object(border.cut(object, salt)).to_string(),
            // OctoPrint sends an object or null; any other value has no fields that could be listed.
            _ => "null".into(),
        };
        if entered.len() > limits::PAYLOAD {
            return Err(PayloadError::TooLarge(entered.len()));
        }
        Ok(Some(entered))
    }

    /// Of a settings document, what the component is shown, as JSON text.
    #[must_use]
    pub fn show(&self, settings: &Settings) -> String {
        settings.only(&self.manifest.settings.shows).text()
    }

    /// The machine, without the fields that the manifest does not list.
    #[must_use]
    pub fn blank(&self, machine: Machine) -> Machine {
        let listed = |field| self.manifest.capabilities.hardware.contains(&field);
        Machine {
            os: machine.os.filter(|_| listed(HardwareField::Os)),
            platform: machine.platform.filter(|_| listed(HardwareField::Platform)),
            bits: machine.bits.filter(|_| listed(HardwareField::Bits)),
            cores: machine.cores.filter(|_| listed(HardwareField::Cores)),
            frequency_mhz: machine.frequency_mhz.filter(|_| listed(HardwareField::FrequencyMhz)),
            memory_bytes: machine.memory_bytes.filter(|_| listed(HardwareField::MemoryBytes)),
            pi_model: machine.pi_model.filter(|_| listed(HardwareField::PiModel)),
            octopi_version: machine.octopi_version.filter(|_| listed(HardwareField::OctopiVersion)),
            octopiuptodate_build: machine.octopiuptodate_build.filter(|_| listed(HardwareField::OctopiuptodateBuild)),
        }
    }

    /// Check a request against what the component may say.
    ///
    /// # Errors
    /// Why it may not be sent, in words for [`crate::Blocked`]. Values are not quoted: they may be just what must not
    /// leave the machine.
    pub(crate) fn check(&self, request: &Request) -> Result<(), String> {
        if request.name.len() > limits::NAME || request.user_agent.len() > limits::NAME {
            return Err("its name or user agent is too long".into());
        }
        let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !plain(&request.name) || !plain(&request.user_agent) {
            return Err("its name or user agent has characters that are not allowed".into());
        }
        if request.name.bytes().all(|byte| byte == b'.') {
            return Err("its name consists of dots, which a server would take for a step in its path".into());
        }
        if request.fields.len() > limits::FIELDS {
            return Err("it has too many fields".into());
        }
        if request.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > limits::REQUEST {
            return Err("it is too large".into());
        }
        let rules = self.rules(&request.name).ok_or("the manifest does not declare this request")?;
        if request.method != rules.declared.method {
            return Err(format!("its method must be {}", rules.declared.method));
        }
        if !self.user_agent.is_match(&request.user_agent) {
            return Err("its user agent does not match the manifest".into());
        }
        rules.check(&request.fields)
    }

    /// Whether the manifest declares a request of this name.
    #[must_use]
    pub fn declares(&self, request: &str) -> bool {
        self.rules(request).is_some()
    }

    /// The setting, if any, that turns off this request or a field in it.
    pub(crate) fn switched_off(&self, request: &Request, settings: &Settings) -> Option<String> {
        let Says { switch, fields, .. } = &self.rules(&request.name)?.declared;
        let sent = |field: &&Field| request.fields.iter().any(|(name, _)| *name == field.name);
        let fields = fields.iter().filter(sent).filter_map(|field| field.switch.as_ref());
        switch.iter().chain(fields).find(|switch| !settings.switch(switch)).cloned()
    }

    fn rules(&self, name: &str) -> Option<&RequestRules> {
        // A name without a variable comes first, wherever in the manifest it is.
        let exact = self.says.iter().find(|rules| rules.variable.is_none() && rules.is_for(name));
        exact.or_else(|| self.says.iter().find(|rules| rules.is_for(name)))
    }
}

impl RequestRules {
    fn new(declared: &Says, patterns: &mut Patterns, wrong: &mut Vec<String>) -> Self {
        let name = &declared.request;
        let mut fail = |reason: String| wrong.push(format!("request {name}: {reason}"));
        let (prefix, rest) = name.split_once('{').map_or((name.as_str(), None), |(prefix, rest)| (prefix, Some(rest)));
        let variable = match (rest.map(|rest| rest.split_once('}')), &declared.variable) {
            (None, None) => None,
            (Some(Some((_, suffix))), Some(rule)) => {
                CompiledRule::new(rule, patterns).map_err(&mut fail).ok().map(|rule| (rule, suffix.into()))
            }
            _ => {
                fail("a name with a variable in '{' and '}' needs a rule for it, and only such a name".into());
                None
            }
        };
        let mut values = Vec::new();
        for (i, field) in declared.fields.iter().enumerate() {
            if declared.fields[..i].iter().any(|other| other.name == field.name) {
                fail(format!("the field {} is listed twice", field.name));
            }
            let rule = CompiledRule::new(&field.rule, patterns);
            values.extend(rule.map_err(|reason| fail(format!("field {}: {reason}", field.name))));
        }
        Self { prefix: prefix.into(), variable, declared: declared.clone(), values }
    }

    fn is_for(&self, name: &str) -> bool {
        match &self.variable {
            None => name == self.prefix,
            Some((rule, suffix)) => name
                .strip_prefix(self.prefix.as_str())
                .and_then(|rest| rest.strip_suffix(suffix.as_str()))
                .is_some_and(|value| rule.fits(value)),
        }
    }

    /// Fields must come in the declared order, each at most once: order and repetition could carry a message.
    fn check(&self, fields: &[(String, String)]) -> Result<(), String> {
        let mut positions = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let found = self.declared.fields.iter().position(|field| field.name == *name);
            let at = found.ok_or("it has a field that the manifest does not declare")?;
            if positions.last().is_some_and(|last| at <= *last) {
                return Err(format!("the field {name} is repeated or out of order"));
            }
            if !self.values[at].fits(value) {
                return Err(format!("the value of {name} does not fit its rule"));
            }
            positions.push(at);
        }
        let mut required = self.declared.fields.iter().enumerate().filter(|(_, field)| !field.optional);
        match required.find(|(at, _)| !positions.contains(at)) {
            Some((_, field)) => Err(format!("the field {} is missing", field.name)),
            None => Ok(()),
        }
    }
}

impl CompiledRule {
    fn new(rule: &Rule, patterns: &mut Patterns) -> Result<Self, String> {
        if rule.constant.is_none() && rule.one_of.is_none() && rule.pattern.is_none() && rule.max_length.is_none() {
            return Err("it needs const, enum, pattern or max_length".into());
        }
        Ok(Self { rule: rule.clone(), pattern: rule.pattern.as_deref().map(|text| patterns.get(text)).transpose()? })
    }

    fn fits(&self, value: &str) -> bool {
        let rule = &self.rule;
        let longest = rule.longest();
        rule.constant.as_ref().is_none_or(|constant| constant == value)
            && rule.one_of.as_ref().is_none_or(|values| values.iter().any(|one| one == value))
            && (value.len() <= longest || value.chars().count() <= longest)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(value))
    }
}

/// The patterns compiled so far: a manifest repeats a few of them over and over.
#[derive(Default)]
struct Patterns(HashMap<String, Regex>);

impl Patterns {
    /// Compile a pattern that the whole value must match; matching takes time in proportion to the value's length.
    fn get(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        if text.len() > limits::PATTERN_TEXT {
            return Err(format!("a pattern has {} bytes; the limit is {}", text.len(), limits::PATTERN_TEXT));
        }
        let build =
            |text: &str| RegexBuilder::new(text).size_limit(limits::PATTERN).dfa_size_limit(limits::PATTERN).build();
        // It must be valid alone: with an unbalanced parenthesis it would be another pattern inside ours.
        let alone = if text.contains(['(', ')']) { build(text).map(drop) } else { Ok(()) };
        let pattern = alone.and_then(|()| build(&format!(r"\A(?:{text})\z")));
        let pattern = pattern.map_err(|error| format!("the pattern {text:?} cannot be used: {error}"))?;
        self.0.insert(text.into(), pattern.clone());
        Ok(pattern)
    }
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
