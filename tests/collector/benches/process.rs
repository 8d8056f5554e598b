//! The collector and nginx as processes, and what they cost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("glassbox-collector-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The files that tests have in the workspace.
pub fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").canonicalize().unwrap()
}

/// A server.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    /// The collector with everything on: places, and a proxy that names the address.
    pub fn collector(data: &Path) -> Self {
        let config = data.with_extension("toml");
        let places = tests().join("collector/places/GeoLite2-City-Test.mmdb");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = {data:?}\ngeo_database = {places:?}\n
             trusted_proxies = [\"127.0.0.1\"]\naddress_header = \"X-Forwarded-For\""
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox-collector"));
        let mut child = command.arg("run").arg("--config").arg(config).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim_end().strip_prefix("listening on http://").unwrap().into() }
    }

    /// Debian's nginx; none if it is not installed.
    pub fn nginx(folder: &Path) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = fs::read_to_string(tests().join("collector/benches/nginx.conf")).unwrap();
        fs::write(folder.join("nginx.conf"), config.replace("PORT", &address.port().to_string())).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).arg("-e").arg(folder.join("error.log"));
        let child = command.env("PATH", "/usr/sbin:/usr/bin").spawn().ok()?;
        while std::net::TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, address: address.to_string() })
    }

    /// It and its children.
    fn processes(&self) -> Vec<String> {
        let own = self.child.id().to_string();
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let parent = |pid: &String| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some(stat.rsplit_once(") ")?.1.split(' ').nth(1)? == own)
        };
        all.filter(|pid| *pid == own || parent(pid).unwrap_or(false)).collect()
    }

    /// A number of each of its threads, added up.
    fn threads(&self, number: impl Fn(&Path) -> Option<u64>) -> u64 {
        let folders = self.processes().into_iter().map(|pid| format!("/proc/{pid}/task"));
        let tasks = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        tasks.filter_map(|task| number(&task.ok()?.path())).sum()
    }

    /// The processor time of all its threads that there are.
    pub fn busy(&self) -> Duration {
        let time = |task: &Path| fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok();
        Duration::from_nanos(self.threads(time))
    }

    /// How often its threads woke up.
    pub fn woken(&self) -> u64 {
        self.threads(|task| field(&task.join("status"), "voluntary_ctxt_switches:"))
    }

    /// Its memory in MB: now, and at most.
    pub fn memory(&self) -> [f64; 2] {
        let status = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        ["VmRSS:", "VmHWM:"].map(|name| field(&status, name).unwrap() as f64 / 1024.0)
    }
}

/// The number of a line in a file below `/proc`.
fn field(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's workers end with their master, if it is told to end.
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
