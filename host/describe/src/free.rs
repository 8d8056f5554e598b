//! What a manifest leaves to the component: reports, fields, names and times that the host does not make itself, by name.
//! In a manifest that is pinned as a whole there is nothing of it. `[policy]` can refuse what is free.

use glassbox_sandbox::manifest::{Field, Says, UserAgent};
use glassbox_sandbox::{Policy, Tie};

/// All that is free, in the manifest's order: `user agent`; `ping` for a report that it may make when it likes; `time of
/// ping` where only that is so, `name of commerror_{reason}`, and `ping.printer_state`; then what enters [without being
/// tied](untied) to a report, as `sees PrintDone.time`.
///
/// ```
/// use glassbox_describe::free;
/// use glassbox_sandbox::{Manifest, Policy};
///
/// let manifest = r#"
///     plugin.name = "hours"
///     [[sees]]
///     event = "PrintDone"
///     fields = ["time", "origin"]
///     [[says]]
///     request = "print_done"
///     method = "GET"
///     on = ["PrintDone"]
///     fields = [{ name = "time", from = "PrintDone.time", pattern = "[0-9]+" }, { name = "note", max_length = 9 }]
/// "#;
/// let policy = Policy::new(Manifest::parse(manifest)?)?;
/// assert_eq!(free::all(&policy), ["print_done.note", "sees PrintDone.origin"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn all(policy: &Policy) -> Vec<String> {
    let manifest = policy.manifest();
    let capabilities = &manifest.capabilities;
    let agent_is_free = capabilities.http.is_some() && is_agent(&capabilities.user_agent);
    let mut free = Vec::from_iter(agent_is_free.then(|| "user agent".into()));
    for says in &manifest.says {
        let name = &says.request;
        if !says.is_pinned() {
            free.push(name.clone());
        } else if is_at_will(says) {
            free.push(format!("time of {name}"));
        }
        if says.variable.as_ref().is_some_and(|variable| variable.from.is_empty()) {
            free.push(format!("name of {name}"));
        }
        let fields = says.fields.iter().filter(|field| is_field(field, says));
        free.extend(fields.map(|field| format!("{name}.{}", field.name)));
    }
    free.extend(untied(policy).iter().map(|name| format!("sees {name}")));
    free
}

/// What is listed that no report names and no reason is given for, for example `PrintDone.time`: it always enters.
pub fn untied(policy: &Policy) -> Vec<String> {
    let ties = policy.ties();
    let mut untied = Vec::new();
    for (sees, (own, fields)) in policy.manifest().sees.iter().zip(&ties.events) {
        untied.extend((*own == Tie::Untied).then(|| sees.event.clone()));
        let fields = sees.fields.iter().zip(fields).filter(|(_, tie)| **tie == Tie::Untied);
        untied.extend(fields.map(|(field, _)| format!("{}.{}", sees.event, field.name)));
    }
    let hardware = ties.hardware.iter().filter(|(_, tie)| *tie == Tie::Untied);
    untied.extend(hardware.map(|(field, _)| format!("hardware.{}", field.name())));
    untied.extend((ties.throttle == Some(Tie::Untied)).then(|| "throttle".into()));
    untied
}

/// Whether the component decides when, and how often, this is reported: it is free, or it may be reported on any tick, and
/// a component says when its next tick is to be.
pub fn is_at_will(says: &Says) -> bool {
    !says.is_pinned() || says.is_on_tick() && says.every.is_none() && says.once.is_none()
}

/// Whether the component decides a field's value, or whether it is there, in this request.
pub fn is_field(field: &Field, says: &Says) -> bool {
    // A constant of a pinned request is there whether or not it is optional.
    let is_constant = field.rule.constant.is_some() && (says.is_pinned() || !field.optional);
    field.from.is_empty() && !is_constant
}

/// Whether the component has a choice of user agents: it is not made by the host, and more than one text matches the
/// pattern.
pub fn is_agent(agent: &UserAgent) -> bool {
    let UserAgent::Pattern(pattern) = agent else { return false };
    // A backslash before a letter is a class, as `\d`, and before a digit nothing that is allowed.
    let mut escaped = false;
    pattern.chars().any(|c| {
        let literal = if escaped { !c.is_alphanumeric() } else { c == '\\' || !r".+*?()|[]{}^$".contains(c) };
        escaped = c == '\\' && !escaped;
        !literal
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassbox_sandbox::Manifest;

    const BASE: &str = r#"
        plugin.name = "p"
        capabilities.http = { url = "https://a.example/{id}/", id_setting = "id" }
        capabilities.user_agent = 'P/1\.0'
        [[sees]]
        event = "E"
        fields = ["a"]
        [[says]]
        request = "r_{x}"
        method = "GET"
        on = ["E"]
        variable = { from = "E.a", pattern = "[0-9]+" }
        fields = [{ name = "f", from = "E.a", pattern = "[0-9]+", optional = true }, { name = "c", const = "1" }]
    "#;

    fn free(text: &str) -> Vec<String> {
        all(&Policy::new(Manifest::parse(text).unwrap()).unwrap())
    }

    #[test]
    fn what_is_pinned_is_not_free_and_everything_else_is() {
        assert_eq!(free(BASE), [""; 0]);
        for (from, to, expected) in [
            (r"P/1\.0", "P/1.0", &["user agent"] as &[_]),
            (r"P/1\.0", r"P/\d", &["user agent"]),
            (r#"user_agent = 'P/1\.0'"#, "throttle = true", &["sees throttle"]),
            (r#"user_agent = 'P/1\.0'"#, "hardware = [\"os\"]", &["sees hardware.os"]),
            ("{ from = \"E.a\",", "{", &["name of r_{x}"]),
            (r#"name = "f", from = "E.a""#, r#"name = "f""#, &["r_{x}.f"]),
            (r#"fields = ["a"]"#, r#"fields = ["a", "b"]"#, &["sees E.b"]),
            (r#"on = ["E"]"#, r#"on = ["tick"]"#, &["time of r_{x}"]),
            (r#"on = ["E"]"#, "on = [\"tick\"]\nonce = \"E\"", &[]),
            (r#"on = ["E"]"#, "on = [\"tick\"]\nevery = { setting = \"s\", default = 9 }", &[]),
            (r#"const = "1""#, r#"const = "1", optional = true"#, &[]),
        ] {
            assert!(BASE.contains(from), "{from}");
            assert_eq!(free(&BASE.replacen(from, to, 1)), expected, "{to}");
        }
        let unpinned = BASE.replace("from = \"E.a\", ", "").replace("on = [\"E\"]", "");
        assert_eq!(free(&unpinned), ["r_{x}", "name of r_{x}", "r_{x}.f", "sees E", "sees E.a"]);
        let optional = unpinned.replace(r#"const = "1""#, r#"const = "1", optional = true"#);
        assert!(free(&optional).contains(&"r_{x}.c".into()));
    }
}
