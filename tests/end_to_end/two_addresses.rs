//! A name with two addresses, of which the first swallows whatever is sent there, as broken IPv6 does: the tracking server,
//! OctoPrint and the broker are reached at the second.

use crate::namespace::{own_mounts, sh};
use crate::octoprint::key_file;
use crate::push_server::{KEY, PushServer};
use crate::refused::{can_refuse, refuse_for};
use crate::support::{ENVIRONMENT, Folder, Home, LONG, receiver};
use glassbox_tests::skip;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// What listens at this port of `::1` and accepts nobody: its queue is full.
fn hole(port: u16) -> Result<(TcpListener, Vec<TcpStream>), String> {
    let listener = TcpListener::bind(("::1", port)).map_err(|error| format!("there is no IPv6: {error}"))?;
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(tcp) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(tcp);
    }
    Ok((listener, queue))
}

fn port(url: &str) -> u16 {
    let host = url.split_once("://").unwrap().1.split('/').next().unwrap();
    host.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn a_dead_first_address_costs_a_moment_and_not_the_report() {
    let folder = Folder::new();
    let hosts = folder.write("hosts", "::1 two.test\n127.0.0.1 two.test\n127.0.0.1 localhost\n");
    let mounted = own_mounts().and_then(|()| sh(&format!("mount --bind {} /etc/hosts", hosts.display())));
    if let Err(why) = mounted {
        return skip(&why);
    }
    let (server, receiver) = (PushServer::start(), receiver());
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let ports = [port(&receiver.url()), port(&server.url()), broker.local_addr().unwrap().port()];
    let holes: Result<Vec<_>, _> = ports.into_iter().map(hole).collect();
    let _holes = match holes {
        Ok(holes) => holes,
        Err(why) => return skip(&why),
    };
    let named = |port: u16| format!("two.test:{port}");

    // Each over a connection of its own, as the one before has been idle for too long. One of them is quick, on whatever
    // machine this is.
    let home = Home::opted_in(&format!("http://{}/track/{{id}}/{{event}}/", named(ports[0])));
    let mut host = home.start();
    host.send(ENVIRONMENT);
    let mut quickest = LONG;
    for n in 0..4 {
        std::thread::sleep(Duration::from_millis(1500));
        let began = Instant::now();
        host.send(&format!(
            r#"{{"event":"plugin_pluginmanager_enable_plugin","payload":{{"id":"p{n}","version":"1"}}}}"#
        ));
        assert_eq!(receiver.wait_for(n + 1, LONG).len(), n + 1, "{}", host.log());
        quickest = quickest.min(began.elapsed());
    }
    // A mark of 250 ms that every report waits for, and as much for the dead address.
    assert!(quickest < Duration::from_millis(1500), "{quickest:?}");
    drop(host);

    let key = key_file(&home, KEY);
    let url = format!("http://{}", named(ports[1]));
    let host = home.command(&["run", "--octoprint", &url, "--api-key-file"]).arg(key).start();
    host.wait_for_log("hears OctoPrint 1.11.8");
    assert!(!host.log().contains("trying again"), "{}", host.log());
    drop(host);

    home.0.write("home/glassbox.toml", format!("[[mqtt]]\nurl = \"mqtt://{}\"\n", named(ports[2])));
    let _host = home.command(&["run"]).start();
    let mut first = [0];
    broker.accept().unwrap().0.read_exact(&mut first).unwrap();
    assert_eq!(first, [0x10], "it asks to be let in");
}

#[test]
fn without_a_thread_for_it_a_name_is_looked_up_and_its_addresses_are_tried_one_after_the_other() {
    let folder = Folder::new();
    let hosts = folder.write("hosts", "::1 two.test\n127.0.0.1 two.test\n127.0.0.1 localhost\n");
    let mounted = own_mounts().and_then(|()| sh(&format!("mount --bind {} /etc/hosts", hosts.display())));
    if let Err(why) = mounted {
        return skip(&why);
    }
    if !can_refuse() {
        return;
    }
    let server = PushServer::start();
    let home = Home::opted_in("http://127.0.0.1:9/");
    let host = crate::octoprint::follow(&home, &server.url().replace("127.0.0.1", "two.test"));
    let _refusal = refuse_for(&host, "source", "clone3", "error=EAGAIN");
    server.lose_connections();
    host.wait_for_log("hears OctoPrint again");
    assert!(!host.log().contains("panicked"), "{}", host.log());
}
