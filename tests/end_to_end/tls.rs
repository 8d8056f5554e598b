//! Delivery over TLS: which certificates the program trusts, and that no other server receives anything. Other
//! faults are in `network.rs`.

use crate::faulty::{Faulty, certificate_file};
use crate::network::{CANNOT, ca_file, end, ended, expected, feed, plugins, start_with};
use crate::support::{ENVIRONMENT, Home};

#[test]
fn a_server_without_a_good_certificate_hears_nothing() {
    let nobody =
        "its certificate is not signed by a trusted CA; name your CA's certificate as ca_file in glassbox.toml";
    let authority = ca_file("authority.pem");
    let cases = [
        ("good.pem", "", nobody),
        ("self-signed.pem", authority.as_str(), nobody),
        ("expired.pem", &authority, "its certificate has expired, if this machine's clock is right"),
        ("other-name.pem", &authority, "invalid peer certificate: certificate not valid for name \"127.0.0.1\""),
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
    }
}

#[test]
fn an_authority_of_ones_own_is_trusted() {
    // By an absolute path; a certificate alone, which nobody else has signed; and in the home.
    for (certificate, config) in [
        ("good.pem", ca_file("authority.pem")),
        ("self-signed.pem", ca_file("self-signed.pem")),
        ("good.pem", "ca_file = \"mine.pem\"".into()),
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
        assert!(message.ends_with("; put your CA's certificate there as PEM"), "{message}");
    }
}
