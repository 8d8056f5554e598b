//! Audits that are signed, and a host that loads only what enough auditors vouch for.

use crate::support::{
    ENVIRONMENT, Folder, Home, LONG, Output, Process, SILENCE, STARTED, program, receiver, wait_until, workspace,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glassbox::attest::dsse::pae;
use glassbox_audit::conformance::receiver::Receiver;
use glassbox_tests::{counter, skip};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Auditors' keys, secret and public, as OpenSSL writes them.
pub struct Auditor {
    secret: PathBuf,
    line: String,
}

impl Auditor {
    pub fn new(folder: &Folder, name: &str, seed: u8) -> Self {
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([seed; 32]);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der));
        let secret = folder.path(&format!("{name}.key"));
        let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&secret).unwrap();
        std::io::Write::write_all(&mut file, pem.as_bytes()).unwrap();
        let seed = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = ring::signature::KeyPair::public_key(&seed).as_ref().to_vec();
        let spki = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &public].concat();
        Self { secret, line: STANDARD.encode(spki) }
    }

    pub fn pem(&self) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", self.line)
    }

    fn sign(&self, file: &Path, arguments: &[&str]) -> Output {
        program(&["audit", "--quick"]).arg(file).arg("--sign").arg(&self.secret).args(arguments).run()
    }
}

pub fn require(home: &Home, keys: &[&str], needed: usize) {
    let text = format!("[policy]\nrequire_audit_by = {}\nrequire = {needed}\nfull = false\n", json!(keys));
    fs::write(home.root().join("glassbox.toml"), text).unwrap();
}

fn put(home: &Home, component: &[u8]) {
    let temporary = home.root().join("new");
    fs::write(&temporary, component).unwrap();
    fs::rename(temporary, home.plugin("counter")).unwrap();
}

fn attestations(home: &Home) -> PathBuf {
    home.root().join("plugins/counter.wasm.intoto.jsonl")
}

/// Sign a version that does not lie in the plugin folder yet.
pub fn sign_version(home: &Home, auditor: &Auditor, version: &str) {
    let file = home.0.write(&format!("{version}.wasm"), counter(version));
    auditor.sign(&file, &["--out", attestations(home).to_str().unwrap()]).good();
}

/// A home with a counter that is granted and switched on.
pub fn home_with_counter(receiver: &Receiver) -> Home {
    let home = Home::opted_in(&receiver.url());
    fs::remove_file(home.plugin("tracking")).unwrap();
    fs::write(home.plugin("counter"), counter("first")).unwrap();
    home.run(&["opt-in", "counter"]).good();
    let settings = json!({"enabled": true, "id": "4711", "server": receiver.url()});
    fs::write(home.root().join("settings/counter.json"), settings.to_string()).unwrap();
    home
}

/// The version that reports, when it has reported.
#[track_caller]
fn version(process: &mut Process, receiver: &Receiver) -> String {
    let reports = || receiver.requests().into_iter().filter(|one| one.kind() == "report").collect::<Vec<_>>();
    let before = reports().len();
    process.send(r#"{"event":"Report"}"#);
    wait_until("a report", || reports().len() > before);
    let query = &reports()[before].query;
    query.split('&').next().unwrap().trim_start_matches("version=").into()
}

#[test]
fn what_is_signed_is_the_report_and_openssl_agrees() {
    let home = Home::new();
    let auditor = Auditor::new(&home.0, "alice", 1);
    let file = home.plugin("tracking");
    let report = auditor.sign(&file, &["--json", "--valid-days", "30"]).good();
    let beside = home.root().join("plugins/tracking.wasm.intoto.jsonl");
    let envelope: Value = serde_json::from_str(fs::read_to_string(&beside).unwrap().trim()).unwrap();
    let body = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&body).unwrap();
    let digest = glassbox_sandbox::digest(glassbox::home::BUNDLED);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"], json!([{"name": "tracking.wasm", "digest": {"sha256": digest}}]));
    assert_eq!(statement["predicateType"], "urn:glassbox:audit:v1");
    let predicate = &statement["predicate"];
    assert_eq!(predicate["report"]["sha256"], glassbox_sandbox::digest(report.as_bytes()));
    assert!(program(&["--version"]).run().good().contains(predicate["auditor"]["version"].as_str().unwrap()));
    let time = |key: &str| predicate[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(time("expires").duration_since(time("time")).as_hours(), 30 * 24);

    // A second one is added, and says where.
    let out = auditor.sign(&file, &[]).good();
    assert!(out.contains("\nsigned   with key ") && out.contains(": good\n"), "{out}");
    assert_eq!(fs::read_to_string(&beside).unwrap().lines().count(), 2);

    let public = home.0.write("alice.pub", auditor.pem());
    let signature = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let signature = home.0.write("signature", signature);
    let verify = |message: &[u8]| {
        let message = home.0.write("message", message);
        let mut openssl = Command::new("openssl");
        openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(&public).arg("-in").arg(message);
        openssl.arg("-sigfile").arg(&signature).stdout(Stdio::null()).stderr(Stdio::null()).status()
    };
    let message = pae("application/vnd.in-toto+json", &body);
    match verify(&message) {
        Err(_) => skip("openssl is not installed, so that only we have checked the signature"),
        Ok(status) => {
            assert!(status.success());
            assert!(!verify(&body).unwrap().success(), "the bare payload is not what was signed");
        }
    }
}

#[test]
fn keys_that_openssl_makes_are_taken() {
    let home = Home::new();
    let (secret, public) = (home.0.path("own.key"), home.0.path("own.pub"));
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        let status = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.map(|status| assert!(status.success(), "{arguments:?}"))
    };
    let (secret_name, public_name) = (secret.to_str().unwrap(), public.to_str().unwrap());
    if openssl(&["genpkey", "-algorithm", "ed25519", "-out", secret_name]).is_err() {
        return skip("openssl is not installed");
    }
    openssl(&["pkey", "-in", secret_name, "-pubout", "-out", public_name]).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    home.grant();
    program(&["audit", "--quick"]).arg(home.plugin("tracking")).arg("--sign").arg(&secret).run().good();
    require(&home, &[public_name], 1);
    let list = home.run(&["list"]).good();
    assert!(list.contains(&format!("\n    vouched for by {public_name} until 2")), "{list}");
    // Others of its kind are no keys of ours.
    openssl(&["genpkey", "-algorithm", "x25519", "-out", secret_name]).unwrap();
    let message = program(&["audit", "--quick"]).arg(home.plugin("tracking")).arg("--sign").arg(&secret).run().error();
    let expected = format!("the signing key in {secret_name}: it is not an Ed25519 key: ");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn a_key_is_for_its_owner_and_a_signature_needs_one() {
    let home = Home::new();
    let auditor = Auditor::new(&home.0, "alice", 1);
    let file = home.plugin("tracking");
    fs::set_permissions(&auditor.secret, fs::Permissions::from_mode(0o644)).unwrap();
    let message = auditor.sign(&file, &[]).error();
    assert!(message.starts_with("others can read the signing key in ") && message.contains("chmod 600"), "{message}");
    let out = home.0.path("out");
    assert_eq!(program(&["audit", "--quick"]).arg(&file).arg("--out").arg(&out).run().status, Some(2));
    assert!(!out.exists() && !home.root().join("plugins/tracking.wasm.intoto.jsonl").exists());
    fs::set_permissions(&auditor.secret, fs::Permissions::from_mode(0o600)).unwrap();
    // What fails is signed, too; what is not a plugin is not.
    let wrong = home.0.write("wrong.wasm", "garbage");
    let message = auditor.sign(&wrong, &[]).error();
    assert!(message.starts_with("it cannot be signed: it has no manifest"), "{message}");
}

#[test]
fn nothing_runs_for_which_nobody_vouches() {
    let receiver = receiver();
    let home = home_with_counter(&receiver);
    let alice = Auditor::new(&home.0, "alice", 1);
    require(&home, &[&alice.line], 1);
    let message = home.run(&["run", "--events", "-"]);
    assert_eq!(message.status, Some(2), "{}", message.err);
    let waits = "waiting: [policy] in glassbox.toml requires 1 of its keys to vouch for it, and 0 do;";
    assert!(message.err.contains(waits), "{}", message.err);
    for command in ["status", "settings"] {
        let output = home.run(if command == "status" { &["status"] } else { &["settings", "counter"] });
        assert!(format!("{}{}", output.out, output.err).contains(waits), "{output:?}");
    }
    let list = home.run(&["list"]).good();
    assert!(
        list.contains("\n    nothing is sent: waiting: [policy] in glassbox.toml requires 1")
            && list.contains("no valid attestation")
    );
    // Who vouches is given in any of three ways, and one that cannot be read vouches for nothing.
    sign_version(&home, &alice, "first");
    fs::write(home.root().join("alice.pub"), alice.pem()).unwrap();
    for given in [alice.line.as_str(), &alice.pem(), "alice.pub"] {
        require(&home, &[given], 1);
        let status = home.run(&["status"]).good();
        assert!(status.contains("counter: reports are sent while the host runs"), "{status}");
    }
    require(&home, &["alice.pub", &alice.line], 2);
    assert!(home.run(&["status"]).good().contains("requires 2 of its keys to vouch for it, and 1 does;"));
    require(&home, &["gone.pub"], 1);
    let status = home.run(&["status"]).good();
    assert!(
        status.contains("\n      - require_audit_by in glassbox.toml: ") && status.contains("gone.pub: No such file")
    );
    // An empty list is a list: without its last key nothing is loaded.
    require(&home, &[], 1);
    assert!(home.run(&["status"]).good().contains("counter: nothing is sent: waiting: "));
    for (policy, words) in [
        ("[policy]\nrequire = 1\n", "missing field `require_audit_by`"),
        ("[policy]\nrequire_audit_by = [\"a\"]\nrequire = 0\n", "nonzero"),
        ("[policy]\n", "missing field `require_audit_by`"),
        ("[policy]\nfree = \"refuse\"\nrequire = 2\n", "missing field `require_audit_by`"),
        ("[policy]\nfree = \"no\"\n", "unknown variant `no`, expected `grant` or `refuse`"),
        ("[policy]\nrequire_audits_by = []\n", "unknown field"),
        ("[policy]\nfree = \"grant\"\nfull = false\n", "missing field `require_audit_by`"),
    ] {
        fs::write(home.root().join("glassbox.toml"), policy).unwrap();
        let message = home.run(&["run", "--events", "-"]).error();
        assert!(message.contains("glassbox.toml, line ") && message.contains(words), "{message}");
    }
}

#[test]
fn an_audit_that_is_quick_or_short_is_no_full_one() {
    let home = Home::opted_in("http://127.0.0.1:1");
    let alice = Auditor::new(&home.0, "alice", 1);
    let corpus = fs::read_to_string(workspace("tests/corpora/octoprint-1.11.8.jsonl")).unwrap();
    let corpus = corpus.lines().take(3).collect::<Vec<_>>().join("\n");
    let digest = glassbox_sandbox::digest(corpus.as_bytes());
    let corpus = home.0.write("short.jsonl", corpus);
    let minimum = |text: &str| {
        let policy = format!("[policy]\nrequire_audit_by = [\"{}\"]\n{text}", alice.line);
        fs::write(home.root().join("glassbox.toml"), policy).unwrap();
        home.run(&["list"]).good()
    };
    let few = |trials: usize| format!("full = false\ntrials = {trials}\n");
    let claims = "full = false\nclaims = [\"conforms\"]\nby_construction = [\"says\", \"open\"]\n";
    alice.sign(&home.plugin("tracking"), &[]).good();
    // A policy that names keys only is not content with a quick audit; one that says so is.
    for text in ["", "full = true\n"] {
        let list = minimum(text);
        assert!(list.contains("(line 1) is of no full audit (200 trials of each input or more"), "{list}");
    }
    assert!(minimum("full = false\n").contains("\n    vouched for by key "));
    assert!(minimum(&few(2)).contains("(line 1) is of 0 trials, and [policy] asks for 2"));
    assert!(minimum(claims).contains("(line 1) does not show 'conforms', which [policy] asks for"));
    let run = program(&["audit", "--trials", "2", "--seed", "9", "--corpus"]);
    run.arg(&corpus).arg(home.plugin("tracking")).arg("--sign").arg(&alice.secret).run_long().good();
    for text in [&few(2), claims] {
        assert!(minimum(text).contains("\n    vouched for by key "), "{text}");
    }
    // It was run, but two trials are no full audit either.
    assert!(minimum("").contains("(line 2) is of no full audit ("));
    assert!(minimum(&few(3)).contains("(line 2) is of 2 trials, and [policy] asks for 3"));
    assert!(
        minimum("full = false\nby_construction = [\"works\"]\n")
            .contains("does not show by construction 'works', which")
    );

    let lines = fs::read_to_string(home.root().join("plugins/tracking.wasm.intoto.jsonl")).unwrap();
    let envelope: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let body = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&body).unwrap();
    let corpora = json!([{"name": "short.jsonl", "digest": {"sha256": digest}}]);
    let tried = json!({"full": false, "trials": 2, "seed": 9, "corpora": corpora});
    assert_eq!(statement["predicate"]["tried"], tried);
}

/// What it is told leads to no report.
fn says_nothing(process: &mut Process, receiver: &Receiver) {
    let before = receiver.requests().len();
    process.send(r#"{"event":"Report"}"#);
    assert_eq!(receiver.wait_for(before + 1, SILENCE).len(), before);
}

#[test]
fn a_running_host_takes_what_is_vouched_for_and_keeps_what_runs() {
    let receiver = receiver();
    let home = home_with_counter(&receiver);
    let (alice, bob) = (Auditor::new(&home.0, "alice", 1), Auditor::new(&home.0, "bob", 2));
    require(&home, &[&alice.line, "keys/bob.pub"], 1);
    sign_version(&home, &alice, "first");
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" INFO counter: reports are sent");
    process.send(ENVIRONMENT);
    process.send(STARTED);
    assert_eq!(version(&mut process, &receiver), "first");

    // A new version without an attestation waits, also while its key is not there; then it is taken.
    put(&home, &counter("second"));
    process.wait_for_log(&format!("and 0 do; their attestations belong in {FILE}"));
    process.wait_for_log(&format!("; version {} keeps running\n", short("first")));
    sign_version(&home, &bob, "second");
    assert_eq!(version(&mut process, &receiver), "first");
    fs::create_dir(home.root().join("keys")).unwrap();
    fs::write(home.root().join("keys/bob.pub"), bob.pem()).unwrap();
    process.wait_for_log(&format!(" INFO counter: version {}", short("second")));
    assert_eq!(version(&mut process, &receiver), "second");

    // Its key is taken away: it runs on, and nothing of it is sent; what the key vouches for is taken no more.
    require(&home, &[&alice.line], 1);
    let unvouched = |version: &str| format!("version {} runs on, and nothing of it is sent: waiting: ", short(version));
    process.wait_for_log(&unvouched("second"));
    says_nothing(&mut process, &receiver);
    assert!(home.run(&["status"]).good().contains("counter: nothing is sent: waiting: "));
    sign_version(&home, &bob, "third");
    put(&home, &counter("third"));
    process.wait_for_log(&format!("; version {} keeps running\n", short("second")));
    says_nothing(&mut process, &receiver);
    require(&home, &[&alice.line, "keys/bob.pub"], 1);
    process.wait_for_log(&format!(" INFO counter: version {}", short("third")));
    assert_eq!(version(&mut process, &receiver), "third");

    // A worse report: the same.
    let corpus = fs::read_to_string(workspace("tests/corpora/octoprint-1.11.8.jsonl")).unwrap();
    let corpus = home.0.write("short.jsonl", corpus.lines().take(3).collect::<Vec<_>>().join("\n"));
    let worse = bob.sign(&home.plugin("counter"), &["--corpus", corpus.to_str().unwrap()]);
    assert!(
        worse.status == Some(1)
            && worse.out.contains(": fails: In recorded cases, it sends what the real OctoPrint sent"),
        "{worse:?}"
    );
    process.wait_for_log(&unvouched("third"));
    says_nothing(&mut process, &receiver);
    process.signal("TERM");
    let log = process.wait(LONG).log();
    assert!(!log.contains("ERROR"), "{log}");
    let output = home.run(&["run", "--events", "-"]);
    assert_eq!(output.status, Some(2), "{}", output.err);
    assert!(
        output.err.contains("keys/bob.pub: the newest report (line 4) fails: In recorded cases, it sends what"),
        "{}",
        output.err
    );
}

#[test]
fn what_is_free_can_be_refused() {
    let receiver = receiver();
    let home = home_with_counter(&receiver);
    fs::write(home.root().join("glassbox.toml"), "[policy]\nfree = \"refuse\"\n").unwrap();
    let refused = "nothing is sent: refused: [policy] in glassbox.toml has free = \"refuse\", and this is free in its \
                   manifest: report, report.version, report.count, report.last, report.wrong, and ";
    for command in ["status", "list"] {
        let out = home.run(&[command]).good();
        assert!(out.contains(refused), "{out}");
    }
    assert_eq!(home.run(&["run", "--events", "-"]).status, Some(2), "it is the only plugin");
    // The bundled tracker is pinned as a whole. It is asked nothing of auditors.
    fs::write(home.plugin("tracking"), glassbox::home::BUNDLED).unwrap();
    let status = home.run(&["status"]).good();
    assert!(status.contains("tracking: reports are sent while the host runs"), "{status}");
    let mut process = home.command(&["run", "--events", "-"]).start();
    process.wait_for_log(" INFO tracking: reports are sent");
    process.send(ENVIRONMENT);
    process.send(STARTED);
    process.send(r#"{"event":"Report"}"#);
    assert!(receiver.wait_for(1, LONG).iter().all(|request| request.kind() != "report"));
    // Without the rule, what was granted counts, also in a host that runs.
    fs::write(home.root().join("glassbox.toml"), "[policy]\nfree = \"grant\"\nrequire_audit_by = []\n").unwrap();
    process.wait_for_log("requires 1 of its keys");
    fs::remove_file(home.root().join("glassbox.toml")).unwrap();
    process.wait_for_log(" INFO counter: reports are sent");
    process.signal("TERM");
    process.wait(LONG).log();
}

const FILE: &str = "plugins/counter.wasm.intoto.jsonl";

/// A version of the counter, as the log names it.
fn short(version: &str) -> String {
    glassbox_sandbox::digest(&counter(version))[..12].into()
}
