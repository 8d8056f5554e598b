//! For a client that may send to one address and nowhere else, whatever a report's URL says: the demo's, which sends
//! without consent, and so to its own receiver only.

use std::io;
use std::net::SocketAddr;
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Finds this address, and no other. It asks no name service, which would be a connection too.
#[derive(Debug)]
pub(super) struct OnlyTo(pub(super) SocketAddr);

impl Resolver for OnlyTo {
    fn resolve(&self, url: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let to = url.authority().map_or("", |authority| authority.as_str());
        if url.scheme_str() != Some("http") || to != self.0.to_string() {
            let refused = format!("nothing may be sent from here to {to}, but only to {}", self.0);
            return Err(io::Error::other(refused).into());
        }
        let mut found = self.empty();
        found.push(self.0);
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use crate::delivery::MayLeave;
    use crate::delivery::http_client::{Attempt, HttpClient};
    use crate::net::TlsTrust;
    use glassbox_sandbox::{Method, Outgoing};
    use std::io::ErrorKind;
    use std::net::TcpListener;
    use std::sync::Arc;

    #[test]
    fn nothing_but_the_one_address_is_reached() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (own, other) = (listen(), listen());
        let (own_port, other_port) = (own.local_addr().unwrap().port(), other.local_addr().unwrap().port());
        other.set_nonblocking(true).unwrap();
        own.set_nonblocking(true).unwrap();
        let client = HttpClient::new(&TlsTrust::default(), Some(own.local_addr().unwrap()));
        let attempt = |url: String, form: &str| {
            let request = Outgoing {
                method: Method::Get,
                name: "ping".into(),
                fields: Vec::new(),
                url,
                form: form.into(),
                user_agent: "Test/1".into(),
                shown: String::new(),
            };
            let always: MayLeave = Arc::new(|_| Ok(()));
            client.send(&Arc::new(request), &always)
        };
        let large = "x".repeat(20_000);
        for url in [
            format!("http://127.0.0.1:{other_port}/"),
            format!("http://localhost:{own_port}/"),
            format!("http://me@127.0.0.1:{own_port}/"),
            format!("https://127.0.0.1:{own_port}/"),
            "http://127.0.0.1/".into(),
            "http://does-not-exist.invalid/".into(),
        ] {
            for form in ["", &large] {
                let said = attempt(url.clone(), form);
                let refused = |why: &String| why.starts_with("nothing may be sent from here to ");
                assert!(matches!(&said, Attempt::NotSent(why) if refused(why)), "{url}: {said:?}");
            }
        }
        for server in [&own, &other] {
            assert_eq!(server.accept().map(drop).unwrap_err().kind(), ErrorKind::WouldBlock);
        }
        own.set_nonblocking(false).unwrap();
        let accepted = std::thread::spawn(move || own.accept().map(drop));
        let _ = attempt(format!("http://127.0.0.1:{own_port}/"), "");
        accepted.join().unwrap().expect("its own address is reached");
    }
}
