//! Acting as the owner of a folder. Root that works in somebody else's home would leave files there that their owner
//! cannot change, such as settings that a running host can no longer read; and whoever owns the home could put a link
//! there that leads root to any file of the machine. As the owner it can do neither.

use anyhow::Result;
use glassbox_util::Advised;
use std::path::Path;

/// If we are root, become the user who owns this folder for good, or the nearest folder above it that exists. To be
/// called before threads are started. Elsewhere than on Linux nothing is done.
///
/// # Errors
/// When the path leads through a link that belongs to neither root nor that owner, or we would stay root and it leads
/// through a folder in which others could exchange it; or the system does not allow it; with advice.
pub fn act_as_owner_of(folder: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    if nix::unistd::geteuid().is_root() {
        return linux::act_as_owner_of(folder);
    }
    let _ = folder;
    Ok(())
}

/// What to say where the path leads through what is somebody else's. `owner` is the home's.
fn refused(part: &Path, is_link: bool, owner: u32) -> Advised {
    let (kind, part) = (if is_link { "symbolic link" } else { "folder" }, part.display());
    let what = format!("another user could make the {kind} {part} lead anywhere, so root does not follow it");
    let advice = match owner {
        0 => "make the home that user's (chown -R), or move it to where only root may write".into(),
        _ => format!("give the folder itself with --home, or run glassbox as its owner: sudo -u '#{owner}' glassbox"),
    };
    Advised::new(what, advice)
}

#[cfg(target_os = "linux")]
mod linux {
    use super::refused;
    use anyhow::{Context, Result};
    use glassbox_util::Advised;
    use glassbox_util::files::steps;
    use nix::unistd::{Gid, Uid, User, initgroups, setgroups, setresgid, setresuid};
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::{self, Path};

    /// Whether this stands for all users that do not exist in our user namespace, in which we are not the real root.
    fn is_unmapped(uid: u32) -> bool {
        const OVERFLOW: u32 = 65534;
        let all = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
        uid == OVERFLOW && !fs::read_to_string("/proc/self/uid_map").is_ok_and(all)
    }

    pub fn act_as_owner_of(folder: &Path) -> Result<()> {
        let folder = path::absolute(folder).with_context(|| format!("looking for {}", folder.display()))?;
        let Some(found) = folder.ancestors().find_map(|above| fs::metadata(above).ok()) else { return Ok(()) };
        let uid = Uid::from_raw(found.uid());
        // Whoever can exchange one of these decides where it leads.
        let steps = steps(&folder);
        for step in &steps {
            let Ok(found) = fs::symlink_metadata(step) else { continue };
            let is_strange = found.uid() != 0 && found.uid() != uid.as_raw() && !is_unmapped(found.uid());
            // Who stays root must not be led elsewhere between this and whatever is done there. In a folder like /tmp,
            // with the sticky bit, nobody can exchange what is another's.
            let all_may_write = found.mode() & 0o1002 == 0o002 && Some(step) != steps.last();
            if is_strange && (uid.is_root() || found.is_symlink()) || uid.is_root() && found.is_dir() && all_may_write {
                return Err(refused(step, found.is_symlink(), uid.as_raw()).into());
            }
        }
        if uid.is_root() || is_unmapped(found.uid()) {
            return Ok(());
        }
        let user = User::from_uid(uid).ok().flatten();
        // With the groups that they have when they log in; a container may not know its users.
        let gid = user.as_ref().map_or(Gid::from_raw(found.gid()), |user| user.gid);
        let groups = match user.and_then(|user| CString::new(user.name).ok()) {
            Some(name) => initgroups(&name, gid),
            None => setgroups(&[gid]),
        };
        let done = groups.and_then(|()| setresgid(gid, gid, gid)).and_then(|()| setresuid(uid, uid, uid));
        done.map_err(|error| {
            let what = format!("the owner of {} is the user {uid}, and acting as that user failed", folder.display());
            Advised::new(what, "run glassbox as that user").because(error).into()
        })
    }
}
