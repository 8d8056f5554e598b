//! What may stand before an OctoPrint or in its place: a proxy with a password, a portal, something that only answers like
//! it. It is heard where it can be; otherwise the message says what answered, and what to change.

use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, LONG, Output, START, kinds, receiver};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// As curl makes it of `pi:rasp/berry`.
const BASIC: &str = "Basic cGk6cmFzcC9iZXJyeQ==";

fn behind_basic_auth() -> (PushServer, String) {
    let server = PushServer::start();
    server.how().basic = Some(BASIC);
    let port = server.url().rsplit_once(':').unwrap().1.to_string();
    (server, port)
}

fn run(home: &Home, url: &str) -> Output {
    home.command(&["run", "--octoprint", url, "--api-key-file"]).arg(key_file(home, KEY)).run()
}

#[test]
fn a_proxy_that_wants_a_password_is_given_it() {
    let (server, port) = behind_basic_auth();
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let error = run(&home, &server.url()).error();
    let proxy = format!("proxy before OctoPrint at {}", server.url());
    let says =
        format!("a {proxy} wants a user name and password (Basic realm=\"restricted\"); set user and password_file");
    assert!(error.starts_with(&says) && error.contains("http://USER:PASSWORD@HOST"), "{error}");
    // On the command line everybody on this machine could read it.
    let given = format!("http://pi:secret@127.0.0.1:{port}");
    for error in [run(&home, &given).error(), home.run(&["doctor", "--octoprint", &given]).out] {
        assert!(error.contains("a password on the command line can be read by everybody"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let doctor =
        home.command(&["doctor", "--octoprint", &server.url(), "--api-key-file"]).arg(key_file(&home, KEY)).run();
    assert!(doctor.out.contains(&format!("a {proxy} wants a user name and password")), "{}", doctor.out);

    // In the URL, and in a file of its own.
    let key = key_file(&home, KEY);
    let private = |text: &str| {
        let file = home.0.write("home/glassbox.toml", text);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let entry = |login: &str| {
        let key = key.display();
        format!("[[octoprint]]\nurl = \"http://{login}127.0.0.1:{port}\"\napi_key_file = \"{key}\"\n")
    };
    private(&entry("pi:secret@"));
    let error = home.run(&["run"]).error();
    assert!(error.starts_with(&format!("the {proxy} does not accept the user name and password")), "{error}");
    assert!(!error.contains("secret"), "{error}");
    private(&entry("pi:rasp%2Fberry@"));
    let host = home.command(&["run"]).start();
    host.wait_for_log(&format!("hears OctoPrint 1.11.8 at {}", server.url()));
    assert_eq!(kinds(&receiver, 3), START);
    host.signal("TERM");
    let log = host.wait(LONG).log();
    assert!(!log.contains("berry"), "{log}");

    let file = home.0.write("password", "rasp/berry\r\n");
    let config = entry("") + "user = \"pi\"\npassword_file = \"../password\"\n";
    private(&config);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = home.run(&["run"]).error();
    assert!(error.contains("others can read the password of OctoPrint's proxy"), "{error}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let host = home.command(&["run"]).start();
    host.wait_for_log("hears OctoPrint 1.11.8");
    host.signal("TERM");
    host.wait(LONG).log();
    let status = home.run(&["status"]).good();
    assert!(!status.contains("berry"), "{status}");

    // What is half given, or twice, is named.
    for (from, to, says) in [
        ("user = \"pi\"\n", "", "needs user and password_file, or neither"),
        ("password_file = \"../password\"\n", "", "needs user and password_file, or neither"),
        ("url = \"http://", "url = \"http://me:secret@", "has a user name and password in two places"),
        ("user = \"pi\"", "user = \"p:i\"", "a user name has no colon in it"),
    ] {
        let text = config.replacen(from, to, 1);
        assert_ne!(text, config);
        private(&text);
        let error = home.run(&["run"]).error();
        assert!(error.contains(says) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn what_answers_in_its_place_is_named() {
    let server = PushServer::start();
    let url = server.url();
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    // As Moonraker's [octoprint_compat] and PrusaLink answer, and a portal that sends everybody to its login page.
    let moonraker = r#"{"_is_external_client": false, "_login_mechanism": "apikey", "name": "_api", "active": true,
        "user": true, "admin": true, "apikey": null, "permissions": [], "groups": ["admins", "users"]}"#;
    let compatible = r#"{"server": "1.5.0", "api": "0.1", "text": "OctoPrint (Moonraker v0.9.3-1)"}"#;
    let link = r#"{"api": "2.0.0", "server": "2.1.2", "text": "PrusaLink MINI", "hostname": "x"}"#;
    let none = "give the URL of an OctoPrint; others have no push API, over which events come";
    let digest = "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"Printer API\", nonce=\"1\"";
    let cases = [
        (
            vec![("/api/login", ("200 OK", moonraker)), ("/api/version", ("200 OK", compatible))],
            format!(
                "{url} is no OctoPrint, but 'OctoPrint (Moonraker v0.9.3-1)', which answers some of its requests: api/login gives no session; {none}"
            ),
        ),
        (
            vec![("/api/login", ("404 Not Found", "")), ("/api/version", ("200 OK", link))],
            format!(
                "{url} is no OctoPrint, but 'PrusaLink MINI', which answers some of its requests: api/login answered 404; {none}"
            ),
        ),
        (
            vec![("/api/login", (digest, ""))],
            format!(
                "something before OctoPrint at {url} wants a login of a kind that cannot be given (Digest realm=\"Printer API\""
            ),
        ),
        (
            vec![("/api/login", ("302 Found\r\nLocation: https://auth.example/?rd=secret", ""))],
            format!(
                "{url} redirects elsewhere (302 to https://auth.example/); if that is the login page of a portal, have it let api/"
            ),
        ),
        (
            vec![("/sockjs/websocket", ("302 Found\r\nLocation: https://auth.example/?rd=secret", ""))],
            format!(
                "{url}/sockjs/websocket redirects elsewhere (302 to https://auth.example/) instead of opening a WebSocket"
            ),
        ),
        (
            vec![("/sockjs/websocket", ("404 Not Found", ""))],
            format!("{url}/sockjs/websocket answered 404 instead of opening a WebSocket, so there is no push API"),
        ),
    ];
    for (odd, says) in cases {
        server.how().odd = odd.into_iter().collect();
        let error = run(&home, &url).error();
        assert!(error.starts_with(&says), "{error}\n{says}");
    }
}

#[test]
fn a_version_that_nobody_knows_is_not_too_old() {
    for version in ["0+unknown", "0.0.0", "1.12.0.dev3+gabc.dirty", "1.9.0rc2", "2.0.0rc7", "", "unknown"] {
        let server = PushServer::start();
        server.how().version = version;
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let host = crate::octoprint::follow(&home, &server.url());
        server.event("PrintDone", json!({"path": "a.gcode", "name": "a.gcode", "origin": "local", "time": 5}));
        assert_eq!(kinds(&receiver, 4)[3], "print_done", "{version}");
        host.signal("TERM");
        host.wait(LONG).log();
    }
}

#[test]
fn long_heads_are_read() {
    let server = PushServer::start();
    server.how().headers = format!("Content-Security-Policy: {}\r\n", "x".repeat(64 << 10));
    let receiver = receiver();
    let home = Home::opted_in(&receiver.url());
    let host = crate::octoprint::follow(&home, &server.url());
    let status = home.run(&["status"]).good();
    assert!(!status.contains("what it runs on"), "{status}");
    host.signal("TERM");
    host.wait(LONG).log();
    // There are bounds, and they are named.
    for (headers, said) in [
        (format!("X: {}\r\n", "x".repeat(200 << 10)), "its answer has more than 96 KiB of headers"),
        (
            "X Y: z\r\n".into(),
            "its answer breaks the rules of HTTP (http parse fail: invalid header name); correct what",
        ),
        (
            "X: x\r\n".repeat(130),
            "its answer has more than 128 headers, which is as many as can be read; have the proxy",
        ),
    ] {
        server.how().headers = headers;
        let host = home.command(&["run", "--octoprint", &server.url(), "--api-key-file"]).arg(key_file(&home, KEY));
        host.start().wait_for_log(&format!("trying again: {said}"));
    }
}
