//! A manifest in plain words, for whoever is asked to consent: what a component reports, sees and uses, and what of that is
//! [free]. Nothing that is enforced depends on it, except where an operator refuses what is free; but consent is worth no
//! more than the words it was given on.

pub mod free;
mod inputs;

use glassbox_sandbox::manifest::{Condition, Enters, Field, Kept, Rule, Says, UserAgent};
use glassbox_sandbox::{Manifest, Method, Policy};
pub use inputs::entering;
use std::borrow::Cow;
use std::fmt::{Result, Write};

/// The width of a terminal in characters, as far as lines are broken.
const WIDTH: usize = 120;

/// As many fields that are the same as in another report are not listed again.
const SAME: usize = 5;

/// All that a manifest allows, for a terminal: several lines of text, in the manifest's order.
pub fn in_words(manifest: &Manifest) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_words(&mut out, manifest);
    out
}

fn write_words(out: &mut String, manifest: &Manifest) -> Result {
    let capabilities = &manifest.capabilities;
    writeln!(out, "{} - {}", manifest.plugin.name, one_line(&manifest.plugin.description))?;
    if let Some(http) = &capabilities.http {
        writeln!(out, "\nIt sends to {}", http.url)?;
        if let Some(setting) = &http.url_setting {
            writeln!(out, "  (the setting '{setting}' can name another server; only you can change it)")?;
        }
        let agent = agent_in_words(&capabilities.user_agent);
        let free = if free::is_agent(&capabilities.user_agent) { "FREE: " } else { "" };
        writeln!(out, "  with the setting '{}' as {{id}}; the user agent is {free}{agent}", http.id_setting)?;
    }
    writeln!(
        out,
        "\nIt may report (where nothing says FREE, the host itself makes it, of what stands behind each colon):"
    )?;
    let mut before: Vec<(&str, Vec<String>)> = Vec::new();
    for says in &manifest.says {
        let fields: Vec<_> = says.fields.iter().map(|field| field_in_words(field, says, manifest)).collect();
        report(out, says, &fields, &before, manifest)?;
        before.push((&says.request, fields));
    }
    match Policy::new(manifest.clone()) {
        Ok(policy) => inputs::write(out, &policy)?,
        Err(error) => writeln!(out, "\nIts rules cannot be used: {error}")?,
    }
    let shown = &manifest.settings.shows;
    let shown = if shown.is_empty() { "nothing".into() } else { shown.join(", ") };
    writeln!(out, "\nOf its settings it sees: {shown}")?;
    let kept: Vec<_> = manifest.state.iter().map(|(name, kept)| kept_in_words(name, *kept)).collect();
    let kept = if kept.is_empty() { "nothing".into() } else { kept.join(", ") };
    writeln!(out, "When it is started anew, it keeps: {kept}")?;
    writeln!(out, "It has access to nothing else: no files, no network of its own, no wall clock.")
}

/// A report. Those `before` are named with what they say, so that what is the same is not listed again.
fn report(
    out: &mut String,
    says: &Says,
    fields: &[String],
    before: &[(&str, Vec<String>)],
    manifest: &Manifest,
) -> Result {
    let switch = says.switch.as_ref().map(|switch| format!(" [off: {switch}=false]")).unwrap_or_default();
    let method = if says.method == Method::Post { " (POST)" } else { "" };
    let when = if says.is_pinned() { timing(says) } else { "FREE, whenever it likes".into() };
    writeln!(out, "  {}{method}, {when}{switch}", name(&says.request))?;
    let mut parts = Vec::new();
    if let Some(variable) = &says.variable {
        parts.push(if variable.from.is_empty() {
            format!("in its name, FREE: {}", rule_in_words(&variable.rule))
        } else {
            format!("in its name: {}", sources(&variable.from, says, manifest))
        });
    }
    let same = |others: &[String]| others.iter().zip(fields).take_while(|(one, other)| one == other).count();
    let mut same = before.iter().map(|(request, others)| (request, same(others)));
    let mut rest = fields;
    if let Some((request, same)) = same.find(|(_, same)| *same >= SAME) {
        parts.push(format!("{} to {}: as in {request}", says.fields[0].name, says.fields[same - 1].name));
        rest = &fields[same..];
    }
    parts.extend(rest.iter().cloned());
    lines(out, 6, &parts, "; ")
}

/// A name, which its author chose: in quotes if it is more than a word, so that it cannot look like what stands around it.
fn name(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.-{}*".contains(c);
    if name.chars().all(is_plain) { name.into() } else { format!("{name:?}").into() }
}

/// What an author says, as one line that cannot look like several.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().take(WIDTH).collect();
    if cut == words { words } else { cut + "…" }
}

/// When the host lets a pinned request be sent.
pub fn timing(says: &Says) -> String {
    let events: Vec<_> = says.on.iter().filter(|cause| *cause != "tick").map(String::as_str).collect();
    let mut parts = Vec::new();
    if !events.is_empty() {
        parts.push(format!("on {}", events.join(" or ")));
    }
    match (&says.every, &says.once) {
        (Some(every), _) => parts.push(format!("every {} s (setting {})", every.default, every.setting)),
        (None, Some(event)) => parts.push(format!("once after {event}")),
        (None, None) if says.is_on_tick() => parts.push("on any tick".into()),
        (None, None) => {}
    }
    if says.after > 0 {
        parts.push(format!("{} s later", says.after));
    }
    parts.extend(says.until.as_ref().map(|event| format!("unless {event} comes first")));
    parts.extend(says.octoprint.map(|versions| format!("OctoPrint {versions}")));
    parts.join(", ")
}

fn field_in_words(field: &Field, says: &Says, manifest: &Manifest) -> String {
    let mut parts = Vec::new();
    if free::is_field(field, says) {
        parts.push(format!("{} FREE, whatever it puts there: {}", name(&field.name), rule_in_words(&field.rule)));
        parts.extend(field.optional.then(|| "or left out".into()));
    } else if field.from.is_empty() {
        parts.push(format!("{}: {}", name(&field.name), rule_in_words(&field.rule)));
    } else {
        let always = field.rule.constant.as_ref().map(|word| format!(", if that is {word}")).unwrap_or_default();
        parts.push(format!("{}: {}{always}", name(&field.name), sources(&field.from, says, manifest)));
    }
    parts.extend(field.grows.then(|| "and the seconds since".into()));
    parts.extend(field.unknown.as_ref().map(|word| format!("or else {word}")));
    parts.extend(field.condition.map(|Condition::ThrottleIssue| "if throttled".into()));
    parts.extend(field.octoprint.map(|versions| format!("OctoPrint {versions}")));
    parts.extend(field.switch.as_ref().map(|switch| format!("off: {switch}=false")));
    parts.join(", ")
}

/// Sources of a value, each with the form in which it enters; a field of the event that it is sent on is "its" field.
fn sources(from: &[String], says: &Says, manifest: &Manifest) -> String {
    let fields = manifest.sees.iter().flat_map(|sees| sees.fields.iter().map(|field| (&sees.event, field)));
    let one = |source: &String| {
        let entered = fields.clone().find(|(event, field)| format!("{event}.{}", field.name) == *source);
        let how = match entered.and_then(|(_, field)| field.enters) {
            None => "",
            Some(Enters::SaltedSha1) => " (hashed)",
            Some(Enters::PortKind) => " (only its kind)",
            Some(Enters::WholeSeconds) => " (whole seconds)",
            Some(Enters::NamesAndVersions) => " (names and versions)",
            Some(Enters::Words) => " (words)",
            Some(Enters::ErrorText) => " (cleaned)",
        };
        let (event, field) = source.split_once('.').unwrap_or((source, ""));
        if says.on == [event] { format!("its {field}{how}") } else { format!("{source}{how}") }
    };
    from.iter().map(one).collect::<Vec<_>>().join(" or ")
}

/// What a name under `[state]` can hold.
pub fn kept_in_words(name: &str, kept: Kept) -> String {
    match kept {
        Kept::Flag => format!("{name} (yes or no)"),
        Kept::UpTo(most) => format!("{name} (a number of at most {most})"),
    }
}

/// A user agent: a pattern, or how the host makes it.
pub fn agent_in_words(agent: &UserAgent) -> String {
    match agent {
        UserAgent::Pattern(pattern) => pattern.clone(),
        UserAgent::Pinned(agent) => {
            let text = agent.text.replace("{}", &format!("<{}>", agent.from));
            format!("{text} (matching {}, or else {})", agent.pattern, agent.unknown)
        }
    }
}

fn rule_in_words(rule: &Rule) -> String {
    let Rule { constant, one_of, pattern, max_length } = rule;
    let mut parts = Vec::new();
    parts.extend(constant.as_ref().map(|constant| format!("always {constant}")));
    parts.extend(one_of.as_ref().map(|values| format!("one of {}", values.join(", "))));
    match (pattern, max_length) {
        (Some(pattern), _) => parts.push(format!("text matching {pattern}")),
        (None, Some(length)) => parts.push(format!("text of at most {length} characters")),
        (None, None) => {}
    }
    parts.join("; ")
}

/// Texts, as many on a line as have room; further lines are indented by six.
fn lines(out: &mut String, indent: usize, parts: &[String], separator: &str) -> Result {
    let mut line = " ".repeat(indent);
    for (number, part) in parts.iter().enumerate() {
        if number > 0 && line.chars().count() + part.chars().count() > WIDTH {
            writeln!(out, "{}", line.trim_end())?;
            line = " ".repeat(6);
        }
        line += part;
        line += if number + 1 < parts.len() { separator } else { "" };
    }
    if parts.is_empty() { Ok(()) } else { writeln!(out, "{line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [plugin]
        name = "p"
        description = "for a test"
        [capabilities]
        http = { url = "https://a.example/{id}/{event}", id_setting = "id" }
        user_agent = { text = "P/{}", from = "environment.octoprint.version", pattern = "[0-9.]+", unknown = "?" }
        hardware = ["os"]
        throttle = true
        [settings]
        shows = ["ping"]
        [state]
        busy = "flag"
        [[sees]]
        event = "Start"
        fields = [{ name = "path", as = "salted-sha1" }, "origin", "note"]
        [[sees]]
        event = "Late"
        fields = ["x"]
        [[sees]]
        event = "Until"
        fields = []
        [[sees]]
        event = "Bare"
        for = ["print"]
        fields = []
        [[sees]]
        event = "octoprint_started"
        control = "a run begins"
        fields = ["uptime"]
        [[sees]]
        event = "environment"
        fields = [{ name = "octoprint.version", control = "it decides" }, "os.id"]
        [[says]]
        request = "ping"
        method = "POST"
        on = ["tick"]
        every = { setting = "ping", default = 900 }
        switch = "a"
        fields = [
          { name = "up", from = "octoprint_started.uptime", grows = true, pattern = "[0-9]+" },
          { name = "os", from = ["environment.os.id", "hardware.os"], switch = "b", unknown = "x", max_length = 9 },
        ]
        [[says]]
        request = "print"
        method = "GET"
        on = ["Start"]
        switch = "c"
        fields = [
          { name = "x", from = "Late.x", max_length = 3, optional = true },
          { name = "file", from = "Start.path", pattern = "[0-9a-f]{40}" },
          { name = "origin", from = ["Start.origin", "environment.os.id"], const = "a" },
          { name = "mask", from = "throttle.mask", if = "throttle.issue", octoprint = ">=1.12", pattern = "[0-9]+" },
          { name = "text", max_length = 256, optional = true },
          { name = "one", const = "1" },
        ]
        [[says]]
        request = "free_{x}"
        method = "GET"
        variable = { enum = ["a", "b"] }
        fields = [{ name = "y", pattern = "z*" }]
        [[says]]
        request = "late"
        method = "GET"
        on = ["Late", "tick"]
        once = "octoprint_started"
        after = 15
        until = "Until"
        octoprint = "<1.12"
        fields = []
    "#;

    #[test]
    fn each_word_of_a_manifest_is_put_into_words() {
        let text = in_words(&Manifest::parse(MANIFEST).unwrap());
        let expected = "\
It may report (where nothing says FREE, the host itself makes it, of what stands behind each colon):
  ping (POST), every 900 s (setting ping) [off: a=false]
      up: octoprint_started.uptime, and the seconds since; os: environment.os.id or hardware.os, or else x, off: b=false
  print, on Start [off: c=false]
      x: Late.x; file: its path (hashed); origin: its origin or environment.os.id, if that is a;
      mask: throttle.mask, if throttled, OctoPrint >=1.12;
      text FREE, whatever it puts there: text of at most 256 characters, or left out; one: always 1
  free_{x}, FREE, whenever it likes
      in its name, FREE: one of a, b; y FREE, whatever it puts there: text matching z*
  late, on Late, once after octoprint_started, 15 s later, unless Until comes first, OctoPrint <1.12

For the sake of reports it sees, while one of them is on:
  Start: path (only hashed, with a salt of this installation), origin [off: c=false]
  Late: that it happened [cannot be switched off]
  Late: x [off: c=false]
  Until: that it happened (only the host hears it)
  Bare: that it happened [off: c=false]
  octoprint_started: uptime [off: a=false or ping=0]
  environment: os.id [off: a=false or b=false or ping=0, and c=false]
  this machine: os [off: a=false or b=false or ping=0]
  this machine: throttle state [off: c=false]

Even when everything is off, it sees:
  octoprint_started: that it happened (\"a run begins\")
  environment: octoprint.version (\"it decides\")

FREE, tied to no report, so that it sees it always:
  Start: note

Of its settings it sees: ping
When it is started anew, it keeps: busy (yes or no)
";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("the user agent is P/<environment.octoprint.version> (matching [0-9.]+, or else ?)\n"));
        let free = MANIFEST.replace(
            "{ text = \"P/{}\", from = \"environment.octoprint.version\", pattern = \"[0-9.]+\", unknown = \"?\" }",
            "'P.*'",
        );
        assert!(in_words(&Manifest::parse(&free).unwrap()).contains("the user agent is FREE: P.*\n"));
    }

    #[test]
    fn what_an_author_writes_does_not_look_like_what_stands_around_it() {
        let description = format!("counts{}It sees nothing.{}", " ".repeat(200), "x".repeat(500));
        let text = r#"
            [plugin]
            name = "p"
            description = "DESCRIPTION"
            [[sees]]
            event = "E"
            fields = [{ name = "path", control = "only hashed, with a salt of this installation" }]
            [[says]]
            request = "r [off: a=false], on E"
            method = "GET"
            fields = [{ name = "a: its path (hashed); b", max_length = 9 }]
        "#;
        let text = in_words(&Manifest::parse(&text.replace("DESCRIPTION", &description)).unwrap());
        for line in [
            "  \"r [off: a=false], on E\", FREE, whenever it likes",
            "      \"a: its path (hashed); b\" FREE, whatever it puts there: text of at most 9 characters",
            "  E: path (\"only hashed, with a salt of this installation\")",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("p - counts It sees nothing.xxx") && first.chars().count() < 130, "{first}");
    }

    #[test]
    fn what_was_listed_is_not_listed_again() {
        let fields: String = (0..6).map(|n| format!("{{ name = \"f{n}\", const = \"{n}\" }},")).collect();
        let says = |name: &str, more: &str| {
            format!("[[says]]\nrequest = \"{name}\"\nmethod = \"GET\"\non = [\"E\"]\nfields = [{fields}{more}]\n")
        };
        let more = "{ name = \"g\", const = \"7\" }";
        let text =
            format!("plugin.name = \"p\"\n[[sees]]\nevent = \"E\"\nfields = []\n{}{}", says("a", ""), says("b", more));
        let text = in_words(&Manifest::parse(&text).unwrap());
        assert!(text.contains("  b, on E\n      f0 to f5: as in a; g: always 7\n"), "{text}");
    }
}
