//! Whether a manifest asks for more than was granted, and for what, in plain words. A grant is a manifest as it was
//! accepted; where grants are kept is in `host/src/home/`. Reports are compared in `reports.rs`.
//!
//! What a component may do is enforced by the sandbox alone; whether a new version has to wait for a yes is decided by what
//! is found here.

mod reports;

use glassbox_describe::{agent_in_words, free, kept_in_words};
use glassbox_sandbox::manifest::{Kept, Rule, SeenField, Sees, UserAgent};
use glassbox_sandbox::{Manifest, Policy};
use std::borrow::Borrow;

/// Follows what a component makes from now on.
const MADE_BEFORE: &str = ": until now the host made it itself";

/// What can ask for more than was granted.
pub trait Exceeds {
    /// What this asks for beyond `granted`, each as words that follow "it asks to"; empty if it asks for no
    /// more. What cannot be compared, such as two patterns, counts as more, and so does whatever the host makes otherwise
    /// than it did: better to ask once too often.
    ///
    /// ```
    /// use glassbox_grant::Exceeds;
    /// use glassbox_sandbox::Manifest;
    ///
    /// let granted = Manifest::parse("plugin.name = \"hours\"")?;
    /// let new = Manifest::parse("plugin.name = \"hours\"\ncapabilities.throttle = true")?;
    /// assert_eq!(new.exceeds(&granted), ["see whether this machine is throttled"]);
    /// assert!(granted.exceeds(&new).is_empty());
    /// # Ok::<(), glassbox_sandbox::manifest::Malformed>(())
    /// ```
    fn exceeds(&self, granted: &Self) -> Vec<String>;
}

impl Exceeds for Manifest {
    fn exceeds(&self, granted: &Self) -> Vec<String> {
        let mut more = Vec::new();
        capabilities_beyond(self, granted, &mut more);
        for sees in &self.sees {
            match granted.sees.iter().find(|before| before.event == sees.event) {
                None => {
                    let always = if sees.control.is_some() { " whatever is switched off" } else { "" };
                    more.push(format!("see the event {} ({}){always}", sees.event, listed(&in_words(&sees.fields))));
                }
                Some(before) => sees_beyond(sees, before, &mut more),
            }
        }
        untied_beyond(self, granted, &mut more);
        reports::beyond(self, granted, &mut more);
        names_beyond(self, granted, &mut more);
        let shown = self.settings.shows.iter().filter(|key| !granted.settings.shows.contains(key));
        more.extend(shown.map(|key| format!("see the setting '{key}'")));
        for (name, kept) in &self.state {
            let less = match (kept, granted.state.get(name)) {
                (Kept::UpTo(most), Some(Kept::UpTo(before))) => most <= before,
                (kept, before) => before == Some(kept),
            };
            if !less {
                more.push(format!("keep {}", kept_in_words(name, *kept)));
            }
        }
        more
    }
}

/// What was seen only for the sake of a report, and is no longer named by any: it would enter always.
fn untied_beyond(asked: &Manifest, granted: &Manifest, more: &mut Vec<String>) {
    let untied = |manifest: &Manifest| Policy::new(manifest.clone()).map(|policy| free::untied(&policy));
    // Of rules that cannot be used nothing is known; a component with such a manifest is not loaded.
    let (now, before) = (untied(asked).unwrap_or_default(), untied(granted).unwrap_or_default());
    let was_seen = |name: &str| match name.split_once('.') {
        Some(("hardware", field)) => granted.capabilities.hardware.iter().any(|old| old.name() == field),
        None if name == "throttle" => granted.capabilities.throttle,
        _ => granted.sees.iter().any(|sees| {
            sees.event == name || sees.fields.iter().any(|field| format!("{}.{}", sees.event, field.name) == name)
        }),
    };
    let new = now.iter().filter(|name| !before.contains(name) && was_seen(name));
    more.extend(new.map(|name| format!("see {name} always: until now it entered for the sake of a report")));
}

/// A request goes by the first rules whose name matches, and names without a variable come first. So if a name is
/// gone, matches less, or is in another place, its requests may go by the rules of another.
fn names_beyond(asked: &Manifest, granted: &Manifest, more: &mut Vec<String>) {
    let (new, old) = (open_names(asked), open_names(granted));
    let is_left = |(name, rule)| !new.contains(&(name, rule)) && new.iter().any(|(other, _)| *other != name);
    let order = |these: &[(&str, _)], those: &[(&str, _)]| -> Vec<String> {
        let names = these.iter().map(|(name, _)| *name);
        names.filter(|name| those.iter().any(|(other, _)| other == name)).map(Into::into).collect()
    };
    if old.iter().copied().any(is_left) || order(&new, &old) != order(&old, &new) {
        let names: Vec<_> = new.iter().map(|(name, _)| *name).collect();
        more.push(format!("match names of reports differently ({})", names.join(", ")));
    }
    for says in granted.says.iter().filter(|says| says.variable.is_none()) {
        let gone = !asked.says.iter().any(|new| new.request == says.request);
        let fits = |open: &str| {
            let (start, rest) = open.split_once('{').unwrap_or((open, ""));
            let end = rest.split_once('}').map_or("", |(_, end)| end);
            says.request.starts_with(start) && says.request.ends_with(end)
        };
        if let Some((other, _)) = new.iter().find(|(open, _)| gone && fits(open)) {
            more.push(format!("report {} by the rules of {other}", says.request));
        }
    }
}

/// The names with a variable, and its rule.
fn open_names(manifest: &Manifest) -> Vec<(&str, &Rule)> {
    manifest.says.iter().filter_map(|says| Some((says.request.as_str(), &says.variable.as_ref()?.rule))).collect()
}

fn capabilities_beyond(asked: &Manifest, granted: &Manifest, more: &mut Vec<String>) {
    let (new, old) = (&asked.capabilities, &granted.capabilities);
    match (&new.http, &old.http) {
        (Some(http), None) => more.push(format!("send to {}", http.url)),
        (Some(http), Some(before)) => {
            if http.url != before.url {
                more.push(format!("send to {} instead of {}", http.url, before.url));
            }
            if http.id_setting != before.id_setting {
                more.push(format!("send the setting '{}' as its id", http.id_setting));
            }
            match (&http.url_setting, &before.url_setting) {
                (new, old) if new == old => {}
                (Some(setting), _) => more.push(format!("send to the server in the setting '{setting}'")),
                (None, Some(old)) => {
                    more.push(format!("send to {}, whatever server the setting '{old}' names", http.url));
                }
                (None, None) => {}
            }
        }
        (None, _) => {}
    }
    if new.user_agent != old.user_agent && new.http.is_some() {
        let pinned_before = old.http.is_some() && matches!(old.user_agent, UserAgent::Pinned(_));
        let made = if pinned_before && free::is_agent(&new.user_agent) { MADE_BEFORE } else { "" };
        more.push(format!("identify itself as {}{made}", agent_in_words(&new.user_agent)));
    }
    for field in new.hardware.iter().filter(|field| !old.hardware.contains(field)) {
        more.push(format!("also see this machine's {}", field.name()));
    }
    if new.throttle && !old.throttle {
        more.push("see whether this machine is throttled".into());
    }
}
fn sees_beyond(asked: &Sees, before: &Sees, more: &mut Vec<String>) {
    let event = &asked.event;
    if let Some(reason) = asked.control.as_ref().filter(|_| asked.control != before.control) {
        more.push(format!("see the event {event} whatever is switched off ({reason})"));
    }
    let new_for = asked.used_for.iter().filter(|request| !before.used_for.contains(request));
    more.extend(new_for.map(|request| format!("see the event {event} for the sake of {request}")));
    // `a` does not cover `a.b`: of a field listed as `a` only a plain value passes.
    let old = |field: &SeenField| before.fields.iter().find(|old| old.name == field.name);
    let new: Vec<_> = asked.fields.iter().filter(|field| old(field).is_none()).cloned().collect();
    if !new.is_empty() {
        more.push(format!("also see {} of the event {event}", in_words(&new).join(", ")));
    }
    for (field, old) in asked.fields.iter().filter_map(|field| Some((field, old(field)?))) {
        let name = &field.name;
        if field.enters != old.enters {
            let as_it_is = |field: &SeenField| if field.enters.is_none() { " as it is" } else { "" };
            let (now, before) = (as_it_is(field), as_it_is(old));
            more.push(format!("see {field}{now} of the event {event}, instead of {old}{before}"));
        }
        if let Some(reason) = field.control.as_ref().filter(|_| field.control != old.control) {
            more.push(format!("see {name} of the event {event} whatever is switched off ({reason})"));
        }
        match (&field.grows_by, &old.grows_by) {
            (now, before) if now == before => {}
            (Some(by), _) => more.push(format!("let {name} of the event {event} grow by {by}")),
            (None, _) => more.push(format!("let {name} of the event {event} grow no longer")),
        }
    }
}

/// Whether every value that fits this rule fits the old one, as far as that can be told.
fn is_within(rule: &Rule, old: &Rule) -> bool {
    let fits = |value: &String| {
        old.constant.as_ref().is_none_or(|constant| constant == value)
            && old.one_of.as_ref().is_none_or(|values| values.contains(value))
            && old.pattern.is_none()
            && value.chars().count() <= old.longest()
    };
    let finite = rule.constant.iter().chain(rule.one_of.iter().flatten());
    if rule == old {
        return true;
    }
    if rule.constant.is_some() || rule.one_of.is_some() {
        return finite.into_iter().all(fits);
    }
    let length = rule.longest() <= old.longest();
    rule.pattern == old.pattern && old.constant.is_none() && old.one_of.is_none() && length
}

fn in_words(fields: &[SeenField]) -> Vec<String> {
    fields.iter().map(ToString::to_string).collect()
}

fn listed(fields: &[impl Borrow<str>]) -> String {
    if fields.is_empty() { "only that it happened".into() } else { fields.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
        [plugin]
        name = "p"
        [capabilities]
        http = { url = "https://a.example/{id}/{event}", id_setting = "id" }
        user_agent = "P"
        hardware = ["os"]
        [[sees]]
        event = "A"
        fields = ["x"]
        [[says]]
        request = "r"
        method = "GET"
        switch = "s"
        fields = [{ name = "f", enum = ["1", "2"] }, { name = "g", pattern = "[0-9]+", optional = true }, { name = "h", max_length = 9 }]
    "#;

    fn more(change: impl Fn(String) -> String) -> Vec<String> {
        let base = Manifest::parse(BASE).unwrap();
        Manifest::parse(&change(BASE.into())).unwrap().exceeds(&base)
    }

    #[test]
    fn the_same_and_less_are_no_more() {
        assert_eq!(more(|text| text), [""; 0]);
        for (from, to) in [
            (r#"enum = ["1", "2"]"#, r#"enum = ["2"]"#),
            (r#"enum = ["1", "2"]"#, r#"const = "2""#),
            ("max_length = 9", "max_length = 8"),
            ("max_length = 9", r#"enum = ["short"]"#),
            (r#"fields = ["x"]"#, "fields = []"),
            (r#"hardware = ["os"]"#, ""),
            (", optional = true", ""),
        ] {
            assert!(BASE.contains(from), "{from}");
            assert_eq!(more(|text| text.replace(from, to)), [""; 0], "{to}");
        }
        let nothing = Manifest::parse("[plugin]\nname = \"p\"").unwrap();
        assert_eq!(nothing.exceeds(&Manifest::parse(BASE).unwrap()), [""; 0]);
    }

    #[test]
    fn what_looks_like_less_can_be_more() {
        assert_eq!(
            more(|text| text.replace(r#"fields = ["x"]"#, r#"fields = ["x.y"]"#)),
            ["also see x.y of the event A"]
        );
        let says = |name: &str| {
            let variable = if name.contains('{') { "variable = { pattern = \"[a-z]+\" }\n" } else { "" };
            format!("[[says]]\nrequest = \"{name}\"\nmethod = \"GET\"\n{variable}fields = []\n")
        };
        let manifest = |names: &[&str]| {
            let says: String = names.iter().map(|name| says(name)).collect();
            Manifest::parse(&format!("[plugin]\nname = \"p\"\n{says}")).unwrap()
        };
        let exceeds = |new: &[&str], old: &[&str]| manifest(new).exceeds(&manifest(old));
        assert_eq!(exceeds(&["re{x}"], &["report", "re{x}"]), ["report report by the rules of re{x}"]);
        assert_eq!(exceeds(&["re{x}", "report"], &["report", "re{x}"]), [""; 0], "a whole name wins in any place");
        assert_eq!(exceeds(&["re{x}"], &["b", "re{x}"]), [""; 0]);
        let order = ["match names of reports differently (re{x}, rep{x})"];
        assert_eq!(exceeds(&["re{x}", "rep{x}"], &["rep{x}", "re{x}"]), order);
        assert_eq!(exceeds(&["re{x}"], &["rep{x}", "re{x}"]), ["match names of reports differently (re{x})"]);
        assert_eq!(exceeds(&[], &["rep{x}", "re{x}"]), [""; 0]);
        let variable = |mut manifest: Manifest, texts: &[&str]| {
            let texts = texts.iter().map(|text| (*text).into()).collect();
            let rule = Rule { one_of: Some(texts), ..Rule::default() };
            manifest.says[0].variable = Some(glassbox_sandbox::manifest::Variable { from: Vec::new(), rule });
            manifest
        };
        let two = |texts: &[&str]| variable(manifest(&["rep{x}", "re{x}"]), texts);
        let one = |texts: &[&str]| variable(manifest(&["rep{x}"]), texts);
        let less = ["match names of reports differently (rep{x}, re{x})"];
        assert_eq!(two(&["a"]).exceeds(&two(&["a", "b"])), less, "repb is left to the other");
        assert_eq!(one(&["a"]).exceeds(&one(&["a", "b"])), [""; 0], "there is no other");
        let own = |text: String| text.replace("id_setting", "url_setting = \"u\", id_setting");
        let base = Manifest::parse(&own(BASE.into())).unwrap();
        let found = Manifest::parse(BASE).unwrap().exceeds(&base);
        assert_eq!(found, ["send to https://a.example/{id}/{event}, whatever server the setting 'u' names"]);
    }

    #[test]
    fn everything_more_is_named() {
        for (from, to, words) in [
            ("a.example", "b.example", "send to https://b.example/{id}/{event} instead of"),
            ("id_setting = \"id\"", "id_setting = \"name\"", "send the setting 'name' as its id"),
            ("id_setting", "url_setting = \"u\", id_setting", "send to the server in the setting 'u'"),
            ("user_agent = \"P\"", "user_agent = \".*\"", "identify itself as .*"),
            ("[\"os\"]", "[\"os\", \"pi-model\"]", "also see this machine's pi-model"),
            ("[\"os\"]", "[\"os\"]\nthrottle = true", "whether this machine is throttled"),
            ("fields = [\"x\"]", "fields = [\"x\", \"y\"]", "also see y of the event A"),
            ("fields = [\"x\"]", "fields = [\"x.y\"]", "also see x.y of the event A"),
            ("event = \"A\"", "event = \"B\"", "see the event B (x)"),
            ("\"GET\"", "\"POST\"", "report r with POST instead of GET"),
            ("switch = \"s\"", "", "report r even while s is off"),
            ("[\"1\", \"2\"]", "[\"1\", \"3\"]", "report other values of f in r"),
            ("[0-9]+", "[0-9]*", "report other values of g in r"),
            ("max_length = 9", "max_length = 10", "report other values of h in r"),
            ("max_length = 9", "max_length = 9, optional = true", "report other values of h in r"),
            ("name = \"g\"", "name = \"i\"", "also report i in r"),
            ("request = \"r\"", "request = \"q\"", "report q (f, g, h)"),
        ] {
            assert!(BASE.contains(from), "{from}");
            let found = more(|text| text.replacen(from, to, 1));
            assert!(found.len() == 1 && found[0].contains(words), "{to}: {found:?}");
        }
        let nothing = Manifest::parse("[plugin]\nname = \"p\"").unwrap();
        let all = Manifest::parse(BASE).unwrap().exceeds(&nothing);
        assert_eq!(all.len(), 5, "{all:?}");
    }

    #[test]
    fn a_text_that_was_too_long_to_be_sent_was_not_granted() {
        let old = Manifest::parse(&BASE.replace("\"2\"", &format!("{:?}", "x".repeat(300)))).unwrap();
        let mut new = old.clone();
        new.says[0].fields[0].rule.max_length = Some(300);
        assert_eq!(new.exceeds(&old), ["report other values of f in r"]);
        new = old.clone();
        new.says[0].fields[1].rule.max_length = Some(glassbox_sandbox::limits::VALUE_CHARS);
        assert_eq!(new.exceeds(&old), [""; 0], "as many as by default");
    }
}
