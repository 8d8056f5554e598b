//! How a recording is written: a header, then a line of JSON for each crossing of the boundary. Texts that are JSON are
//! embedded as such if that loses nothing, so that people can read them. Which lines form a call, and how a recording
//! may end, is checked in [`super::reader`].

use super::crossing::{Call, HostCall, Load, Moment, RecordedCall, Restore, Returned, SentRequest, Start, method};
use glassbox_sandbox::capabilities::Machine;
use glassbox_sandbox::{Handover, HeardAgain, Request};
use glassbox_util::json::repaired;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The version of the format. In the first one, events were written as OctoPrint sent them; in the second one, trackers
/// kept what they had heard and their times themselves.
pub const VERSION: u64 = 3;

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The program that wrote it, and its version.
    pub made_by: String,
    /// Whether its texts are stand-ins for the real ones.
    pub redacted: bool,
    /// Whether it holds only the last calls before a failure, not a whole run.
    pub trap: bool,
}

/// A line of a recording. Calls of several instances may alternate; each line has its instance's number.
#[derive(Clone, Debug)]
pub enum RecordLine {
    /// The first line.
    Header(Header),
    /// A call into an instance.
    Call(u64, Moment, Call),
    /// What it asked of the host, with the answer.
    HostCall(u64, HostCall),
    /// How the call ended, and how much work it was.
    Returned(u64, Returned, Option<u64>),
    /// The last line, with the reason: `stopped` or `full`.
    End(String),
}

impl Header {
    /// The header of a recording that this program writes now.
    pub fn new(redacted: bool, trap: bool) -> Self {
        Self { made_by: concat!("glassbox ", env!("CARGO_PKG_VERSION")).into(), redacted, trap }
    }
}

/// All lines of a call.
pub fn lines(recorded: &RecordedCall) -> String {
    let RecordedCall { instance_id, moment, call, asked, returned, fuel } = recorded;
    let mut text = line(&call_value(*instance_id, moment, call));
    asked.iter().for_each(|asked| text.push_str(&line(&asked_value(*instance_id, asked))));
    let mut value = returned_value(*instance_id, returned, call.export());
    put(&mut value, "fuel", *fuel);
    text + &line(&value)
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// The first line.
pub fn header(header: &Header) -> String {
    let Header { made_by, redacted, trap } = header;
    let of = if *trap { "the last calls before a failure" } else { "a run" };
    let texts = if *redacted { "stand-ins" } else { "as they were" };
    line(&json!({"glassbox_recording": VERSION, "made_by": made_by, "of": of, "texts": texts}))
}

/// The last line; `why` is `stopped` or `full`.
pub fn end(why: &str) -> String {
    line(&json!({"end": why}))
}

fn call_value(instance_id: u64, moment: &Moment, call: &Call) -> Value {
    let seconds = moment.t as f64 / 1e6;
    let mut value = json!({"n": instance_id, "t": seconds, "clock": moment.clock, "call": call.export()});
    if moment.made_up {
        value["made_up"] = true.into();
    }
    match call {
        Call::Start(Start { plugin, octoprint, digest, veto, after }) => {
            value["plugin"] = plugin.as_str().into();
            value["digest"] = digest.as_str().into();
            let texts = [("octoprint", octoprint), ("veto", veto)];
            texts.into_iter().for_each(|(key, text)| put(&mut value, key, text.as_deref()));
            put(&mut value, "after", *after);
        }
        Call::Load(Load { document, shown }) => {
            value["shown"] = embed(shown);
            value["document"] = embed(document);
        }
        Call::Restore(Restore { heard, state, age_ms, due }) => {
            value["heard"] = heard.iter().map(heard_value).collect();
            value["state"] = embed(state);
            value["age_ms"] = (*age_ms).into();
            put(&mut value, "due", due.as_deref().map(embed));
        }
        Call::Event { name, payload } => {
            value["name"] = name.as_str().into();
            value["payload"] = embed(payload);
        }
        Call::Heard { name } => value["name"] = name.as_str().into(),
        Call::Tick { due } => value["due"] = due.as_slice().into(),
        Call::Save => {}
    }
    value
}

fn heard_value(HeardAgain { name, payload, age_ms }: &HeardAgain) -> Value {
    json!({"name": name, "payload": embed(payload), "age_ms": age_ms})
}

/// The line for something that was asked of the host, with the answer.
pub fn asked_value(instance_id: u64, asked: &HostCall) -> Value {
    let (what, answer) = match asked {
        HostCall::Send(sent) => return sent_value(instance_id, sent),
        HostCall::Probe(machine) => ("hardware.probe", machine_value(machine)),
        HostCall::Query(mask) => ("throttle.query", json!(mask)),
        HostCall::Lost(count) => ("too much to keep", json!(count)),
    };
    json!({"n": instance_id, "asks": what, "answer": answer})
}

fn sent_value(instance_id: u64, sent: &SentRequest) -> Value {
    let Request { method, name, fields, user_agent } = &sent.request;
    let mut value = json!({"n": instance_id, "asks": "http.send", "method": method.to_string(), "name": name,
        "fields": fields, "user_agent": user_agent});
    put(&mut value, "room", sent.room);
    put(&mut value, "refused", sent.refused.as_deref());
    value
}

/// The line for how a call ended; `export` is what was called.
pub fn returned_value(instance_id: u64, returned: &Returned, export: &str) -> Value {
    let mut value = json!({"n": instance_id, "returns": export});
    match returned {
        Returned::Started | Returned::Heard | Returned::Loaded(Ok(())) | Returned::Restored(Ok(())) => {}
        Returned::Loaded(Err(reason)) | Returned::Restored(Err(reason)) => value["refuses"] = reason.as_str().into(),
        Returned::Done { next_tick, message } => {
            put(&mut value, "next_tick", *next_tick);
            put(&mut value, "message", message.as_deref());
        }
        Returned::Saved(Handover { state, dropped }) => {
            value["state"] = embed(state);
            put(&mut value, "dropped", Some(*dropped).filter(|dropped| *dropped > 0));
        }
        Returned::Failed(reason) => value["fails"] = reason.as_str().into(),
    }
    value
}

fn put(value: &mut Value, key: &str, what: Option<impl Into<Value>>) {
    if let Some(what) = what {
        value[key] = what.into();
    }
}

/// A text as JSON, if writing that JSON gives exactly the same text; else as a string.
fn embed(text: &str) -> Value {
    // A reader repairs the whole line: what would not stay as it is there, as it is nested too deep, remains a text.
    let in_line = format!("[[[[[[{text}]]]]]]");
    let stays = matches!(repaired(in_line.as_bytes()), Cow::Borrowed(_));
    let parsed = stays.then(|| serde_json::from_str::<Value>(text).ok()).flatten();
    let written = parsed.map(|value| (value.to_string(), value));
    let same = written.filter(|(written, value)| !value.is_string() && written == text);
    same.map_or_else(|| text.into(), |(_, value)| value)
}

fn unembed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn machine_value(machine: &Machine) -> Value {
    let Machine { os, platform, bits, cores, frequency_mhz, memory_bytes, pi_model, .. } = machine;
    let mut value = json!({});
    let texts = [("os", os), ("platform", platform), ("pi_model", pi_model)];
    let texts = texts
        .into_iter()
        .chain([("octopi_version", &machine.octopi_version), ("octopiuptodate_build", &machine.octopiuptodate_build)]);
    texts.for_each(|(key, text)| put(&mut value, key, text.as_deref()));
    put(&mut value, "bits", *bits);
    put(&mut value, "cores", *cores);
    // As text, since a JSON number may not keep every bit.
    put(&mut value, "frequency_mhz", frequency_mhz.map(|frequency| frequency.to_string()));
    put(&mut value, "memory_bytes", *memory_bytes);
    value
}

/// Parse a line.
///
/// # Errors
/// When it is not a line of a recording. The text says what is wrong, for people; the caller adds the line's number.
pub fn parse(text: &str) -> Result<RecordLine, String> {
    let value: Value =
        serde_json::from_str(&repaired(text.as_bytes())).map_err(|error| format!("it is not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("it is not a JSON object".into()) };
    let fields = Fields(&object);
    if let Some(version) = object.get("glassbox_recording") {
        return read_header(version, &fields).map(RecordLine::Header);
    }
    if object.contains_key("end") {
        return Ok(RecordLine::End(fields.text("end")?));
    }
    let instance_id = fields.number("n")?;
    if object.contains_key("call") {
        let seconds = object.get("t").and_then(Value::as_f64).filter(|t| (0.0..1e9).contains(t));
        let t = (seconds.ok_or("'t' is not a time")? * 1e6).round() as u64;
        let made_up = object.get("made_up") == Some(&Value::Bool(true));
        return Ok(RecordLine::Call(
            instance_id,
            Moment { t, clock: fields.number("clock")?, made_up },
            read_call(&fields)?,
        ));
    }
    if object.contains_key("asks") {
        return Ok(RecordLine::HostCall(instance_id, read_asked(&fields)?));
    }
    Ok(RecordLine::Returned(instance_id, read_back(&fields)?, fields.optional("fuel", Fields::number)?))
}

fn read_header(version: &Value, fields: &Fields) -> Result<Header, String> {
    if version.as_u64() != Some(VERSION) {
        return Err(format!(
            "it is of version {version} of the format, and this program reads version {VERSION}: replay it with the \
             glassbox that made it"
        ));
    }
    let trap = fields.text("of")? != "a run";
    Ok(Header { made_by: fields.text("made_by")?, redacted: fields.text("texts")? == "stand-ins", trap })
}

fn read_call(fields: &Fields) -> Result<Call, String> {
    Ok(match fields.text("call")?.as_str() {
        "start" => Call::Start(Start {
            plugin: fields.text("plugin")?,
            octoprint: fields.optional("octoprint", Fields::text)?,
            digest: fields.text("digest")?,
            veto: fields.optional("veto", Fields::text)?,
            after: fields.optional("after", Fields::number)?,
        }),
        "settings.load" => {
            Call::Load(Load { document: fields.embedded("document")?, shown: fields.embedded("shown")? })
        }
        "handover.restore" => Call::Restore(Restore {
            heard: fields.list("heard")?.iter().map(read_heard).collect::<Result<_, _>>()?,
            state: fields.embedded("state")?,
            age_ms: fields.number("age_ms")?,
            due: fields.optional("due", Fields::embedded)?,
        }),
        "on-event" => Call::Event { name: fields.text("name")?, payload: fields.embedded("payload")? },
        "heard" => Call::Heard { name: fields.text("name")? },
        "on-tick" => {
            let names = fields.list("due")?.iter().map(|name| name.as_str().map(Into::into));
            Call::Tick { due: names.collect::<Option<_>>().ok_or("'due' is not a list of names")? }
        }
        "handover.save" => Call::Save,
        _ => return Err("its 'call' is not known".into()),
    })
}

fn read_heard(value: &Value) -> Result<HeardAgain, String> {
    let fields = Fields(value.as_object().ok_or("'heard' is not a list of events")?);
    Ok(HeardAgain {
        name: fields.text("name")?,
        payload: fields.embedded("payload")?,
        age_ms: fields.number("age_ms")?,
    })
}

fn read_asked(fields: &Fields) -> Result<HostCall, String> {
    let answer = fields.0.get("answer").filter(|answer| !answer.is_null());
    Ok(match fields.text("asks")?.as_str() {
        "http.send" => HostCall::Send(read_sent(fields)?),
        "hardware.probe" => HostCall::Probe(Box::new(read_machine(answer)?)),
        "throttle.query" => {
            let number = answer.map(|_| fields.number("answer")).transpose()?;
            HostCall::Query(number.map(u32::try_from).transpose().map_err(|_| "'answer' is not a mask")?)
        }
        "too much to keep" => HostCall::Lost(fields.number("answer")?),
        _ => return Err("its 'asks' is not known".into()),
    })
}

fn read_sent(fields: &Fields) -> Result<SentRequest, String> {
    let pairs = serde_json::from_value(fields.get("fields")?.clone());
    let request = Request {
        method: method(&fields.text("method")?).ok_or("'method' is not a method")?,
        name: fields.text("name")?,
        fields: pairs.map_err(|_| "'fields' is not a list of names and values")?,
        user_agent: fields.text("user_agent")?,
    };
    let room = fields.optional("room", Fields::number)?;
    Ok(SentRequest { request, room, refused: fields.optional("refused", Fields::text)? })
}

fn read_machine(value: Option<&Value>) -> Result<Machine, String> {
    let object = value.and_then(Value::as_object).ok_or("'answer' is not a machine")?;
    let fields = Fields(object);
    let text = |key| fields.optional(key, Fields::text);
    let small = |key| {
        let number = fields.optional(key, Fields::number)?;
        number.map(u32::try_from).transpose().map_err(|_| format!("'{key}' is too large"))
    };
    let frequency = text("frequency_mhz")?.map(|text| text.parse::<f64>());
    Ok(Machine {
        os: text("os")?,
        platform: text("platform")?,
        bits: small("bits")?,
        cores: small("cores")?,
        frequency_mhz: frequency.transpose().map_err(|_| "'frequency_mhz' is not a number")?,
        memory_bytes: fields.optional("memory_bytes", Fields::number)?,
        pi_model: text("pi_model")?,
        octopi_version: text("octopi_version")?,
        octopiuptodate_build: text("octopiuptodate_build")?,
    })
}

fn read_back(fields: &Fields) -> Result<Returned, String> {
    if fields.0.contains_key("fails") {
        return Ok(Returned::Failed(fields.text("fails")?));
    }
    let refuses = fields.optional("refuses", Fields::text)?;
    Ok(match (fields.text("returns")?.as_str(), refuses) {
        ("start", None) => Returned::Started,
        ("heard", None) => Returned::Heard,
        ("settings.load", None) => Returned::Loaded(Ok(())),
        ("settings.load", Some(reason)) => Returned::Loaded(Err(reason)),
        ("handover.restore", None) => Returned::Restored(Ok(())),
        ("handover.restore", Some(reason)) => Returned::Restored(Err(reason)),
        ("on-event" | "on-tick", None) => Returned::Done {
            next_tick: fields.optional("next_tick", Fields::number)?,
            message: fields.optional("message", Fields::text)?,
        },
        ("handover.save", None) => {
            let dropped = fields.optional("dropped", Fields::number)?.unwrap_or_default();
            let dropped = usize::try_from(dropped).map_err(|_| "'dropped' is too large")?;
            Returned::Saved(Handover { state: fields.embedded("state")?, dropped })
        }
        _ => return Err("its 'returns' is not known".into()),
    })
}

/// The keys of a line.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, key: &str) -> Result<&Value, String> {
        self.0.get(key).ok_or_else(|| format!("'{key}' is missing"))
    }

    fn text(&self, key: &str) -> Result<String, String> {
        self.get(key)?.as_str().map(Into::into).ok_or_else(|| format!("'{key}' is not text"))
    }

    fn number(&self, key: &str) -> Result<u64, String> {
        self.get(key)?.as_u64().ok_or_else(|| format!("'{key}' is not a number from 0"))
    }

    fn list(&self, key: &str) -> Result<&[Value], String> {
        self.get(key)?.as_array().map(Vec::as_slice).ok_or_else(|| format!("'{key}' is not a list"))
    }

    fn embedded(&self, key: &str) -> Result<String, String> {
        self.get(key).map(unembed)
    }

    fn optional<T>(&self, key: &str, read: impl Fn(&Self, &str) -> Result<T, String>) -> Result<Option<T>, String> {
        if self.0.contains_key(key) { read(self, key).map(Some) } else { Ok(None) }
    }
}
