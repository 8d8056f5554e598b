//! A temporary folder for one of this room's tests. Not part of the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A unique folder below the system's temporary folder, removed when it goes out of scope.
pub(super) struct TestFolder(PathBuf);

impl TestFolder {
    pub(super) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("glassbox-system-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(folder.path()).unwrap();
        folder
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file with this content, and the folders above it.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// An executable shell script of these lines.
    ///
    /// Another process writes it: if it were open for writing here while another test starts a process, that process
    /// would have it open for a moment too, and running it would fail with "text file busy".
    #[cfg(unix)]
    pub(super) fn script(&self, lines: &str) -> PathBuf {
        let path = self.0.join("program");
        let written = std::process::Command::new("sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#, "sh", lines])
            .arg(&path)
            .status()
            .unwrap();
        assert!(written.success());
        path
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
