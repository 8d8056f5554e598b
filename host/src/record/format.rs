//! How a recording is written: JSON lines, one for each crossing of the boundary, after a header. Texts
//! that are JSON stand as such where that loses nothing, so that people can read them.

use super::crossing::{Asked, Back, Call, Moment, Passage, Sent, Start, method};
use glassbox_sandbox::Request;
use glassbox_sandbox::capabilities::Machine;
use serde_json::{Map, Value, json};

/// The version of the format.
pub const VERSION: u64 = 1;

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The program that wrote it, and its version.
    pub made_by: String,
    /// Whether texts are stand-ins for what was there.
    pub redacted: bool,
    /// Whether it holds the last calls before a failure, and not a whole run.
    pub trap: bool,
}

/// Any line.
#[derive(Clone, Debug)]
pub enum RecordLine {
    /// The first.
    Header(Header),
    /// A call into an instance.
    Call(u64, Moment, Call),
    /// What it asked of the host, with the answer.
    Asked(u64, Asked),
    /// How the call ended, and how much work it was.
    Back(u64, Back, Option<u64>),
    /// The last, and why.
    End(String),
}

impl Header {
    /// Of a recording that this program writes now.
    #[must_use]
    pub fn new(redacted: bool, trap: bool) -> Self {
        Self { made_by: concat!("glassbox ", env!("CARGO_PKG_VERSION")).into(), redacted, trap }
    }
}

/// All lines of a passage.
#[must_use]
pub fn lines(passage: &Passage) -> String {
    let Passage { life, moment, call, asked, back, fuel } = passage;
    let mut text = line(&call_value(*life, moment, call));
    asked.iter().for_each(|asked| text.push_str(&line(&asked_value(*life, asked))));
    let mut value = back_value(*life, back, call.export());
    put(&mut value, "fuel", *fuel);
    text + &line(&value)
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// The first line.
#[must_use]
pub fn header(header: &Header) -> String {
    let Header { made_by, redacted, trap } = header;
    let of = if *trap { "the last calls before a failure" } else { "a run" };
    let texts = if *redacted { "stand-ins" } else { "as they were" };
    line(&json!({"glassbox_recording": VERSION, "made_by": made_by, "of": of, "texts": texts}))
}

/// The last line.
#[must_use]
pub fn end(why: &str) -> String {
    line(&json!({"end": why}))
}

fn call_value(life: u64, moment: &Moment, call: &Call) -> Value {
    let seconds = moment.t as f64 / 1e6;
    let mut value = json!({"n": life, "t": seconds, "clock": moment.clock, "call": call.export()});
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
        Call::Load(document) => value["document"] = embed(document),
        Call::Restore { state, age } => {
            value["age_ns"] = (*age).into();
            value["state"] = embed(state);
        }
        Call::Event { name, payload } => {
            value["name"] = name.as_str().into();
            value["payload"] = embed(payload);
        }
        Call::Tick | Call::Save => {}
    }
    value
}

/// What was asked, and the answer.
#[must_use]
pub fn asked_value(life: u64, asked: &Asked) -> Value {
    let (what, answer) = match asked {
        Asked::Send(sent) => return sent_value(life, sent),
        Asked::Now(now) => ("clock.now", json!(now)),
        Asked::Probe(machine) => ("hardware.probe", machine_value(machine)),
        Asked::Query(mask) => ("throttle.query", json!(mask)),
        Asked::Random(bytes) => ("random", json!(bytes.as_deref().map(hex))),
        Asked::Lost(count) => ("too much to keep", json!(count)),
    };
    json!({"n": life, "asks": what, "answer": answer})
}

fn sent_value(life: u64, sent: &Sent) -> Value {
    let Request { method, name, fields, user_agent } = &sent.request;
    let mut value = json!({"n": life, "asks": "http.send", "method": method.to_string(), "name": name,
        "fields": fields, "user_agent": user_agent});
    put(&mut value, "room", sent.room);
    put(&mut value, "now", sent.now);
    value["answer"] = "queued".into();
    if let Some((word, why)) = &sent.refused {
        value["answer"] = word.as_str().into();
        value["why"] = why.as_str().into();
    }
    value
}

/// How a call ended; `export` is what was called.
#[must_use]
pub fn back_value(life: u64, back: &Back, export: &str) -> Value {
    let mut value = json!({"n": life, "returns": export});
    match back {
        Back::Started | Back::Restored(Ok(())) => {}
        Back::Loaded(Ok(added)) => value["added"] = embed(added),
        Back::Loaded(Err(reason)) | Back::Restored(Err(reason)) => value["refuses"] = reason.as_str().into(),
        Back::Done { next_tick, message } => {
            put(&mut value, "next_tick", *next_tick);
            put(&mut value, "message", message.as_deref());
        }
        Back::Saved(state) => value["state"] = embed(state),
        Back::Failed(reason) => value["fails"] = reason.as_str().into(),
    }
    value
}

fn put(value: &mut Value, key: &str, what: Option<impl Into<Value>>) {
    if let Some(what) = what {
        value[key] = what.into();
    }
}

/// A text as JSON, if it is exactly what that JSON is written as; else as a string.
fn embed(text: &str) -> Value {
    // As deep as it will stand in its line: what is nested too deep is not read back.
    let parsed = serde_json::from_str::<[Value; 1]>(&format!("[{text}]")).ok();
    let written = parsed.map(|[value]| (value.to_string(), value));
    let same = written.filter(|(written, value)| !value.is_string() && written == text);
    same.map_or_else(|| text.into(), |(_, value)| value)
}

fn unembed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<Vec<u8>>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
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
    // As text: JSON's numbers would not bring back every bit.
    put(&mut value, "frequency_mhz", frequency_mhz.map(|frequency| frequency.to_string()));
    put(&mut value, "memory_bytes", *memory_bytes);
    value
}

/// Read a line.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<RecordLine, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let Value::Object(object) = value else { return Err("it is not a JSON object".into()) };
    let fields = Fields(&object);
    if let Some(version) = object.get("glassbox_recording") {
        return read_header(version, &fields).map(RecordLine::Header);
    }
    if object.contains_key("end") {
        return Ok(RecordLine::End(fields.text("end")?));
    }
    let life = fields.number("n")?;
    if object.contains_key("call") {
        let seconds = object.get("t").and_then(Value::as_f64).filter(|t| (0.0..1e9).contains(t));
        let t = (seconds.ok_or("'t' is not a time")? * 1e6).round() as u64;
        let made_up = object.get("made_up") == Some(&Value::Bool(true));
        return Ok(RecordLine::Call(life, Moment { t, clock: fields.number("clock")?, made_up }, read_call(&fields)?));
    }
    if object.contains_key("asks") {
        return Ok(RecordLine::Asked(life, read_asked(&fields)?));
    }
    Ok(RecordLine::Back(life, read_back(&fields)?, fields.optional("fuel", Fields::number)?))
}

fn read_header(version: &Value, fields: &Fields) -> Result<Header, String> {
    if version.as_u64() != Some(VERSION) {
        return Err(format!("it is of version {version} of the format, and this program reads version {VERSION}"));
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
        "settings.load" => Call::Load(fields.embedded("document")?),
        "handover.restore" => Call::Restore { state: fields.embedded("state")?, age: fields.number("age_ns")? },
        "on-event" => Call::Event { name: fields.text("name")?, payload: fields.embedded("payload")? },
        "on-tick" => Call::Tick,
        "handover.save" => Call::Save,
        _ => return Err("its 'call' is none that there is".into()),
    })
}

fn read_asked(fields: &Fields) -> Result<Asked, String> {
    let answer = fields.0.get("answer").filter(|answer| !answer.is_null());
    Ok(match fields.text("asks")?.as_str() {
        "http.send" => Asked::Send(read_sent(fields)?),
        "clock.now" => Asked::Now(fields.number("answer")?),
        "hardware.probe" => Asked::Probe(Box::new(read_machine(answer)?)),
        "throttle.query" => {
            let number = answer.map(|_| fields.number("answer")).transpose()?;
            Asked::Query(number.map(u32::try_from).transpose().map_err(|_| "'answer' is not a mask")?)
        }
        "random" => {
            let bytes = |answer: &Value| answer.as_str().and_then(unhex).ok_or("'answer' is not hex");
            Asked::Random(answer.map(bytes).transpose()?)
        }
        "too much to keep" => Asked::Lost(fields.number("answer")?),
        _ => return Err("its 'asks' is nothing that can be asked".into()),
    })
}

fn read_sent(fields: &Fields) -> Result<Sent, String> {
    let pairs = serde_json::from_value(fields.get("fields")?.clone());
    let request = Request {
        method: method(&fields.text("method")?).ok_or("'method' is not a method")?,
        name: fields.text("name")?,
        fields: pairs.map_err(|_| "'fields' is not a list of names and values")?,
        user_agent: fields.text("user_agent")?,
    };
    let refused = match fields.text("answer")? {
        queued if queued == "queued" => None,
        word => Some((word, fields.text("why")?)),
    };
    let optional = |key| fields.optional(key, Fields::number);
    Ok(Sent { request, room: optional("room")?, now: optional("now")?, refused })
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

fn read_back(fields: &Fields) -> Result<Back, String> {
    if fields.0.contains_key("fails") {
        return Ok(Back::Failed(fields.text("fails")?));
    }
    let refuses = fields.optional("refuses", Fields::text)?;
    Ok(match (fields.text("returns")?.as_str(), refuses) {
        ("start", None) => Back::Started,
        ("settings.load", None) => Back::Loaded(Ok(fields.embedded("added")?)),
        ("settings.load", Some(reason)) => Back::Loaded(Err(reason)),
        ("handover.restore", None) => Back::Restored(Ok(())),
        ("handover.restore", Some(reason)) => Back::Restored(Err(reason)),
        ("on-event" | "on-tick", None) => Back::Done {
            next_tick: fields.optional("next_tick", Fields::number)?,
            message: fields.optional("message", Fields::text)?,
        },
        ("handover.save", None) => Back::Saved(fields.embedded("state")?),
        _ => return Err("its 'returns' is nothing that returns".into()),
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

    fn embedded(&self, key: &str) -> Result<String, String> {
        self.get(key).map(unembed)
    }

    fn optional<T>(&self, key: &str, read: impl Fn(&Self, &str) -> Result<T, String>) -> Result<Option<T>, String> {
        if self.0.contains_key(key) { read(self, key).map(Some) } else { Ok(None) }
    }
}
