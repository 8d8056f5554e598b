//! The manifest, enforced: cuts payloads down to what a component may see, and checks every
//! request against what it may say.

use crate::gate::{Request, check_template};
use crate::manifest::{Field, HardwareField, Manifest, Rule, Says, is_name};
use crate::{Settings, capabilities::Machine, limits};
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A manifest's rules, compiled.
#[derive(Debug)]
pub struct Policy {
    manifest: Manifest,
    user_agent: Regex,
    /// Which fields of which event are left in.
    sees: HashMap<String, Sight>,
    says: Vec<Said>,
}

/// What is left in of a payload: a tree of field names.
#[derive(Debug, Default)]
struct Sight(HashMap<String, Sight>);

#[derive(Debug)]
struct Said {
    /// The request's name up to its variable, or all of it.
    prefix: String,
    variable: Option<(Check, String)>,
    rules: Says,
    checks: Vec<Check>,
}

#[derive(Debug)]
struct Check {
    rule: Rule,
    pattern: Option<Regex>,
}

impl Policy {
    /// Compile a manifest's rules.
    ///
    /// # Errors
    /// Every rule that cannot be used, and why.
    pub fn new(manifest: Manifest) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        if !is_name(&manifest.plugin.name) {
            wrong.push("the plugin's name must have 1 to 64 lower-case letters, digits and '-'".into());
        }
        // What is hidden or steers a terminal is escaped here, as are quotes and backslashes.
        let shown = format!("{manifest:?}").replace("\\\\", "").replace("\\\"", "");
        if let Some(at) = shown.find('\\') {
            let hidden: String = shown[at..].chars().take(20).collect();
            wrong.push(format!("a text has characters that nobody sees: {hidden}"));
        }
        wrong.extend(manifest.capabilities.http.as_ref().and_then(|http| check_template(&http.url).err()));
        let rules = manifest.says.iter().flat_map(|says| says.fields.iter().map(|f| &f.rule).chain(&says.variable));
        if rules.filter(|rule| rule.pattern.is_some()).count() > limits::PATTERNS {
            // Before any is compiled.
            return Err(vec![format!("it has more than {} patterns", limits::PATTERNS)]);
        }
        let mut patterns = Patterns::default();
        let user_agent = patterns.get(&manifest.capabilities.user_agent);
        let user_agent = user_agent.map_err(|reason| wrong.push(format!("user_agent: {reason}"))).ok();
        let mut sees = HashMap::new();
        for seen in &manifest.sees {
            let mut sight = Sight::default();
            if seen.fields.iter().any(|path| path.split('.').count() > limits::PATH) {
                wrong.push(format!("event {}: a path has more than {} names", seen.event, limits::PATH));
            }
            seen.fields.iter().for_each(|path| sight.add(path));
            if sees.insert(seen.event.clone(), sight).is_some() {
                wrong.push(format!("the event {} is listed twice", seen.event));
            }
        }
        for (i, says) in manifest.says.iter().enumerate() {
            if manifest.says[..i].iter().any(|other| other.request == says.request) {
                wrong.push(format!("the request {} is listed twice", says.request));
            }
        }
        let says = manifest.says.iter().map(|says| Said::new(says, &mut patterns, &mut wrong)).collect();
        match user_agent {
            Some(user_agent) if wrong.is_empty() => Ok(Self { user_agent, sees, says, manifest }),
            _ => Err(wrong),
        }
    }

    /// An id that a component made is like a UUID: no path of its own, no place for much else.
    pub(crate) fn check_made_id(&self, before: &Settings, after: &Settings) -> Result<(), String> {
        let Some(http) = &self.manifest.capabilities.http else { return Ok(()) };
        let made = after.get(&http.id_setting).filter(|id| before.get(&http.id_setting) != Some(id));
        let plain = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let fits = |id: &Value| id.as_str().is_some_and(|id| (1..=limits::ID).contains(&id.len()) && plain(id));
        if made.is_none_or(fits) {
            return Ok(());
        }
        Err(format!("{} must be 1 to {} letters, digits and '-'", http.id_setting, limits::ID))
    }

    /// Settings that are the user's alone, by their first name.
    pub(crate) fn reserved(&self) -> impl Iterator<Item = &str> {
        let Manifest { capabilities, says, .. } = &self.manifest;
        let switches =
            says.iter().flat_map(|says| says.switch.iter().chain(says.fields.iter().flat_map(|f| &f.switch)));
        let server = capabilities.http.iter().flat_map(|http| &http.url_setting);
        server.chain(switches).filter_map(|path| path.split('.').next())
    }

    /// The manifest as it was written.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether this event reaches the component at all.
    #[must_use]
    pub fn sees(&self, event: &str) -> bool {
        self.sees.contains_key(event)
    }

    /// The payload as the component may see it, as JSON text; none if it does not see the event.
    ///
    /// # Errors
    /// When the payload is not JSON, or too large or too deep.
    pub fn cut(&self, event: &str, payload: &str) -> Result<Option<String>, String> {
        let Some(sight) = self.sees.get(event) else { return Ok(None) };
        let payload: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
        let cut = match payload {
            Value::Object(object) => Value::Object(sight.cut(object)).to_string(),
            // No OctoPrint sends anything but an object or null; a bare value has no listed field.
            _ => "null".into(),
        };
        if cut.len() > limits::PAYLOAD {
            return Err(format!("the payload has {} bytes; at most {} are handed on", cut.len(), limits::PAYLOAD));
        }
        Ok(Some(cut))
    }

    /// The machine with all blanked that the manifest does not list.
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
    /// Why it may not leave. Values are not repeated: they may be what must not leave.
    pub(crate) fn check(&self, request: &Request) -> Result<(), String> {
        if request.name.len() > limits::NAME || request.user_agent.len() > limits::NAME {
            return Err("its name or user agent is too long".into());
        }
        let plain = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !plain(&request.name) || !plain(&request.user_agent) {
            return Err("its name or user agent has characters that may not be there".into());
        }
        if request.name.bytes().all(|byte| byte == b'.') {
            return Err("its name would be a step in the server's path".into());
        }
        if request.fields.len() > limits::FIELDS {
            return Err("it has too many fields".into());
        }
        if request.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > limits::REQUEST {
            return Err("it is too large".into());
        }
        let said = self.said(&request.name).ok_or("the manifest does not declare this request")?;
        if request.method != said.rules.method {
            return Err(format!("it must be a {}", said.rules.method));
        }
        if !self.user_agent.is_match(&request.user_agent) {
            return Err("its user agent does not fit".into());
        }
        said.check(&request.fields)
    }

    /// Whether a request of this name is declared at all.
    #[must_use]
    pub fn declares(&self, request: &str) -> bool {
        self.said(request).is_some()
    }

    /// The setting, if any, that turns this request, or a field of it, off.
    pub(crate) fn switched_off(&self, request: &Request, settings: &Settings) -> Option<String> {
        let said = self.said(&request.name)?;
        let sent = |field: &&Field| request.fields.iter().any(|(name, _)| *name == field.name);
        let fields = said.rules.fields.iter().filter(sent).filter_map(|field| field.switch.as_ref());
        said.rules.switch.iter().chain(fields).find(|switch| !settings.switch(switch)).cloned()
    }

    fn said(&self, name: &str) -> Option<&Said> {
        // A name that is declared as it is wins, wherever a name with a variable stands.
        let exact = self.says.iter().find(|said| said.variable.is_none() && said.is_for(name));
        exact.or_else(|| self.says.iter().find(|said| said.is_for(name)))
    }
}

impl Sight {
    fn add(&mut self, path: &str) {
        let mut sight = self;
        // Deeper ones are refused; here they only must not be built.
        for key in path.split('.').take(limits::PATH) {
            sight = sight.0.entry(key.into()).or_default();
        }
    }

    /// What is listed stays; of that, what may not pass stays as null, "not known".
    fn cut(&self, object: Map<String, Value>) -> Map<String, Value> {
        let listed = object.into_iter().filter_map(|(key, value)| Some((self.0.get(&key)?, key, value)));
        listed.map(|(sight, key, value)| (key, sight.pass(value))).collect()
    }

    fn pass(&self, value: Value) -> Value {
        let leaf = self.0.is_empty();
        let scalar = |value: &Value| !value.is_object() && !value.is_array();
        match value {
            Value::Object(object) if !leaf => Value::Object(self.cut(object)),
            Value::Array(list) if leaf && list.iter().all(scalar) => Value::Array(list),
            Value::Array(list) if !leaf && list.iter().all(Value::is_object) => {
                Value::Array(list.into_iter().map(|value| self.pass(value)).collect())
            }
            value if leaf && scalar(&value) => value,
            _ => Value::Null,
        }
    }
}

impl Said {
    fn new(rules: &Says, patterns: &mut Patterns, wrong: &mut Vec<String>) -> Self {
        let name = &rules.request;
        let mut fail = |reason: String| wrong.push(format!("request {name}: {reason}"));
        let (prefix, rest) = name.split_once('{').map_or((name.as_str(), None), |(prefix, rest)| (prefix, Some(rest)));
        let variable = match (rest.map(|rest| rest.split_once('}')), &rules.variable) {
            (None, None) => None,
            (Some(Some((_, suffix))), Some(rule)) => {
                Check::new(rule, patterns).map_err(&mut fail).ok().map(|check| (check, suffix.into()))
            }
            _ => {
                fail("a name with a variable in '{' and '}' needs a rule for it, and only such a name".into());
                None
            }
        };
        let mut checks = Vec::new();
        for (i, field) in rules.fields.iter().enumerate() {
            if rules.fields[..i].iter().any(|other| other.name == field.name) {
                fail(format!("the field {} is listed twice", field.name));
            }
            let check = Check::new(&field.rule, patterns);
            checks.extend(check.map_err(|reason| fail(format!("field {}: {reason}", field.name))));
        }
        Self { prefix: prefix.into(), variable, rules: rules.clone(), checks }
    }

    fn is_for(&self, name: &str) -> bool {
        match &self.variable {
            None => name == self.prefix,
            Some((check, suffix)) => name
                .strip_prefix(self.prefix.as_str())
                .and_then(|rest| rest.strip_suffix(suffix.as_str()))
                .is_some_and(|value| check.fits(value)),
        }
    }

    /// Fields must come in the declared order, each at most once: both could carry a message.
    fn check(&self, fields: &[(String, String)]) -> Result<(), String> {
        let mut positions = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let found = self.rules.fields.iter().position(|field| field.name == *name);
            let at = found.ok_or("it has a field that the manifest does not declare")?;
            if positions.last().is_some_and(|last| at <= *last) {
                return Err(format!("the field {name} is repeated or out of order"));
            }
            if !self.checks[at].fits(value) {
                return Err(format!("the value of {name} does not fit its rule"));
            }
            positions.push(at);
        }
        let mut required = self.rules.fields.iter().enumerate().filter(|(_, field)| !field.optional);
        match required.find(|(at, _)| !positions.contains(at)) {
            Some((_, field)) => Err(format!("the field {} is missing", field.name)),
            None => Ok(()),
        }
    }
}

impl Check {
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

/// Patterns that were compiled: a manifest repeats a few of them over and over.
#[derive(Default)]
struct Patterns(HashMap<String, Regex>);

impl Patterns {
    /// A pattern for the whole value; matching takes time in proportion to the value's length.
    fn get(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        if text.len() > limits::PATTERN_TEXT {
            return Err(format!("a pattern has {} bytes; at most {} are read", text.len(), limits::PATTERN_TEXT));
        }
        let build =
            |text: &str| RegexBuilder::new(text).size_limit(limits::PATTERN).dfa_size_limit(limits::PATTERN).build();
        // With a parenthesis too many it would be another pattern within ours.
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
        Policy::new(Manifest::parse(text).unwrap()).map(|_| ()).unwrap_err().join("\n")
    }

    #[test]
    fn a_pattern_is_one_by_itself() {
        assert!(Policy::new(Manifest::parse(BASE).unwrap()).is_ok());
        // Between parentheses of ours it would be two: a text that begins with digits, or one that ends so.
        let found = wrong(&BASE.replace("[0-9]+", "[0-9]+)|(?:[0-9]+"));
        assert!(found.contains("field f: the pattern \"[0-9]+)|(?:[0-9]+\" cannot be used"), "{found}");
    }

    #[test]
    fn no_pattern_takes_half_a_gigabyte() {
        let found = wrong(&BASE.replace("[0-9]+", &r"\\W".repeat(20_000)));
        assert!(found.contains("a pattern has 40000 bytes; at most 500 are read"), "{found}");
    }

    #[test]
    fn what_is_listed_twice_is_wrong() {
        let (_, says) = BASE.split_once("[[says]]").unwrap();
        assert_eq!(wrong(&format!("{BASE}[[says]]{says}")), "the request r is listed twice");
    }
}
