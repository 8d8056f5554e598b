//! An OctoPrint that cannot be followed: what is wrong is said in one line, with what to do.

use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::support::{Home, Output, SILENCE};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn run(home: &Home, url: &str, key: &str) -> Output {
    let file = key_file(home, key);
    home.command(&["run", "--octoprint", url, "--api-key-file"]).arg(file).run()
}

#[test]
fn what_waiting_does_not_mend_ends_it_with_advice() {
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    let server = PushServer::start();
    let url = server.url();
    let message = run(&home, &url, "WRONGKEYWRONGKEY").error();
    let advice = "make one in OctoPrint, in Settings > Application Keys, or for a user of its own";
    assert_eq!(message, format!("{url} does not accept the API key (it answered 400); {advice}"));

    let check = "check the URL, and the path that a proxy may add to it";
    let message = run(&home, &format!("{url}/elsewhere"), KEY).error();
    assert_eq!(message, format!("there is no OctoPrint at {url}/elsewhere: api/login answered 404; {check}"));

    let odd = |path, answer: (&'static str, &'static str), expected: String| {
        server.how().odd = [(path, answer)].into();
        assert_eq!(run(&home, &url, KEY).error(), expected);
        server.how().odd.clear();
    };
    let login = "/api/login";
    odd(
        login,
        ("301 MOVED\r\nLocation: https://other/api/login", ""),
        format!("{url} redirects elsewhere (301 to https://other/); give the URL that it redirects to"),
    );
    let portal = "if it is a login portal, have it let api/, plugin/ and sockjs/ pass for this machine, or give \
                  OctoPrint's own address (often http://HOST:5000)";
    let html = format!(
        "{url} answers api/login with a web page, 'Sign in' (status 200), and not as OctoPrint does; {check}; {portal}"
    );
    odd(login, ("200 OK", "<html><title>Sign in</title>"), html);
    let nobody = r#"{"name": null, "apikey": "0123456789ABCDEFfedcba9876543210"}"#;
    odd(login, ("200 OK", nobody), format!("{url} does not know whose API key this is; {advice}"));
    let server_itself = r#"{"name": "_api", "apikey": "0123456789ABCDEFfedcba9876543210"}"#;
    let says = format!("{url} takes the API key as that of '_api', who gets no session for events; {advice}");
    odd(login, ("200 OK", server_itself), says);
    let proxy = "answered 400 instead of opening a WebSocket; let the proxy in front of OctoPrint pass WebSockets on";
    odd("/sockjs/websocket", ("400 BAD REQUEST", ""), format!("{url}/sockjs/websocket {proxy}"));

    server.how().version = "1.7.3";
    let message = run(&home, &url, KEY).error();
    assert_eq!(message, format!("{url} is OctoPrint 1.7.3, which is too old; update it to 1.8 or later"));
    server.how().version = "1.11.8";
    server.how().name = "dom:me";
    let message = run(&home, &url, KEY).error();
    let expected = "the name of the API key's user, 'dom:me', has a colon (':') in it, which OctoPrint's push API cannot \
                    take; make the key for a user without one";
    assert_eq!(message, expected);
    server.how().name = "me";
    server.how().roles = vec!["system"];
    let message = run(&home, &url, KEY).error();
    assert_eq!(message, format!("at {url} the API key's user may not see events; give it the permission STATUS"));
}

#[test]
fn a_server_that_is_starting_is_waited_for() {
    let server = PushServer::start();
    server.how().odd = [("/api/login", ("503 SERVICE UNAVAILABLE", ""))].into();
    let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
    let file = key_file(&home, KEY);
    let host = home.command(&["run", "--octoprint", &server.url(), "--api-key-file"]).arg(file).start();
    host.wait_for_log("trying again: it answered 503: it is starting");
    server.how().odd.clear();
    host.wait_for_log("INFO octoprint: hears OctoPrint 1.11.8");
    std::thread::sleep(SILENCE);
    host.signal("TERM");
    let log = host.wait(crate::support::LONG).log();
    assert_eq!(log.matches("WARN octoprint").count(), 1, "{log}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let home = Home::new();
    let file = key_file(&home, KEY);
    for mode in [0o640, 0o604, 0o601, 0o660] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let run = home.command(&["run", "--octoprint", "http://127.0.0.1:1", "--api-key-file"]).arg(&file).run();
        let file = file.display();
        let error = run.error();
        assert!(
            error.starts_with(&format!("others can read the API key in {file}; run 'chmod 600 {file}'; ")),
            "{error}"
        );
        // Nobody can do that with a container's secret.
        for other in ["Compose: 'mode: 0400'", "Kubernetes: 'defaultMode: 0400'", "set $GLASSBOX_API_KEY instead"] {
            assert!(error.contains(other), "{error}");
        }
    }
    // As a service gets it, systemd looks after who may.
    let credential = home.0.write("credentials/octoprint-api-key", "two words");
    let run = home.command(&["run", "--octoprint", "http://127.0.0.1:1"]);
    let run = run.env("CREDENTIALS_DIRECTORY", credential.parent().unwrap()).run();
    let expected = "it is not an API key, which is a single word of letters and digits";
    assert_eq!(run.error(), format!("the API key in {}: {expected}", credential.display()));
}

#[test]
fn a_configuration_that_cannot_be_used_is_named() {
    let home = Home::new();
    let key_file = key_file(&home, KEY);
    let config = home.root().join("glassbox.toml");
    let place = config.display();
    let error = |text: &str, mode: u32| {
        fs::write(&config, text).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        let error = home.run(&["run"]).error();
        assert!(!error.contains(KEY) && !error.contains("12345"), "{error}");
        error
    };
    let entry = "[[octoprint]]\nurl = \"http://127.0.0.1:1\"\n";
    let none = format!("or --events FILE, or put an [[octoprint]] entry with its url into {place}");
    assert!(error("", 0o644).ends_with(&none));
    let keyed = format!("{entry}api_key = \"{KEY}\"\n");
    let readable = format!("others can read the API key in {place}; run 'chmod 600 {place}'");
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(error(&keyed, 0o644).starts_with(&readable));
    let both = format!("{keyed}api_key_file = \"{}\"\n", key_file.display());
    assert!(error(&both, 0o600).ends_with("api_key and api_key_file are two places for one key; remove one"));
    assert!(error(&format!("{entry}api_key = 12345\n"), 0o600).contains("line 3: api_key is a text, in quotes"));
    assert!(error(&format!("{entry}name = \"A b\"\n"), 0o600).contains("the name of an [[octoprint]] is 1 to 64"));
    assert!(error("[[octoprint]]\nurl = \"octopi\"\n", 0o600).contains("line 2: 'octopi' does not begin with http://"));
    assert!(error(entry, 0o600).contains("there is no API key; make one in OctoPrint"));
}
