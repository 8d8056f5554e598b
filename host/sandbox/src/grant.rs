//! Whether a manifest asks for more than was granted, and for what, in plain words. A grant is a manifest as it was
//! accepted; where grants are kept is in `host/src/home/`.

use crate::manifest::{Field, Rule, Says, SeenField};
use crate::{Manifest, limits};

impl Manifest {
    /// What this manifest asks for beyond `granted`, each as words that follow "it asks to"; empty if it asks for no
    /// more. What cannot be compared, such as two patterns, counts as more: better to ask once too often.
    ///
    /// ```
    /// use glassbox_sandbox::Manifest;
    ///
    /// let granted = Manifest::parse("plugin.name = \"hours\"")?;
    /// let new = Manifest::parse("plugin.name = \"hours\"\ncapabilities.throttle = true")?;
    /// assert_eq!(new.exceeds(&granted), ["see whether this machine is throttled"]);
    /// assert!(granted.exceeds(&new).is_empty());
    /// # Ok::<(), glassbox_sandbox::manifest::Malformed>(())
    /// ```
    #[must_use]
    pub fn exceeds(&self, granted: &Self) -> Vec<String> {
        let mut more = Vec::new();
        self.capabilities_beyond(granted, &mut more);
        for sees in &self.sees {
            let before = granted.sees.iter().find(|before| before.event == sees.event);
            let in_words = |field: &SeenField| field.to_string();
            match before {
                None => {
                    let fields: Vec<_> = sees.fields.iter().map(in_words).collect();
                    more.push(format!("see the event {} ({})", sees.event, listed(&fields)));
                }
                Some(before) => {
                    // `a` does not cover `a.b`: of a field listed as `a` only a plain value passes. One that enters in
                    // another form is another field.
                    let new = sees.fields.iter().filter(|field| !before.fields.contains(field));
                    let new: Vec<_> = new.map(in_words).collect();
                    if !new.is_empty() {
                        more.push(format!("also see {} of the event {}", new.join(", "), sees.event));
                    }
                }
            }
        }
        for says in &self.says {
            match granted.says.iter().find(|before| before.request == says.request) {
                None => {
                    let fields: Vec<_> = says.fields.iter().map(|field| field.name.as_str()).collect();
                    more.push(format!("report {} ({})", says.request, listed(&fields)));
                }
                Some(before) => says.exceeds(before, &mut more),
            }
        }
        self.names_beyond(granted, &mut more);
        let shown = self.settings.shows.iter().filter(|key| !granted.settings.shows.contains(key));
        more.extend(shown.map(|key| format!("see the setting '{key}'")));
        more
    }

    /// A request goes by the first rules whose name matches, and names without a variable come first. So if a name is
    /// gone, matches less, or is in another place, its requests may go by the rules of another.
    fn names_beyond(&self, granted: &Self, more: &mut Vec<String>) {
        let (new, old) = (self.open_names(), granted.open_names());
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
            let gone = !self.says.iter().any(|new| new.request == says.request);
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
    fn open_names(&self) -> Vec<(&str, &Rule)> {
        self.says.iter().filter_map(|says| Some((says.request.as_str(), says.variable.as_ref()?))).collect()
    }

    fn capabilities_beyond(&self, granted: &Self, more: &mut Vec<String>) {
        let (new, old) = (&self.capabilities, &granted.capabilities);
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
            more.push(format!("identify itself as {}", new.user_agent));
        }
        for field in new.hardware.iter().filter(|field| !old.hardware.contains(field)) {
            more.push(format!("also see this machine's {}", field.name()));
        }
        if new.throttle && !old.throttle {
            more.push("see whether this machine is throttled".into());
        }
    }
}

impl Says {
    fn exceeds(&self, before: &Self, more: &mut Vec<String>) {
        let request = &self.request;
        if self.method != before.method {
            more.push(format!("report {request} with {} instead of {}", self.method, before.method));
        }
        if before.switch.is_some() && self.switch != before.switch {
            let switch = before.switch.as_deref().unwrap_or_default();
            more.push(format!("report {request} even while {switch} is off"));
        }
        if let (Some(rule), Some(old)) = (&self.variable, &before.variable)
            && !rule.is_within(old)
        {
            more.push(format!("put other text into the name of {request}"));
        }
        for field in &self.fields {
            match before.fields.iter().find(|old| old.name == field.name) {
                None => more.push(format!("also report {} in {request}", field.name)),
                Some(old) if !field.is_within(old) => {
                    more.push(format!("report other values of {} in {request}", field.name));
                }
                Some(_) => {}
            }
        }
    }
}

impl Field {
    fn is_within(&self, old: &Self) -> bool {
        let switch = old.switch.is_none() || self.switch == old.switch;
        // That a field is missing can be a message too.
        switch && (old.optional || !self.optional) && self.rule.is_within(&old.rule)
    }
}

impl Rule {
    /// Whether every value that fits this rule fits the old one, as far as that can be told.
    fn is_within(&self, old: &Self) -> bool {
        let fits = |value: &String| {
            old.constant.as_ref().is_none_or(|constant| constant == value)
                && old.one_of.as_ref().is_none_or(|values| values.contains(value))
                && old.pattern.is_none()
                && value.chars().count() <= old.longest()
        };
        let finite = self.constant.iter().chain(self.one_of.iter().flatten());
        if self == old {
            return true;
        }
        if self.constant.is_some() || self.one_of.is_some() {
            return finite.into_iter().all(fits);
        }
        let length = self.longest() <= old.longest();
        self.pattern == old.pattern && old.constant.is_none() && old.one_of.is_none() && length
    }

    /// The most characters of a value.
    pub(crate) fn longest(&self) -> usize {
        self.max_length.unwrap_or(limits::VALUE_CHARS)
    }
}

fn listed(fields: &[impl std::borrow::Borrow<str>]) -> String {
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
            manifest.says[0].variable = Some(Rule { one_of: Some(texts), ..Rule::default() });
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
        new.says[0].fields[1].rule.max_length = Some(limits::VALUE_CHARS);
        assert_eq!(new.exceeds(&old), [""; 0], "as many as by default");
    }
}
