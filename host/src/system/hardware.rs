//! The machine's hardware, for trackers: read once from the files of Linux, and with sysinfo on other systems. Nothing
//! here fails; what cannot be found out is left out.
//!
//! The numbers are those that OctoPrint reports of itself (it asks Python's `platform` and psutil), so that reports of
//! both can be compared. The name of the platform is made in `platform.rs`.

use super::platform;
use glassbox_sandbox::capabilities::{Hardware, Machine};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// How much of a file is read, in bytes.
const FILE: u64 = 64 * 1024;
/// The same for `/proc/cpuinfo`, which has about 1.5 KiB for each processor.
const CPUINFO: u64 = 1024 * 1024;
/// How long a text may be, in characters.
const TEXT: usize = 256;

/// The machine below a root folder, which is looked at when it is first asked.
#[derive(Debug)]
pub struct SystemHardware {
    root: PathBuf,
    machine: OnceLock<Machine>,
}

impl SystemHardware {
    /// The machine whose files are below `root`: `/`, or in tests a folder with a few of the same files.
    ///
    /// With another root than `/`, what is not read from files (the operating system, the processor's name and width) is
    /// still that of the machine that this runs on.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), machine: OnceLock::new() }
    }

    fn look(&self) -> Machine {
        let cpuinfo = self.read("proc/cpuinfo", CPUINFO);
        Machine {
            os: Some(std::env::consts::OS.into()),
            platform: self.platform(),
            bits: Some(usize::BITS),
            cores: cores(cpuinfo.as_deref()),
            frequency_mhz: self.frequency(cpuinfo.as_deref()),
            memory_bytes: self.memory(),
            // Other boards have a name too, which OctoPrint's Pi support ignores, and so do we.
            pi_model: self.board(cpuinfo.as_deref()).filter(|board| is_pi(board)),
            octopi_version: self.line("etc/octopi_version"),
            octopiuptodate_build: self.line("etc/octopiuptodate_build"),
        }
    }

    /// The file's content, cut at the limit; none if it cannot be read or is not a regular file.
    fn read(&self, name: &str, limit: u64) -> Option<String> {
        let path = self.root.join(name);
        // Opening a named pipe would wait for somebody to write to it.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut content = Vec::new();
        File::open(path).ok()?.take(limit).read_to_end(&mut content).ok()?;
        Some(String::from_utf8_lossy(&content).into_owned())
    }

    /// The file's first line.
    fn line(&self, name: &str) -> Option<String> {
        clean(self.read(name, FILE)?.split(['\n', '\r']).next()?)
    }

    /// The name of the board: the device tree's, or where that is hidden, as it is in a container, the one that the kernel
    /// of a Raspberry Pi gives with the processor's.
    fn board(&self, cpuinfo: Option<&str>) -> Option<String> {
        self.line("proc/device-tree/model").or_else(|| {
            let mut lines = cpuinfo?.lines().filter_map(|line| line.split_once(':'));
            clean(lines.rfind(|(key, _)| key.trim_end() == "Model")?.1)
        })
    }

    /// Whether this is a Raspberry Pi; none if that cannot be seen.
    pub fn is_raspberry_pi(&self) -> Option<bool> {
        let cpuinfo = self.read("proc/cpuinfo", CPUINFO);
        if let Some(board) = self.board(cpuinfo.as_deref()) {
            return Some(is_pi(&board));
        }
        // An ARM processor is described by who made it: without the board's name it may be anything.
        let has = |key: &str| cpuinfo.as_ref().is_some_and(|text| text.lines().any(|line| line.starts_with(key)));
        (has("processor") && !has("CPU implementer")).then_some(false)
    }

    /// What Python's `platform.platform()` gives on Linux; elsewhere the system's name for itself.
    fn platform(&self) -> Option<String> {
        if !cfg!(target_os = "linux") {
            return clean(&System::long_os_version().ok()?);
        }
        let release = self.line("proc/sys/kernel/osrelease")?;
        let libc = if self.root == Path::new("/") { platform::glibc() } else { None };
        clean(&platform::linux(&release, &System::cpu_arch(), libc.as_deref()))
    }

    /// psutil's `cpu_freq().max` in MHz: the average of the highest frequencies that the governors may choose; 0 where only
    /// the present frequency is known.
    fn frequency(&self, cpuinfo: Option<&str>) -> Option<f64> {
        let mut policies = self.numbered("sys/devices/system/cpu/cpufreq", "policy", "");
        if policies.is_empty() {
            policies = self.numbered("sys/devices/system/cpu", "cpu", "/cpufreq");
        }
        if policies.is_empty() {
            let present = |line: &str| line.to_ascii_lowercase().starts_with("cpu mhz");
            return cpuinfo.is_some_and(|text| text.lines().any(present)).then_some(0.0);
        }
        let highest: Vec<f64> = policies.iter().filter_map(|policy| self.highest(policy)).collect();
        // The number of processors is far below what a float counts exactly.
        (!highest.is_empty()).then(|| highest.iter().sum::<f64>() / highest.len() as f64)
    }

    /// The highest frequency of one policy, in MHz: like psutil, the one that is set, or else the one of the hardware.
    fn highest(&self, policy: &str) -> Option<f64> {
        ["scaling_max_freq", "cpuinfo_max_freq"].iter().find_map(|name| {
            let khz: u32 = self.line(&format!("{policy}/{name}"))?.parse().ok()?;
            Some(f64::from(khz) / 1000.0)
        })
    }

    /// The folders `<folder>/<prefix><number><suffix>`, by number, as names under the root.
    fn numbered(&self, folder: &str, prefix: &str, suffix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else { return Vec::new() };
        let number = |name: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
        let mut numbers: Vec<u32> = entries.flatten().filter_map(|entry| number(entry.file_name().to_str()?)).collect();
        numbers.sort_unstable();
        let names = numbers.into_iter().map(|number| format!("{folder}/{prefix}{number}{suffix}"));
        names.filter(|name| self.root.join(name).is_dir()).collect()
    }

    /// psutil's `virtual_memory().total`, in bytes.
    fn memory(&self) -> Option<u64> {
        if !cfg!(target_os = "linux") {
            let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
            return System::new_with_specifics(memory)
                .ok()
                .map(|system| system.total_memory())
                .filter(|total| *total > 0);
        }
        let meminfo = self.read("proc/meminfo", FILE)?;
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024).filter(|total| *total > 0)
    }
}

impl Hardware for SystemHardware {
    fn probe(&self) -> Machine {
        self.machine.get_or_init(|| self.look()).clone()
    }
}

fn is_pi(board: &str) -> bool {
    board.to_lowercase().contains("raspberry pi")
}

/// psutil's `cpu_count()`: the number of logical processors. A list that was cut off is not counted.
fn cores(cpuinfo: Option<&str>) -> Option<u32> {
    let listed = cpuinfo.filter(|text| (text.len() as u64) < CPUINFO).map_or(0, |text| {
        text.lines().filter(|line| line.split_once(':').is_some_and(|(key, _)| key.trim_end() == "processor")).count()
    });
    let count = if listed > 0 { listed } else { std::thread::available_parallelism().ok()?.get() };
    u32::try_from(count).ok()
}

/// The text without control characters and surrounding blanks, and not too long; none if nothing is left.
pub(super) fn clean(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    let text: String = text.trim().chars().take(TEXT).collect();
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

// Complete machines, and what Python says of them, are in tests/tests/hardware.rs.
#[cfg(test)]
mod tests {
    use super::super::test_folder::TestFolder;
    use super::*;

    fn probe(folder: &TestFolder) -> Machine {
        SystemHardware::new(folder.path()).probe()
    }

    /// What comes from no file.
    fn bare() -> Machine {
        Machine {
            os: Some(std::env::consts::OS.into()),
            platform: SystemHardware::new("/nowhere").platform(),
            bits: Some(usize::BITS),
            cores: cores(None),
            memory_bytes: SystemHardware::new("/nowhere").memory(),
            ..Machine::default()
        }
    }

    fn pi4() -> TestFolder {
        let folder = TestFolder::new();
        let processors: String = (0..4).map(|n| format!("processor\t: {n}\nBogoMIPS\t: 108.00\n\n")).collect();
        folder.file("proc/cpuinfo", processors + "Hardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n");
        folder.file("proc/meminfo", "MemTotal:        3884288 kB\nMemFree:          190020 kB\n");
        folder.file("proc/sys/kernel/osrelease", "6.1.21-v8+\n");
        folder.file("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        folder.file("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1800000\n");
        folder.file("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "2000000\n");
        folder.file("etc/octopi_version", "1.0.0\n");
        folder.file("etc/octopiuptodate_build", "1.0.0-1.9.3-20230925120000\r\nsecond line\n");
        folder
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn knows_a_raspberry_pi() {
        let machine = Machine {
            platform: Some(format!("Linux-6.1.21-v8+-{}", System::cpu_arch())),
            cores: Some(4),
            frequency_mhz: Some(1800.0),
            memory_bytes: Some(3_884_288 * 1024),
            pi_model: Some("Raspberry Pi 4 Model B Rev 1.4".into()),
            octopi_version: Some("1.0.0".into()),
            octopiuptodate_build: Some("1.0.0-1.9.3-20230925120000".into()),
            ..bare()
        };
        assert_eq!(probe(&pi4()), machine);
    }

    #[test]
    fn looks_only_once() {
        let folder = pi4();
        let hardware = SystemHardware::new(folder.path());
        let first = hardware.probe();
        folder.file("etc/octopi_version", "2.0.0");
        assert_eq!(hardware.probe(), first);
        assert_ne!(probe(&folder), first);
    }

    #[test]
    fn knows_little_of_an_empty_root() {
        assert_eq!(probe(&TestFolder::new()), bare());
        assert!(bare().cores.is_some_and(|cores| cores > 0));
    }

    #[test]
    fn another_board_is_not_a_raspberry_pi() {
        let folder = pi4();
        folder.file("proc/device-tree/model", "Xunlong Orange Pi PC\0");
        assert_eq!(probe(&folder).pi_model, None);
    }

    #[test]
    fn where_the_device_tree_is_hidden_the_processor_names_the_board() {
        let folder = pi4();
        let is_pi = |folder: &TestFolder| SystemHardware::new(folder.path()).is_raspberry_pi();
        assert_eq!(is_pi(&folder), Some(true));
        // As Docker does it: the folder is there, and empty.
        fs::remove_file(folder.path().join("proc/device-tree/model")).unwrap();
        assert_eq!(probe(&folder).pi_model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(is_pi(&folder), Some(true));
        for (cpuinfo, expected) in [
            ("processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) N100\n", Some(false)),
            ("processor\t: 0\nCPU implementer\t: 0x41\n\nHardware\t: BCM2835\n", None),
            ("processor\t: 0\nCPU implementer\t: 0x41\n\nModel\t\t: Xunlong Orange Pi PC\n", Some(false)),
            ("", None),
        ] {
            folder.file("proc/cpuinfo", cpuinfo);
            assert_eq!((is_pi(&folder), probe(&folder).pi_model), (expected, None), "{cpuinfo}");
        }
        assert_eq!(is_pi(&TestFolder::new()), None);
        folder.file("proc/device-tree/model", "Xunlong Orange Pi PC\0");
        assert_eq!(is_pi(&folder), Some(false));
    }

    #[test]
    fn frequency_is_the_average_over_policies() {
        let folder = TestFolder::new();
        for (file, content, average) in [
            ("proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2445.4\n", 0.0),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1200000\n", 1200.0),
            ("sys/devices/system/cpu/cpu1/cpufreq/scaling_max_freq", "1400000\n", 1300.0),
            ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1416000\n", 1416.0),
            ("sys/devices/system/cpu/cpufreq/policy10/scaling_max_freq", "1800500\n", (1416.0 + 1800.5) / 2.0),
            ("sys/devices/system/cpu/cpufreq/policy11/scaling_max_freq", "<unknown>\n", (1416.0 + 1800.5) / 2.0),
            ("sys/devices/system/cpu/cpufreq/policyx/scaling_max_freq", "9\n", (1416.0 + 1800.5) / 2.0),
        ] {
            folder.file(file, content);
            assert_eq!(probe(&folder).frequency_mhz, Some(average), "{file}");
        }
    }

    #[test]
    fn survives_damage() {
        let (binary, blank) = ([0xff, 0xfe, 0, 0x1b], " \0\t\n1.0\n");
        let folder = pi4();
        for name in ["proc/cpuinfo", "proc/meminfo", "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"] {
            folder.file(name, binary);
        }
        folder.file("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "-1");
        folder.file("etc/octopi_version", binary);
        folder.file("etc/octopiuptodate_build", blank);
        fs::remove_file(folder.path().join("proc/device-tree/model")).unwrap();
        fs::create_dir(folder.path().join("proc/device-tree/model")).unwrap();
        fs::remove_file(folder.path().join("proc/sys/kernel/osrelease")).unwrap();
        assert_eq!(probe(&folder), Machine { octopi_version: Some("\u{fffd}\u{fffd}".into()), ..bare() });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn bad_memory_sizes_are_not_known() {
        let folder = TestFolder::new();
        for line in ["0 kB", "18446744073709551615 kB", "18014398509481984 kB", "-1 kB", "12", "kB", "1 MB"] {
            folder.file("proc/meminfo", format!("MemTotal: {line}\n"));
            assert_eq!(probe(&folder).memory_bytes, None, "{line}");
        }
    }

    #[test]
    fn huge_files_are_cut() {
        let folder = TestFolder::new();
        folder.file("etc/octopi_version", "é".repeat(1024 * 1024));
        folder.file("proc/device-tree/model", "Raspberry Pi \u{7}".to_owned() + &" ".repeat(300) + "x");
        folder.file("proc/meminfo", "x".repeat(1024 * 1024) + "\nMemTotal: 1 kB\n");
        folder.file("proc/cpuinfo", "processor\t: 0\n".repeat(100_000));
        let machine = probe(&folder);
        assert_eq!(machine.octopi_version, Some("é".repeat(256)));
        assert_eq!(machine.pi_model.as_deref(), Some("Raspberry Pi"));
        assert_eq!((machine.cores, machine.memory_bytes), (bare().cores, bare().memory_bytes));
    }
}
