//! A folder for one test, a clock that goes as it is told, and a journal as bytes.

use glassbox_journal::chain::{self, Broken, Verified};
use glassbox_journal::{Journal, JournalEntry, JournalRequest, Rules, What};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// 2026-07-27T10:00:00Z, in milliseconds.
pub const MORNING: u64 = 1_785_146_400_000;
pub const DAY: u64 = 86_400_000;

/// A journal's folder, in one that is removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("glassbox-journal-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.journal().join(name)
    }

    /// A journal with small files.
    pub fn open(&self, clock: &Clock) -> Journal {
        Journal::open_with(&self.journal(), rules(clock, 1000, 1 << 20)).unwrap()
    }

    pub fn verify(&self) -> Result<Verified, Broken> {
        glassbox_journal::verify(&self.journal()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(MORNING)))
    }

    pub fn set(&self, milliseconds: u64) {
        self.0.store(milliseconds, Ordering::SeqCst);
    }
}

pub fn rules(clock: &Clock, file: u64, total: u64) -> Rules {
    let clock = clock.clone();
    let now = move || SystemTime::UNIX_EPOCH + Duration::from_millis(clock.0.fetch_add(1, Ordering::SeqCst));
    Rules { file, total, now: Box::new(now) }
}

/// The n-th of many.
pub fn entry(number: usize) -> JournalEntry {
    JournalEntry {
        what: What::Sent,
        plugin: "tracking".into(),
        event: Some("PrintStarted".into()),
        request: Some(JournalRequest {
            name: "print_started".into(),
            method: "GET".into(),
            path: "/track/{id}/print_started/".into(),
            fields: vec![("number".into(), number.to_string())],
        }),
        status: Some(200),
        ..JournalEntry::default()
    }
}

/// A journal in memory.
#[derive(Clone)]
pub struct Bytes {
    pub files: Vec<(String, Vec<u8>)>,
    pub head: Vec<u8>,
}

impl Bytes {
    /// Of so many entries, in several files.
    pub fn of(entries: usize) -> Self {
        let folder = Folder::new();
        let journal = folder.open(&Clock::new());
        (0..entries).for_each(|number| journal.write(&entry(number)));
        Self::read(&folder.journal())
    }

    pub fn read(folder: &Path) -> Self {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), fs::read(&path).unwrap()))
            .collect();
        files.sort_by_key(|(name, _)| chain::Name::parse(name).unwrap());
        Self { files, head: fs::read(folder.join("head")).unwrap() }
    }

    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("head"), &self.head).unwrap();
        self.files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
    }

    pub fn check(&self) -> Result<Verified, Broken> {
        let files: Vec<_> = self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        chain::check(&files, &self.head)
    }

    /// All lines: the file that each is in, and its bytes with the line feed.
    pub fn lines(&self) -> Vec<(usize, Vec<u8>)> {
        let of = |(file, (_, bytes)): (usize, &(String, Vec<u8>))| {
            bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (file, line.to_vec())).collect::<Vec<_>>()
        };
        self.files.iter().enumerate().flat_map(of).collect()
    }

    /// The same files with other lines.
    pub fn with(&self, lines: &[(usize, Vec<u8>)]) -> Self {
        let mut changed = self.clone();
        changed.files.iter_mut().for_each(|(_, bytes)| bytes.clear());
        lines.iter().for_each(|(file, line)| changed.files[*file].1.extend(line));
        changed
    }

    pub fn values(&self) -> Vec<Value> {
        self.lines().iter().map(|(_, line)| serde_json::from_slice(line).unwrap()).collect()
    }
}

pub fn whats(folder: &Path) -> Vec<String> {
    Bytes::read(folder).values().iter().map(|line| line["what"].as_str().unwrap().into()).collect()
}
