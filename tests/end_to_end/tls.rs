//! Delivery over TLS: which certificates the program trusts, and that no other server receives anything. Other
//! faults are in `network.rs`.

use crate::faulty::{Faulty, certificate_file, server_config_of};
use crate::network::{CANNOT, ca_file, end, ended, expected, feed, plugins, start_with};
use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::support::{ENVIRONMENT, Home};
use rustls::{ServerConnection, StreamOwned};
use std::sync::Arc;

#[test]
fn a_server_without_a_good_certificate_hears_nothing() {
    let nobody = "its certificate is not signed by a trusted CA";
    let authority = ca_file("authority.pem");
    let cases = [
        ("good.pem", "", nobody),
        ("self-signed.pem", authority.as_str(), nobody),
        ("expired.pem", &authority, "its certificate has expired, if this machine's clock is right"),
        ("other-name.pem", &authority, "its certificate is for elsewhere.invalid, and not for 127.0.0.1"),
        (
            "own.pem",
            &authority,
            "its certificate is not signed by a trusted CA (it is a CA's own, as self-made ones are); ",
        ),
        ("version-1.pem", &authority, "its certificate cannot be checked: "),
        // One of its own that was named lets no other pass.
        ("own-expired.pem", &ca_file("own.pem"), "its certificate "),
    ];
    let running = cases.map(|(certificate, config, reason)| {
        let server = Faulty::https(certificate, Vec::new());
        let (home, mut host) = start_with(config, &server.url());
        feed(&mut host, 0..3);
        (server, home, host, reason)
    });
    for (_, _, host, _) in &running {
        host.wait_for_log(CANNOT);
        host.signal("TERM");
    }
    for (server, _home, host, reason) in running {
        let (said, tally) = ended(host);
        assert!(!server.connections().is_empty() && server.heard().is_empty(), "{:?}", server.heard());
        assert_eq!((said.len(), tally), (1, [0, 0, 3]), "{said:?}");
        assert!(said[0].starts_with(&format!("WARN {CANNOT}{reason}")), "{said:?}");
        for remedy in ["run 'glassbox trust URL'", "as ca_file in glassbox.toml"] {
            assert!(said[0].contains(remedy), "{said:?}");
        }
    }
}

#[test]
fn what_somebody_names_is_trusted() {
    for (certificate, config) in [
        // An authority, by an absolute path and in the home.
        ("good.pem", ca_file("authority.pem")),
        ("good.pem", "ca_file = \"mine.pem\"".into()),
        // The very certificate that the server shows, whatever is wrong with it.
        ("self-signed.pem", ca_file("self-signed.pem")),
        ("own.pem", ca_file("own.pem")),
        ("own-expired.pem", ca_file("own-expired.pem")),
        ("version-1.pem", ca_file("version-1.pem")),
        ("other-name.pem", ca_file("other-name.pem")),
    ] {
        let server = Faulty::https(certificate, Vec::new());
        let home = Home::opted_in(&server.url());
        home.0.write("home/glassbox.toml", config);
        std::fs::copy(certificate_file("authority.pem"), home.root().join("mine.pem")).unwrap();
        let mut host = home.start();
        host.send(ENVIRONMENT);
        feed(&mut host, 0..10);
        let heard = server.wait_for(10);
        assert_eq!((plugins(&heard), end(host)), (expected(0..10), (vec![], [10, 0, 0])));
        assert!(heard[9].connection <= 3, "{heard:?}");
    }
}

#[test]
fn octoprint_is_heard_over_either_version_of_tls_with_the_certificate_that_was_named() {
    for (certificate, version) in [
        ("own.pem", &rustls::version::TLS12),
        ("version-1.pem", &rustls::version::TLS12),
        ("version-1.pem", &rustls::version::TLS13),
    ] {
        let tls = server_config_of(certificate, &[version]);
        let server = PushServer::start_with(Arc::new(move |tcp| {
            Box::new(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), tcp))
        }));
        let home = Home::opted_in("http://127.0.0.1:1/{id}/{event}");
        let url = server.url().replace("http:", "https:");
        let key = key_file(&home, KEY);
        let host = home.command(&["run", "--octoprint", &url, "--api-key-file"]).arg(&key).start();
        host.wait_for_log("as ca_file in glassbox.toml");
        assert_eq!(server.seen(), Vec::<String>::new());
        drop(host);
        home.0.write("home/glassbox.toml", ca_file(certificate));
        let host = home.command(&["run", "--octoprint", &url, "--api-key-file"]).arg(&key).start();
        host.wait_for_log("hears OctoPrint 1.11.8 at https://");
        assert!(!host.log().contains("trying again"), "{}", host.log());
    }
}

#[test]
fn an_authority_that_cannot_be_used_is_named() {
    let home = Home::new();
    let file = home.root().join("mine.pem");
    home.0.write("home/glassbox.toml", "ca_file = \"mine.pem\"");
    let good = std::fs::read_to_string(certificate_file("authority.pem")).unwrap();
    let key = std::fs::read_to_string(certificate_file("server.key")).unwrap();
    for (content, reason) in [
        (None, "No such file or directory (os error 2)"),
        (Some(String::new()), "there is no certificate in it"),
        (Some(key), "there is no certificate in it"),
        (Some(good.replace("MII", "!!!")), "certificate 1 is damaged: "),
        (Some(good.clone() + &good.replacen("MII", "AII", 1)), "certificate 2 is damaged: "),
        (Some(good[..good.len() / 2].into()), "certificate 1 is damaged: "),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let message = home.run(&["run", "--events", "-"]).error();
        assert!(
            message.starts_with(&format!("{}, the ca_file of glassbox.toml: {reason}", file.display())),
            "{message}"
        );
        assert!(message.ends_with("; put your server's or your CA's certificate there as PEM"), "{message}");
    }
}
