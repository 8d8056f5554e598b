//! What `examples/deploy/collector` promises, with Debian's nginx and systemd's own opinion of the unit.

use crate::skip::skip;
use crate::support::{Collector, Folder, ID, LONG, wait_for, workspace};
use glassbox_collector::store::Store;
use rusqlite::Connection;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// In MaxMind's test database it is in Sweden: whoever is believed to come from there has a place.
const FORGED: &str = "89.160.20.112";

/// From another folder, and started by whoever tests.
const PATHS: [&str; 5] = [
    "/run/glassbox-collector/socket",
    "/etc/ssl/certs/tracking.example.org.pem",
    "/etc/ssl/private/tracking.example.org.key",
    "/var/log/nginx/collector.log",
    "/var/log/nginx/collector-error.log",
];
const OURS: [&str; 5] = ["socket", "certificate", "key", "access.log", "error.log"];

fn deployed(name: &str) -> String {
    fs::read_to_string(workspace().join("examples/deploy/collector").join(name)).unwrap()
}

/// Of these tools, the first that is not here.
fn missing(tools: &[(&str, &str)]) -> Option<String> {
    let is_missing = |(tool, option): &&(&str, &str)| tool_command(tool).arg(option).output().is_err();
    tools
        .iter()
        .find(is_missing)
        .map(|(tool, _)| format!("there is no {tool}; on Debian: apt-get install nginx openssl systemd"))
}

/// Debian's nginx is where only root looks.
fn tool_command(tool: &str) -> Command {
    let mut command = Command::new(tool);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    command
}

struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    /// The configuration as it is deployed, but for its paths and its port, and `change`d.
    fn start(folder: &Path, change: impl Fn(String) -> String) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = deployed("nginx.conf").replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
        for (path, name) in PATHS.iter().zip(OURS) {
            assert!(config.contains(path), "{path}");
            config = config.replace(path, folder.join(name).to_str().unwrap());
        }
        // What Debian's own nginx.conf has around it. Root's workers are to use the socket of a collector that is root's.
        let user = if nix::unistd::Uid::effective().is_root() { "user root;\n" } else { "" };
        let main = format!(
            "{user}daemon off;\npid {0}/nginx.pid;\nerror_log {0}/main-error.log;\nevents {{}}\nhttp {{\n{1}\n}}\n",
            folder.display(),
            change(config)
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, main).unwrap();
        let nginx = || {
            let mut command = tool_command("nginx");
            command.arg("-p").arg(folder).arg("-c").arg(&file).arg("-e").arg(folder.join("main-error.log"));
            command
        };
        let checked = nginx().arg("-t").output().unwrap();
        assert!(checked.status.success() && !said(&checked).contains("[warn]"), "{}", said(&checked));
        let child = nginx().spawn().unwrap();
        wait_for("nginx", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }

    /// Send this over TLS, and read until the connection ends.
    fn send(&self, text: &str) -> String {
        let mut command = tool_command("openssl");
        command.args(["s_client", "-quiet", "-servername", "tracking.example.org", "-connect"]);
        command.arg(format!("127.0.0.1:{}", self.port));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    }

    /// SIGQUIT: what is logged is written.
    fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT);
        let since = std::time::Instant::now();
        while self.child.try_wait().unwrap().is_none() && since.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it, if it is told to end.
        self.stop();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn certificate(folder: &Path) {
    let mut command = tool_command("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tracking.example.org"]);
    let made =
        command.arg("-keyout").arg(folder.join("key")).arg("-out").arg(folder.join("certificate")).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
}

/// A report whose client says that it comes from elsewhere, in every way that there is.
fn forged(id: &str, method: &str, end: &str) -> String {
    let headers = ["X-Real-IP", "X-Forwarded-For", "X-Forwarded-For", "X-Client-IP"]
        .map(|name| format!("{name}: {FORGED}\r\n"))
        .concat();
    format!(
        "{method} /track/{id}/startup/?python=3.11.2 HTTP/1.1\r\nHost: tracking.example.org\r\nUser-Agent: OctoPrint/1.11.8\r\n\
         Forwarded: for={FORGED}\r\n{headers}{end}\r\n"
    )
}

#[test]
fn behind_nginx_no_client_names_its_own_address_and_the_log_holds_none() {
    if let Some(missing) = missing(&[("nginx", "-v"), ("openssl", "version")]) {
        return skip(&missing);
    }
    let folder = Folder::new("nginx");
    certificate(&folder.0);
    let places = workspace().join("tests/collector/places/GeoLite2-City-Test.mmdb");
    // The deployed configuration, with other paths.
    let config = deployed("collector.toml")
        .replace(PATHS[0], folder.0.join(OURS[0]).to_str().unwrap())
        .replace("/var/lib/GeoIP/GeoLite2-City.mmdb", places.to_str().unwrap())
        .replace("data = \"/var/lib/glassbox-collector\"\n", "")
        .replace("127.0.0.1:8586", "127.0.0.1:0");
    assert!(config.contains("listen = \"unix:/") && config.contains("address_header") && !config.contains("/var/lib"));
    let collector = Collector::start(&folder, &config);
    let mut nginx = Nginx::start(&folder.0, |config| config);
    // None before there is a day.
    let count = |sql: &str| {
        let store = Store::open(&collector.data).unwrap();
        let Some(day) = store.days().unwrap().last().copied() else { return 0 };
        let day = Connection::open(store.day(day)).unwrap();
        day.query_row(sql, [], |row| row.get(0)).unwrap_or(0_i64)
    };
    let placed = || count("SELECT count(*) FROM report JOIN place ON place = place.number WHERE country = 'SE'");
    // Kept alive, and not; with a body; and one that is none.
    let kept = forged(ID, "GET", "").repeat(3) + &forged(ID, "GET", "Connection: close\r\n");
    assert_eq!(nginx.send(&kept).matches("HTTP/1.1 204").count(), 4);
    let body = forged(ID, "POST", "Connection: close\r\nContent-Length: 13\r\n") + "python=3.11.3";
    assert!(nginx.send(&body).starts_with("HTTP/1.1 204"));
    assert!(nginx.send(&forged(ID, "PUT", "Connection: close\r\n")).starts_with("HTTP/1.1 405"));
    assert!(nginx.send("GET /nothing HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 404"));
    wait_for("the reports", || count("SELECT count(*) FROM report") == 5);
    assert_eq!(placed(), 0, "a client is believed");
    nginx.stop();
    let log = fs::read_to_string(folder.0.join(OURS[3])).unwrap();
    assert_eq!(
        log.lines().filter(|line| line.contains(" GET 204 ") || line.contains(" POST 204 ")).count(),
        5,
        "{log}"
    );
    let errors = [OURS[4], "main-error.log"].map(|name| fs::read_to_string(folder.0.join(name)).unwrap()).concat();
    for secret in ["127.0.0.1", FORGED, ID, &ID[..8], "track"] {
        assert!(!log.contains(secret) && !errors.contains(secret), "{secret}: {log}{errors}");
    }
    // What nginx says is what is believed: were it another address, it would have a place.
    let other = |config: String| {
        let changed = config.replace("X-Real-IP $remote_addr", &format!("X-Real-IP {FORGED}"));
        assert_ne!(changed, config);
        changed
    };
    let nginx = Nginx::start(&folder.0, other);
    assert!(nginx.send(&forged(ID, "GET", "Connection: close\r\n")).starts_with("HTTP/1.1 204"));
    wait_for("a place", || placed() == 1);
}

#[test]
fn systemd_understands_the_unit_and_calls_it_tight() {
    if let Some(missing) = missing(&[("systemd-analyze", "--version")]) {
        return skip(&missing);
    }
    let folder = Folder::new("unit");
    let program = env!("CARGO_BIN_EXE_glassbox-collector");
    let unit = deployed("glassbox-collector.service");
    let file = folder.0.join("glassbox-collector.service");
    // It looks whether the program is there.
    fs::write(&file, unit.replace("/usr/local/bin/glassbox-collector", program)).unwrap();
    let verified = tool_command("systemd-analyze").args(["--man=no", "verify"]).arg(&file).output().unwrap();
    let heard = said(&verified);
    assert!(verified.status.success() && !heard.contains("glassbox-collector.service"), "{heard}");

    let rated = tool_command("systemd-analyze").args(["--no-pager", "security", "--offline=yes"]).arg(&file).output();
    let heard = said(&rated.unwrap());
    if heard.contains("--offline") {
        return skip("this systemd-analyze is too old to rate a file; 250 and later can");
    }
    let exposure = |text: &str| -> f64 {
        let after = text.split("exposure level").nth(1).expect(text).trim_start_matches(|c: char| !c.is_ascii_digit());
        after.split_whitespace().next().unwrap().parse().unwrap()
    };
    let rated = heard.split("Overall").nth(1).expect(&heard);
    let number = rated.split("glassbox-collector.service: ").nth(1).expect(&heard);
    let measured: f64 = number.split_whitespace().next().unwrap().parse().unwrap();
    // A later systemd may look at more than the one that was asked for the README.
    assert!(measured <= exposure(&deployed("README.md")) + 0.3, "{heard}");
    // Addresses are in memory: neither a core dump nor the swap may keep them.
    for promise in ["LimitCORE=0", "MemorySwapMax=0"] {
        assert!(unit.lines().any(|line| line == promise), "{promise}");
    }
}
