//! Puts a case's files where they belong: into the plugin folder, the settings, the cache.

use crate::hostile::case::{Arrange, Case};
use crate::hostile::make;
use crate::support::Home;
use glassbox::home::BUNDLED;
use glassbox_sandbox::digest;
use glassbox_tests::skip;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The compiled tracker as a host left it in its cache, so that not every case has to compile it;
/// and a compiled misfit, for cases that put it in the tracker's place.
static TRACKER: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| compiled("tracking", BUNDLED));
static MISFIT: LazyLock<(String, Vec<u8>)> = LazyLock::new(|| compiled("misfit", glassbox_tests::MISFIT));

/// The name and the content of the file that the cache has after this plugin was loaded.
fn compiled(name: &str, component: &[u8]) -> (String, Vec<u8>) {
    let home = Home::new();
    fs::write(home.plugin(name), component).unwrap();
    home.run(&["grant", name]).good();
    home.run(&["list"]).good();
    let cached = fs::read_dir(home.root().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let prefix = digest(component);
    let file = cached.into_iter().find(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&prefix));
    let file = file.expect("compiled code in the cache");
    (file.file_name().unwrap().to_str().unwrap().into(), fs::read(&file).unwrap())
}

/// The plugin's file, for the case's name of it.
pub fn file(case: &Case, home: &Home) -> PathBuf {
    // `\xNN` is a byte, for names that are not text.
    let mut parts = case.file.split("\\x");
    let mut name = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (byte, rest) = part.split_at(2);
        name.push(u8::from_str_radix(byte, 16).expect("a byte in hex"));
        name.extend_from_slice(rest.as_bytes());
    }
    home.root().join("plugins").join(OsString::from_vec(name))
}

/// Put all of a case's files in place.
pub fn place(case: &Case, home: &Home) {
    let cache = home.root().join("cache");
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    let cached = cache.join(&TRACKER.0);
    fs::write(&cached, &TRACKER.1).unwrap();
    fs::set_permissions(&cached, Permissions::from_mode(0o600)).unwrap();
    if let Some(bytes) = make::component(case) {
        let file = file(case, home);
        fs::write(&file, bytes).unwrap();
        if let Some(length) = case.component.length {
            fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
        }
    }
    if let Some(arrange) = case.arrange {
        self::arrange(arrange, case, home, &cached);
    }
}

fn arrange(arrange: Arrange, case: &Case, home: &Home, cached: &PathBuf) {
    let file = file(case, home);
    let instead = |mode: u32| {
        fs::write(cached, &MISFIT.1).unwrap();
        fs::set_permissions(cached, Permissions::from_mode(mode)).unwrap();
    };
    let fifo = |path: &PathBuf| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    match arrange {
        Arrange::Pipe => fifo(&file),
        Arrange::Device => symlink("/dev/zero", file).unwrap(),
        Arrange::LinkLoop => symlink(file.file_name().unwrap(), &file).unwrap(),
        Arrange::LinkOutside => {
            fs::rename(&file, home.0.path("elsewhere.wasm")).unwrap();
            symlink("../../elsewhere.wasm", file).unwrap();
        }
        Arrange::TwoClaim => drop(fs::copy(home.plugin("tracking"), file).unwrap()),
        Arrange::CacheFolderOpen => {
            instead(0o600);
            fs::set_permissions(cached.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
        }
        Arrange::CacheFileOpen => instead(0o666),
        Arrange::CacheFileForeign => {
            instead(0o600);
            if std::os::unix::fs::chown(cached, Some(65534), None).is_err() {
                skip("only root can give a file to somebody else: the code is cut off instead");
                fs::write(cached, &TRACKER.1[..100]).unwrap();
            }
        }
        Arrange::CacheDamaged => {
            let mut bytes = TRACKER.1.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(cached, bytes).unwrap();
        }
        Arrange::CacheCut => fs::write(cached, &TRACKER.1[..TRACKER.1.len() / 2]).unwrap(),
        Arrange::CachePipe => {
            fs::remove_file(cached).unwrap();
            fifo(cached);
        }
    }
}
