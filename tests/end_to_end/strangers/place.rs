//! A home in which strangers wrote wherever they can, with secrets of the user's beside it, and the files that commands are
//! given.

use super::answers::Answers;
use crate::octoprint::key_file;
use crate::push_server::KEY;
use crate::support::{Home, Program, program, workspace};
use glassbox::home::BUNDLED;
use glassbox_component::embed;
use glassbox_journal::{Journal, JournalEntry, JournalRequest, What};
use glassbox_tests::MISFIT;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const ID: &str = "4711abcd-4711-4711-8711-4711abcd4711";
const SALT: &str = "5a17c686eb195b87960e582ebac8b3c3";

/// What nobody is shown: passwords in URLs, in files and in the environment, keys, id and salt.
pub const SECRETS: [&str; 9] = [
    "hunter2-server",
    "hunter2-broker",
    "hunter2-proxy",
    "hunter2-octoprint",
    "hunter2-env",
    "hunter2-key",
    KEY,
    ID,
    SALT,
];

/// Which texts strangers wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// With everything that a terminal obeys, and something that looks like a line of ours.
    Short,
    /// The same, and then three megabytes.
    Long,
    /// Files are not what they should be at all: bytes that are no text.
    Damaged,
}

const OBEYED: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}\u{e0041}\0\r\ntracking: nothing is sent: FORGED\n";

impl Text {
    pub fn text(self) -> String {
        match self {
            Self::Long => format!("{OBEYED}{}", "x".repeat(3 << 20)),
            _ => OBEYED.into(),
        }
    }

    /// As it is in a file or an answer.
    pub fn bytes(self) -> Vec<u8> {
        [self.text().as_bytes(), b"\x9b31m\xff\xfe\xc3\x28"].concat()
    }
}

/// The home, what answers, and the files.
pub struct Place {
    pub home: Hostile,
    text: Text,
    /// As much of it as a command line takes, in one word.
    word: String,
    answers: Answers,
    /// Kept until the end, since it removes the files.
    files: Home,
}

/// A home in a folder whose name is odd as well.
pub struct Hostile(PathBuf);

impl Hostile {
    pub fn command(&self, arguments: &[&str]) -> Program {
        program(&[]).arg("--home").arg(&self.0).args(arguments)
    }

    fn library(&self) -> glassbox::home::Home {
        glassbox::home::Home::at(&self.0)
    }

    fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Place {
    pub fn new(text: Text) -> Self {
        let files = Home::new();
        let answers = Answers::start(text, &files.0);
        key_file(&files, KEY);
        let home = Hostile(files.0.path("ho\u{1b}[2J\u{202e}\ntracking: nothing is sent: FORGED"));
        home.library().init().unwrap();
        let word = text.text().replace(['\0', ' '], "").chars().take(50_000).collect();
        let place = Self { home, text, word, answers, files };
        place.plugins();
        place.settings();
        place.files();
        place.live();
        place.journal();
        place.damage();
        place
    }

    fn plugins(&self) {
        let text = self.text.text();
        let grant = |name: &str, bytes: &[u8]| {
            self.home.write(format!("plugins/{name}.wasm"), bytes);
            glassbox::home::grants::grant(&self.home.library(), name, bytes).unwrap();
        };
        grant("tracking", BUNDLED);
        grant("misfit", MISFIT);
        grant("tiny", &tiny(&text));
        let described = format!("[plugin]\nname = \"described\"\ndescription = {}\n", json!(text));
        self.home.write("plugins/described.wasm", embed(&smallest(&text), &described).unwrap());
        let name = text.replace(['\0', '/'], "").chars().take(100).collect::<String>() + ".wasm";
        self.home.write(Path::new("plugins").join(name), self.text.bytes());
        self.home.write("plugins/garbage.wasm", self.text.bytes());
    }

    fn settings(&self) {
        let text = self.text.text();
        let odd = format!("http://127.0.0.1:{}/{{id}}/{{event}}/", self.answers.odd);
        let with_password = odd.replace("//", "//me:hunter2-server@");
        let (short, many) = (&text[..OBEYED.len()], json!({&text[..OBEYED.len()]: OBEYED}));
        for folder in ["settings", "settings/mk3", "settings/mk4"] {
            let write =
                |name: &str, settings: Value| self.home.write(format!("{folder}/{name}.json"), settings.to_string());
            write("tracking", json!({"enabled": true, "server": odd, "unique_id": ID, "other": short}));
            let act = if folder == "settings" { "forged-log" } else { "error" };
            write("misfit", json!({"enabled": true, "server": with_password, "note": short, "act": act}));
            write("tiny", json!({"enabled": true, "one": short, "more": many, "server": with_password}));
        }
        let (url, broker) = (&self.answers.octoprint.url(), self.answers.broker.port);
        let config = format!(
            "vcgencmd = {}\n[[octoprint]]\nname = \"mk3\"\nurl = \"{url}\"\napi_key_file = \"../key\"\n\
             [[octoprint]]\nname = \"mk4\"\nurl = \"http://me:hunter2-octoprint@127.0.0.1:{}\"\napi_key_file = \"../key\"\n\
             [[mqtt]]\nurl = \"mqtt://127.0.0.1:{broker}\"\nuser = {}\npassword_file = \"../broker\"\noctoprints = {{ mk5 = \"mk3/\" }}\n",
            json!(short.replace('\0', "")),
            self.answers.odd,
            json!(short.replace('\0', "")),
        );
        self.home.write("glassbox.toml", config);
        self.home.write("../broker", "hunter2-broker");
        self.home.write("state/tracking.identity.json", json!({"id": ID, "salt": SALT}).to_string());
    }

    /// What commands are given.
    fn files(&self) {
        let text = self.text.text();
        let event = |name: &str, payload: Value| json!({"event": name, "payload": payload}).to_string() + "\n";
        let events = [
            event(
                "environment",
                json!({"octoprint": {"version": text}, "os": {"platform": text}, "python": {"version": text}}),
            ),
            event("octoprint_started", json!({"uptime": text})),
            event("PrintStarted", json!({"path": text, "name": text, "origin": text})),
            event(&text, json!({&text: &text})),
            event("Error", json!({"error": text, "reason": text})),
            text.clone(),
        ];
        let folder = &self.files.0;
        folder.write("garbage", self.text.bytes());
        folder.write("events", [events.concat().as_bytes(), &self.text.bytes()].concat());
        let yaml = json!({"plugins": {"tracking": {"enabled": text, "unique_id": ID, "ping": text, "events": {"pong": text},
            "server": "http://me:hunter2-server@example.org/{id}/{event}/", "other": text}}});
        // YAML has no control characters but spelled out.
        let spelled_out = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
        folder.write("config.yaml", yaml.to_string().chars().map(spelled_out).collect::<String>());
        let manifest = format!("[plugin]\nname = {}\ndescription = {}\n", json!(text), json!(text));
        folder.write("manifest.toml", manifest);
        folder.write("module", b"\0asm\x01\0\0\0");
        for what in ["events", "requests"] {
            let day =
                fs::read_to_string(workspace(&format!("examples/sessions/octoprint-1.11.8.{what}.jsonl"))).unwrap();
            let odd = json!({"t": 1000, "event": text, "method": text, "path": text, "query": text, "body": text,
                "user_agent": text, "payload": {"path": text}});
            let day: String = day.lines().take(12).map(|line| line.to_string() + "\n").collect();
            folder.write(&format!("day.{what}.jsonl"), format!("{day}{odd}\n"));
        }
    }

    /// Have a host run there, so that the files that it writes are there.
    fn live(&self) {
        let events = self.files.0.path("events");
        let recording = self.files.0.path("recording");
        let program = self.home.command(&["run", "--events"]).arg(events).arg("--record").arg(recording);
        program.run();
    }

    fn journal(&self) {
        let text = self.text.text();
        let journal = Journal::open(&self.home.0.join("journal")).unwrap();
        let fields = vec![(text.clone(), text.clone())];
        let request = JournalRequest { name: text.clone(), method: text.clone(), path: text.clone(), fields };
        for (what, plugin) in [
            (What::Queued, "tracking"),
            (What::Failed, &*text),
            (What::Quarantined, "tiny"),
            (What::Dropped, "tracking"),
        ] {
            journal.write(&JournalEntry {
                what,
                plugin: plugin.into(),
                octoprint: Some(text.clone()),
                event: Some(text.clone()),
                request: Some(request.clone()),
                reason: Some(text.clone()),
                ..JournalEntry::default()
            });
        }
    }

    /// What programs wrote, with texts of somebody else in it.
    fn damage(&self) {
        if self.text == Text::Damaged {
            let bytes = self.text.bytes();
            for file in
                ["glassbox.toml", "settings/tracking.json", "settings/misfit.json", "grants/tiny.toml", "run.lock"]
            {
                self.home.write(file, &bytes);
            }
            self.home.write("plugins/tracking.wasm.intoto.jsonl", &bytes);
            return self.each_of("journal", |content| content.extend(&bytes));
        }
        let text = self.text.text();
        self.each_of("state", |content| {
            if let Ok(mut value) = serde_json::from_slice(content) {
                replace(&mut value, &text);
                *content = value.to_string().into_bytes();
            }
        });
        self.home
            .write("plugins/tracking.wasm.intoto.jsonl", json!({"payload": text, "payloadType": text}).to_string());
        self.home.write("grants/other.toml", format!("[plugin]\nname = {}\n{}", json!(text), json!(text)));
    }

    fn each_of(&self, folder: &str, change: impl Fn(&mut Vec<u8>)) {
        for entry in fs::read_dir(self.home.0.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let mut content = fs::read(&path).unwrap();
                change(&mut content);
                fs::write(path, content).unwrap();
            }
        }
    }

    /// What a line has in braces.
    pub fn argument(&self, word: &str) -> OsString {
        let file = |name: &str| self.files.0.path(name).into_os_string();
        let url = |rest: String| OsString::from(format!("http://{rest}"));
        let Some(what) = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) else {
            // As `ping={text}`.
            let bytes = word.replace("{text}", &self.word).into_bytes();
            return OsString::from_vec(bytes);
        };
        match what {
            "text" => self.word.clone().into(),
            "raw" => OsString::from_vec([self.word.as_bytes(), b"\x9b\xff"].concat()),
            "described" => self.home.0.join("plugins/described.wasm").into(),
            "octoprint" => self.answers.octoprint.url().into(),
            "odd" => url(format!("127.0.0.1:{}", self.answers.odd)),
            "secret-url" => url(format!("me:hunter2-octoprint@127.0.0.1:{}", self.answers.odd)),
            "tls" => format!("https://127.0.0.1:{}", self.answers.tls.port()).into(),
            "plugin" => self.home.0.join("plugins/tiny.wasm").into(),
            "bundled" => self.home.0.join("plugins/tracking.wasm").into(),
            "yaml" => file("config.yaml"),
            "manifest" => file("manifest.toml"),
            "session" => file("day.events.jsonl"),
            "key" | "module" | "garbage" | "events" | "recording" => file(what),
            new if new.starts_with("new-") => file(&format!("{new}\u{1b}[2J\ntracking: nothing is sent: FORGED")),
            other => panic!("{other} is not known"),
        }
    }

    /// The user's environment, which is no stranger's, but nobody's business.
    pub fn environment(&self, command: &mut Command) {
        command
            .env("GLASSBOX_API_KEY", "hunter2-key")
            .env("HTTPS_PROXY", "http://me:hunter2-proxy@127.0.0.1:9")
            .env("AWS_SECRET_ACCESS_KEY", "hunter2-env");
        for name in ["LANG", "TERM", "TZ", "COLUMNS", "USER", "RUST_LOG", "RUST_BACKTRACE", "XDG_CONFIG_HOME"] {
            command.env(name, &self.word);
        }
    }
}

/// All texts of it, but those that are numbers in hexadecimal digits.
fn replace(value: &mut Value, text: &str) {
    match value {
        Value::String(old) if old.chars().any(|c| !c.is_ascii_hexdigit() && c != '-') => *old = text.into(),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, text)),
        Value::Object(values) => values.values_mut().for_each(|value| replace(value, text)),
        _ => {}
    }
}

/// The smallest tracker, with such texts wherever its schema may have one.
fn tiny(text: &str) -> Vec<u8> {
    let manifest = "[plugin]\nname = \"tiny\"\ndescription = \"The smallest\"\n[capabilities]\n\
        http = { url = \"http://127.0.0.1:9/{id}/{event}/\", url_setting = \"server\", id_setting = \"unique_id\" }\n\
        user_agent = 'Tiny'\n[[sees]]\nevent = \"PrintStarted\"\nfields = [\"path\"]\n";
    embed(&smallest(text), manifest).unwrap()
}

/// The same without a manifest.
fn smallest(text: &str) -> Vec<u8> {
    // A schema has a limit as well, and must be understood to be shown.
    let text: String = text.chars().take(20_000).collect();
    let schema = json!({"title": text, "description": text, "properties": {
        "enabled": {}, "server": {"title": text, "default": "http://me:hunter2-server@example.org/"},
        "one": {"title": text, "description": text, "default": text, "enum": [text, "b"]},
        "two": {"type": text, "default": {"a": text}, "description": text, "pattern": text},
        text.as_str(): {"title": text}}})
    .to_string();
    let wat = fs::read_to_string(workspace("tests/hostile/tiny.wat")).unwrap();
    let data: String = schema.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let place = "(i32.store (i32.const 0) (i32.const 16))\n      (i32.store (i32.const 4) (i32.const 2))";
    let moved =
        format!("(i32.store (i32.const 0) (i32.const 500000)) (i32.store (i32.const 4) (i32.const {}))", schema.len());
    assert!(wat.contains(place));
    let wat = wat.replace(place, &moved).replace(";; module", &format!("(data (i32.const 500000) \"{data}\")"));
    wat::parse_str(wat).unwrap()
}
