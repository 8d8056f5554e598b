//! The journal's folder: which files are in it, reading them within bounds, checking all of them, and moving a
//! broken journal aside. What the files must contain is in [`crate::chain`].

use super::chain::{Broken, Checker, FILE, Head, Name, Verified};
use super::open_file::Lock;
use anyhow::{Context, Result};
use glassbox_util::files::{make_folder, open_regular};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The head file.
pub(super) const HEAD: &str = "head";

/// The most that is kept of broken journals besides the last one, in bytes: as much as of a good one.
const BROKEN: u64 = super::TOTAL;

/// The files that could be the journal's, in the order of their lines.
pub(super) fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        if let Ok(name) = entry?.file_name().into_string()
            && name.ends_with(".jsonl")
        {
            files.push(name);
        }
    }
    files.sort_by_key(|name| Name::parse(name));
    Ok(files)
}

/// The bytes of the head file; none where there is no such file.
pub(super) fn head(folder: &Path) -> Result<Option<Vec<u8>>> {
    let file = folder.join(HEAD);
    match read(&file, Head::SIZE) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => Ok(Some(read.with_context(|| format!("reading {}", file.display()))?)),
    }
}

/// A file's content, but at most one byte more than `most`: enough to see that it is too large. What is not a
/// regular file has no content, as reading a pipe would block. (`glassbox_util::files::read_bounded` refuses
/// both; here the check reports them as what they are, a journal that somebody tampered with.)
pub(super) fn read(file: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if fs::metadata(file)?.is_file() {
        open_regular(file)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Check the whole journal in a folder. A host may be writing to it at the same time. `Ok(Err(..))` is the
/// answer that the journal is broken, and where; an empty or missing folder is an empty journal.
///
/// # Errors
/// When a file cannot be read; the message names it.
pub fn verify(folder: &Path) -> Result<Result<Verified, Broken>> {
    // The head first: lines that come later are just not known to it.
    let found = check(folder, head(folder)?.as_deref())?;
    if found.as_ref().is_ok_and(Verified::is_clean) {
        return Ok(found);
    }
    // A host may have removed its oldest file while we were reading, or be writing a line just now, so try again with the
    // host locked out. If the lock cannot be taken, nothing can be written either.
    let _lock = Lock::file(folder).and_then(|file| Lock::take(file, folder));
    check(folder, head(folder)?.as_deref())
}

/// Check the journal in a folder against this head.
pub(super) fn check(folder: &Path, head: Option<&[u8]>) -> Result<Result<Verified, Broken>> {
    let files = files(folder).with_context(|| format!("reading {}", folder.display()))?;
    let broken = |file: &str, what: &str| Broken { file: file.into(), line: None, what: what.into() };
    let Some(head) = head else {
        return Ok(match files.first() {
            None => Ok(Verified::default()),
            Some(_) => Err(broken(HEAD, "it is missing, though there are lines")),
        });
    };
    let mut checker = match Checker::new(head) {
        Ok(checker) => checker,
        Err(broken) => return Ok(Err(broken)),
    };
    for name in files {
        let path = folder.join(&name);
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Ok(Err(broken(&name, "it is not a regular file")));
        }
        let bytes = match read(&path, FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err(broken(&name, "it is gone"))),
            bytes => bytes.with_context(|| format!("reading {}", path.display()))?,
        };
        if let Err(broken) = checker.file(&name, &bytes) {
            return Ok(Err(broken));
        }
    }
    Ok(checker.end())
}

/// Move the head and all files of lines into a folder `broken-N`, and return its name. Older such folders are
/// removed if they take too much room.
pub(super) fn move_aside(folder: &Path) -> Result<String> {
    let numbers = broken_folders(folder)?;
    let name = format!("broken-{}", numbers.last().map_or(0, |(number, _)| *number) + 1);
    let aside = folder.join(&name);
    make_folder(&aside)?;
    // The head last: if we are killed here, lines without a head are still recognized as broken.
    for file in files(folder)?.into_iter().chain([HEAD.to_string()]) {
        match fs::rename(folder.join(&file), aside.join(&file)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            moved => moved.with_context(|| format!("moving {file} of {} into {name}", folder.display()))?,
        }
    }
    trim(&numbers);
    Ok(name)
}

/// Remove the oldest broken journals if they take too much room.
fn trim(folders: &[(u64, PathBuf)]) {
    let mut room = BROKEN;
    for (_, old) in folders.iter().rev() {
        room = room.saturating_sub(size(old));
        if room == 0 {
            tracing::warn!("removing {}: broken journals take too much room", old.display());
            if let Err(error) = fs::remove_dir_all(old) {
                tracing::warn!("{} cannot be removed: {error}", old.display());
            }
        }
    }
}

/// The folders `broken-N` in a journal's folder, with N, in the order of N. Each holds a journal that was found
/// broken and moved aside.
///
/// # Errors
/// When the folder cannot be read; the message names it.
pub fn broken_folders(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_prefix("broken-").and_then(|number| number.parse::<u32>().ok()) {
            found.push((number.into(), path));
        }
    }
    found.sort();
    Ok(found)
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
