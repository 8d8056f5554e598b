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
/// When the path leads through a symbolic link that belongs to neither root nor that owner, or the system does not
/// allow it; with advice.
pub fn act_as_owner_of(folder: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    if nix::unistd::geteuid().is_root() {
        return linux::act_as_owner_of(folder);
    }
    let _ = folder;
    Ok(())
}

/// What to say where the path leads through somebody's link.
fn refused(link: &Path) -> Advised {
    let what = format!("the symbolic link {} belongs to another user, who could make it lead anywhere", link.display());
    Advised::new(what, "give the folder itself with --home")
}

#[cfg(target_os = "linux")]
mod linux {
    use super::refused;
    use anyhow::{Context, Result};
    use glassbox_util::Advised;
    use nix::unistd::{Gid, Uid, User, initgroups, setgroups, setresgid, setresuid};
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::{self, Path};

    pub fn act_as_owner_of(folder: &Path) -> Result<()> {
        let folder = path::absolute(folder).with_context(|| format!("looking for {}", folder.display()))?;
        let Some(found) = folder.ancestors().find_map(|above| fs::metadata(above).ok()) else { return Ok(()) };
        let uid = Uid::from_raw(found.uid());
        for part in folder.ancestors() {
            let link = fs::symlink_metadata(part).ok().filter(fs::Metadata::is_symlink);
            if link.is_some_and(|link| link.uid() != 0 && link.uid() != found.uid()) {
                return Err(refused(part).into());
            }
        }
        if uid.is_root() {
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
