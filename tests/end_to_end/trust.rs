//! `trust`: a server's certificate is shown, and trusted after a yes.

use crate::faulty::{Faulty, certificate_file};
use crate::network::{end, expected, feed, plugins};
use crate::support::{ENVIRONMENT, Home, LONG};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

fn fingerprint(home: &Home, url: &str) -> String {
    let out = home.run(&["trust", url]).out;
    let line = out.lines().find_map(|line| line.strip_prefix("  SHA-256  "));
    line.unwrap_or_else(|| panic!("{out}")).into()
}

#[test]
fn a_certificate_is_trusted_by_its_fingerprint_and_a_running_host_notices() {
    let server = Faulty::https("own-expired.pem", Vec::new());
    let home = Home::opted_in(&server.url());
    let mut host = home.start();
    host.send(ENVIRONMENT);
    feed(&mut host, 0..1);
    host.wait_for_log("run 'glassbox trust URL'");

    let url = server.url().split("/{").next().unwrap().to_string();
    let shown = home.run(&["trust", &url]);
    let error =
        "nobody can be asked here; if it is the right one, run this again with --fingerprint and that fingerprint";
    assert!(
        shown.out.starts_with(&format!("{url} shows this certificate:\n  name     octopi\n  SHA-256  ")),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("It is not trusted yet: its certificate "), "{}", shown.out);
    assert_eq!(shown.error(), error);
    let other = fingerprint(&home, &url).replace('A', "B").replace('1', "2");
    let message = home.run(&["trust", &url, "--fingerprint", &other]).error();
    assert!(message.starts_with("this is not the certificate with the fingerprint that you gave"), "{message}");
    assert!(!home.root().join("trusted.pem").exists());
    assert!(server.heard().is_empty());

    // As openssl prints it.
    let openssl = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate_file("own-expired.pem"))
        .output();
    let given = match openssl {
        Ok(output) => String::from_utf8(output.stdout).unwrap().trim().to_string(),
        Err(_) => fingerprint(&home, &url),
    };
    let said = home.run(&["trust", &url, "--fingerprint", &given]).good();
    assert!(said.contains("Trusted from now on, by a running host too. It is kept in "), "{said}");
    host.wait_for_log("the configuration changed");
    // It may be trying the other way still.
    let mut next = 1;
    // What failed before is tried again for half a minute, and what comes after it waits.
    let end = Instant::now() + 4 * LONG;
    while server.heard().is_empty() {
        assert!(Instant::now() < end, "no report gets through: {}", host.log());
        feed(&mut host, next..next + 1);
        next += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    host.signal("TERM");
    host.wait(LONG).log();

    // Once is enough; and one that takes its place replaces it.
    assert!(home.run(&["trust", &url]).good().ends_with("It is trusted already.\n"));
    let message = home.run(&["trust", &url, "--fingerprint", &other]).error();
    assert!(message.starts_with("this is not the certificate with the fingerprint that you gave"), "{message}");
    let file = home.root().join("trusted.pem");
    let kept = fs::read_to_string(&file).unwrap();
    let another = Faulty::https("own.pem", Vec::new());
    let elsewhere = another.url().split("/{").next().unwrap().to_string();
    home.run(&["trust", &elsewhere, "--fingerprint", &fingerprint(&home, &elsewhere)]).good();
    let both = fs::read_to_string(&file).unwrap();
    assert!(both.starts_with(&kept) && both.matches("BEGIN CERTIFICATE").count() == 2, "{both}");
    fs::write(&file, both.replace(&elsewhere, &url)).unwrap();
    let third = Faulty::https("version-1.pem", Vec::new());
    let at = third.url().split("/{").next().unwrap().to_string();
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(&url, &at)).unwrap();
    home.run(&["trust", &at, "--fingerprint", &fingerprint(&home, &at)]).good();
    let only = fs::read_to_string(&file).unwrap();
    assert_eq!(only.matches("BEGIN CERTIFICATE").count(), 1, "{only}");
}

#[test]
fn the_server_of_a_home_that_trusts_it_is_sent_reports() {
    let server = Faulty::https("own.pem", Vec::new());
    let home = Home::opted_in(&server.url());
    let url = server.url().split("/{").next().unwrap().to_string();
    home.run(&["trust", &url, "--fingerprint", &fingerprint(&home, &url)]).good();
    let mut host = home.start();
    host.send(ENVIRONMENT);
    feed(&mut host, 0..3);
    let heard = server.wait_for(3);
    assert_eq!((plugins(&heard), end(host)), (expected(0..3), (vec![], [3, 0, 0])));
}

#[test]
fn what_has_no_certificate_says_so() {
    let home = Home::new();
    let server = Faulty::http(0, Vec::new());
    let url = server.url().split("/{").next().unwrap().to_string();
    let error = home.run(&["trust", &url]).error();
    assert!(error.starts_with(&format!("{url} does not use TLS, and shows no certificate; ")), "{error}");
    // One that does not speak TLS where it should hangs up, or answers in its own way.
    let error = home.run(&["trust", &url.replace("http:", "https:")]).error();
    assert!(error.contains("it closed the connection, and may not speak TLS at this port; check the port"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut tcp = listener.accept().unwrap().0;
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the other side has read it.
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    let error = home.run(&["trust", &url]).error();
    assert!(error.contains("it does not speak TLS at this port; check the port"), "{error}");
    thread.join().unwrap();
    let error = home.run(&["trust", "octopi"]).error();
    assert!(error.contains("does not begin with http:// or https://"), "{error}");
}
