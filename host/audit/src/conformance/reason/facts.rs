//! What the conditions of reasons ask of a case and of requests.

use super::super::case::Case;
use super::super::recorded_request::{RecordedRequest, decode};
use glassbox_sandbox::enter;
use glassbox_sandbox::manifest::Enters;
use serde_json::Value;

/// The payload keys that a field is made from, with dots in front of keys of inner objects.
pub(super) fn sources(field: &str) -> &'static [&'static str] {
    match field {
        "commerror_text" => &["error"],
        "elapsed" => &["time"],
        "printer_connector" => &["connector"],
        "plugin" => &["id"],
        "plugin_version" => &["version"],
        "firmware_name" => &["name"],
        "printer_port" => &["port"],
        "printer_baudrate" => &["baudrate"],
        "printer_safety_warning_type" => &["warning_type"],
        "printer_safety_check_name" => &["check_name"],
        "achievement" => &["key"],
        "reason" => &["reason"],
        "origin" => &["origin"],
        "slicer" => &["slicer"],
        "throttled_mask" => &["raw_value"],
        "throttled_now" => &["current_issue"],
        "throttled_past" => &["past_issue"],
        "throttled_voltage_now" => &["current_undervoltage"],
        "throttled_voltage_past" => &["past_undervoltage"],
        "throttled_overheat_now" => &["current_overheat"],
        "throttled_overheat_past" => &["past_overheat"],
        "browser_name" => &["browser_name"],
        "browser_version" => &["browser_version"],
        "os_name" => &["os_name"],
        "os_version" => &["os_version"],
        "target" => &["target"],
        "from_version" => &["from_version"],
        "to_version" => &["to_version"],
        "printer_state" => &["state_id"],
        "os" => &["os.id"],
        "platform" => &["os.platform"],
        "bits" => &["os.bits"],
        "python" => &["python.version"],
        "pip" => &["python.pip"],
        "cores" => &["hardware.cores"],
        "freq" => &["hardware.freq"],
        "ram" => &["hardware.ram"],
        "pi_model" => &["pi_support.model"],
        "octopi_version" => &["pi_support.octopi_version"],
        "octopiuptodate_build" => &["pi_support.octopiuptodate_build"],
        _ => &[],
    }
}

/// The value at such a key.
pub(super) fn at<'a>(payload: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(payload, |value, key| value.get(key))
}

/// Whether ours are theirs, with this field in the form in which it enters the box.
pub(super) fn entered(field: &str, how: Enters, theirs: &[RecordedRequest], ours: &[RecordedRequest]) -> bool {
    pairwise(theirs, ours, |their, our| {
        let form = |(name, value): (&str, &str)| {
            let entered = || enter(how, &decode(value).into(), "")?.as_str().map(Into::into);
            let value = if name == field { entered().unwrap_or_default() } else { decode(value) };
            (name.to_string(), value)
        };
        let ours: Vec<_> = our.fields().into_iter().map(|(name, value)| (name.to_string(), decode(value))).collect();
        same_but_fields(their, our) && their.fields().into_iter().map(form).collect::<Vec<_>>() == ours
    })
}

pub(super) fn same_but_fields(their: &RecordedRequest, our: &RecordedRequest) -> bool {
    their.method == our.method && their.path == our.path && their.user_agent == our.user_agent
}

pub(super) fn without(request: &RecordedRequest, leave_out: impl Fn(&str, &str) -> bool) -> Vec<(&str, &str)> {
    request.fields().into_iter().filter(|(name, value)| !leave_out(name, value)).collect()
}

pub(super) fn pairwise(
    theirs: &[RecordedRequest],
    ours: &[RecordedRequest],
    same: impl Fn(&RecordedRequest, &RecordedRequest) -> bool,
) -> bool {
    theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(their, our)| same(their, our))
}

/// An error whose reason cannot stand in a path is not reported.
pub(super) fn odd_reason(case: &Case, ours: &[RecordedRequest]) -> bool {
    case.last_event() == "Error" && ours.is_empty() && !is_word(case.last_payload().get("reason"))
}

/// A scalar as it is reported.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some("unknown".into()),
        _ => None,
    }
}

/// One word of letters, digits, `_`, `.`, `-`.
pub(super) fn is_word(value: Option<&Value>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    value.and_then(Value::as_str).is_some_and(|text| (1..=64).contains(&text.len()) && text.chars().all(plain))
}

pub(super) fn is_float(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("$float"))
}

pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
    let hex = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    lengths && hex && parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b', 'A', 'B'])
}

/// Whether an event of the case lacks what OctoPrint's handler takes for granted.
pub(super) fn malformed(case: &Case) -> bool {
    if case.last_event() == "octoprint_started" {
        return case
            .events
            .iter()
            .any(|event| event.event == "environment" && environment_is_malformed(&event.payload));
    }
    case.events.iter().any(|event| {
        let required: &[&str] = match event.event.as_str() {
            "PrintStarted" | "PrintDone" | "PrintFailed" | "PrintCancelled" => &["path", "origin"],
            "Connected" => &["port", "baudrate"],
            "FirmwareData" => &["name"],
            "plugin_pi_support_throttle_state" => &[
                "raw_value",
                "current_issue",
                "past_issue",
                "current_undervoltage",
                "past_undervoltage",
                "current_overheat",
                "past_overheat",
            ],
            _ => &[],
        };
        let payload = &event.payload;
        let path = payload.get("path").is_some_and(|path| !path.is_string());
        let infinite = payload.get("time").is_some_and(is_float);
        let missing = required.iter().any(|key| payload.get(key).is_none_or(Value::is_null));
        !payload.is_object() || path || infinite || missing
    })
}

/// Whether OctoPrint could not say of this environment what it always says.
pub(super) fn environment_is_malformed(environment: &Value) -> bool {
    let required = ["os.id", "os.platform", "os.bits", "python.version", "python.pip", "pi_support.model"];
    let hardware = ["hardware.cores", "hardware.freq", "hardware.ram"];
    let is_empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(true) => false,
    };
    let plugin = |plugin: &Value| {
        let version = plugin.get("version");
        !plugin.get("key").is_some_and(Value::is_string)
            || version.is_none_or(|version| !version.is_string() && !is_empty(version))
    };
    let list = |name: &str| environment.get(name).and_then(Value::as_array).into_iter().flatten();
    required.iter().chain(&hardware).any(|key| at(environment, key).is_none())
        || list("third_party_plugins").any(plugin)
        || list("achievements").any(|key| !key.is_string())
}

pub(super) fn is_warning(case: &Case, ours: &[RecordedRequest]) -> bool {
    let [our] = ours else { return false };
    // What is no value, or a number that is too large to be one, counts as not known or is left out.
    let expected = |(field, key): &(&'static str, &str)| match case.last_payload().get(*key) {
        Some(Value::Number(number)) if number.as_f64().is_some_and(|number| number.abs() >= 1e16) => None,
        value => Some((*field, value.and_then(text).unwrap_or_else(|| "unknown".into()))),
    };
    let of = [("printer_safety_warning_type", "warning_type"), ("printer_safety_check_name", "check_name")];
    let fields: Vec<_> = our.fields().into_iter().map(|(name, value)| (name, decode(value))).collect();
    our.kind() == "printer_safety_warning" && fields == of.iter().filter_map(expected).collect::<Vec<_>>()
}
