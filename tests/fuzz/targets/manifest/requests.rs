//! What leaves: requests are made by the manifest and changed in every way that a component may try.
//! The gate and the model must agree on each.

use crate::model::{fits, is_agent, may_leave, was_granted};
use glassbox_contract::Deny;
use glassbox_sandbox::manifest::{Rule, Says};
use glassbox_sandbox::{
    Blocked, Cause, Consent, Context, Manifest, Memory, Method, Outgoing, Policy, Request, Settings, pass,
};

const ID: &str = "11111111-2222-4333-8444-555555555555";

/// Requests that are looked at of one manifest: the first are as good as all.
const MOST: usize = 20;

/// Try requests; what leaves must be within what was `granted`, if there is a manifest that was.
pub fn check(policy: &Policy, granted: Option<&Manifest>, value: &str) {
    let manifest = policy.manifest();
    let Some(settings) = settings(manifest) else { return };
    let values = value.split('\n').collect::<Vec<_>>();
    for says in manifest.says.iter().take(MOST) {
        for request in tries(&made(manifest, says, &values), &values) {
            let passed = let_pass(&request, policy, &settings, Consent::Given);
            let Some(expected) = may_leave(manifest, &request) else {
                // Nothing was heard, and nothing is due: the only occasion there is is a tick.
                assert!(says.on.iter().any(|cause| cause == "tick") || passed.is_err(), "{request:?}: {passed:?}");
                continue;
            };
            assert_eq!(passed.is_ok(), expected, "{request:?}: {passed:?}");
            if let Ok(outgoing) = passed {
                is_as_it_was_asked(manifest, &outgoing, &request);
                assert!(granted.is_none_or(|granted| was_granted(granted, &request)), "{request:?} was not granted");
                goes_to_the_users_server(policy, &request, &settings);
                stops_when_switched_off(policy, granted, says, &request, &settings);
                for no in [Consent::Refused, Consent::Undecided, Consent::Variable("CI")] {
                    assert!(let_pass(&request, policy, &settings, no).is_err());
                }
            }
        }
    }
}

fn let_pass(request: &Request, policy: &Policy, settings: &Settings, consent: Consent) -> Result<Outgoing, Blocked> {
    let context = Context { cause: &Cause::Tick(vec![]), memory: &Memory::default(), facts: &Deny, now_ms: 0 };
    pass(request.clone(), policy, settings, consent, Some(&context)).map(|(outgoing, _)| outgoing)
}

/// Where the user named a server, requests go there, and nothing of it is shown.
fn goes_to_the_users_server(policy: &Policy, request: &Request, settings: &Settings) {
    let http = policy.manifest().capabilities.http.as_ref().expect("nothing leaves without");
    let mut own = settings.clone();
    if let Some(setting) = &http.url_setting
        && own.set(setting, "http://own:8000/{event}/{id}".into()).is_ok()
        && let Ok(outgoing) = let_pass(request, policy, &own, Consent::Given)
    {
        assert!(outgoing.url.starts_with("http://own:8000/"), "{}", outgoing.url);
        assert!(outgoing.shown.starts_with("(own server)/"), "{}", outgoing.shown);
        assert!(!outgoing.shown.contains("8000") || request.name.contains("8000"), "{}", outgoing.shown);
    }
}

/// Each switch of the manifest stops it, and each that the manifest had when it was granted.
fn stops_when_switched_off(
    policy: &Policy,
    granted: Option<&Manifest>,
    says: &Says,
    request: &Request,
    settings: &Settings,
) {
    let before = granted.and_then(|granted| granted.says.iter().find(|before| before.request == says.request));
    for says in [Some(says), before].into_iter().flatten() {
        let sent = says.fields.iter().filter(|field| request.fields.iter().any(|(name, _)| *name == field.name));
        for switch in says.switch.iter().chain(sent.filter_map(|field| field.switch.as_ref())) {
            let mut off = settings.clone();
            if off.set(switch, false.into()).is_ok() {
                assert!(let_pass(request, policy, &off, Consent::Given).is_err(), "{switch} is off: {request:?}");
            }
        }
    }
}

/// Settings with an id, and with no more; none where a manifest has it at a place that cannot be.
fn settings(manifest: &Manifest) -> Option<Settings> {
    let mut settings = Settings::parse(r#"{"enabled": true}"#).expect("it is one");
    if let Some(http) = &manifest.capabilities.http {
        settings.set(&http.id_setting, ID.into()).ok()?;
        let own = http.url_setting.as_ref().and_then(|setting| settings.get(setting));
        let off = own.is_some() || !settings.enabled();
        return (!off).then_some(settings);
    }
    Some(settings)
}

/// A request as the manifest would have it, as far as values are found.
fn made(manifest: &Manifest, says: &Says, values: &[&str]) -> Request {
    let name = match (says.request.split_once('{'), &says.variable) {
        (Some((before, rest)), Some(rule)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            format!("{before}{}{after}", a_value(&rule.rule, values))
        }
        _ => says.request.clone(),
    };
    let fields = says.fields.iter().map(|field| (field.name.clone(), a_value(&field.rule, values)));
    let user_agent = values.iter().copied().find(|value| is_agent(manifest, value)).unwrap_or_default();
    Request { method: says.method, name, fields: fields.collect(), user_agent: user_agent.into() }
}

fn a_value(rule: &Rule, values: &[&str]) -> String {
    let own = rule.constant.iter().chain(rule.one_of.iter().flatten()).map(String::as_str);
    let mut all = own.chain(values.iter().copied());
    all.find(|value| fits(rule, value)).or(values.first().copied()).unwrap_or_default().into()
}

/// The request, and what is wrong with it in one way.
fn tries(good: &Request, values: &[&str]) -> Vec<Request> {
    let any = values.last().copied().unwrap_or_default();
    let mut tries = vec![good.clone()];
    let mut changed = |change: &dyn Fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        tries.push(request);
    };
    changed(&|request| request.fields.reverse());
    changed(&|request| request.fields.extend(request.fields.clone()));
    changed(&|request| request.fields = request.fields.iter().flat_map(|field| [field, field]).cloned().collect());
    changed(&|request| request.fields.push((any.into(), any.into())));
    changed(&|request| drop(request.fields.pop()));
    changed(&|request| drop(request.fields.drain(..request.fields.len().min(1))));
    changed(&|request| request.fields.iter_mut().for_each(|(_, value)| *value = any.into()));
    changed(&|request| request.fields.iter_mut().for_each(|(_, value)| value.push('\n')));
    changed(&|request| request.name.push_str(any));
    changed(&|request| request.user_agent.push_str(any));
    changed(&|request| {
        request.method = if request.method == Method::Get { Method::Post } else { Method::Get };
    });
    tries
}

/// What leaves goes where the manifest says, has what was asked for and no more, and can be shown.
fn is_as_it_was_asked(manifest: &Manifest, outgoing: &Outgoing, request: &Request) {
    assert_eq!((&outgoing.name, &outgoing.fields, outgoing.method), (&request.name, &request.fields, request.method));
    assert_eq!(outgoing.user_agent, request.user_agent);
    let template = &manifest.capabilities.http.as_ref().expect("nothing leaves without").url;
    let origin = |url: &str| url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    assert_eq!(origin(&outgoing.url), origin(template));
    assert_eq!(outgoing.url.split('/').count(), template.split('/').count(), "{}", outgoing.url);
    assert!(outgoing.url.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte)));
    assert!(outgoing.form.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-~%=&".contains(&byte)));
    assert_eq!(decoded(&outgoing.form), request.fields);
    assert!(!outgoing.shown.contains(ID) || template.contains(ID) || request.name.contains(ID));
}

fn decoded(form: &str) -> Vec<(String, String)> {
    let pairs = form.split('&').filter(|pair| !pair.is_empty());
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
                (b'%', Some(byte)) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                _ => bytes.push(*first),
            }
        }
        String::from_utf8(bytes).expect("UTF-8 was encoded")
    };
    pairs.map(|pair| pair.split_once('=').expect("a pair")).map(|(name, value)| (decode(name), decode(value))).collect()
}
