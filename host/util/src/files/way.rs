//! The way that a path leads: the folders and the symbolic links that the system looks at, one after the other. Who can
//! exchange one of them decides where the path leads.

use super::LINKS;
use std::collections::VecDeque;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// All that a path leads through, in that order, and last what it leads to: folders, symbolic links, and what is in the
/// links. The folder of each comes before it. It goes on where nothing exists.
pub fn steps(path: &Path) -> Vec<PathBuf> {
    walk(path).into_iter().map(|(step, _)| step).collect()
}

/// The symbolic links through which a path leads, as it leads through them.
pub fn links(path: &Path) -> Vec<PathBuf> {
    walk(path).into_iter().filter_map(|(step, is_link)| is_link.then_some(step)).collect()
}

/// Each step, and whether it is a link that is followed.
fn walk(path: &Path) -> Vec<(PathBuf, bool)> {
    let (mut steps, mut followed) = (Vec::new(), 0);
    let (mut at, mut rest): (PathBuf, VecDeque<_>) = (PathBuf::new(), path.iter().map(PathBuf::from).collect());
    while let Some(next) = rest.pop_front() {
        if next.components().next() == Some(Component::ParentDir) {
            at.pop();
            continue;
        }
        let reached = at.join(next);
        match fs::read_link(&reached) {
            Ok(target) if followed < LINKS => {
                followed += 1;
                steps.push((reached, true));
                target.iter().rev().for_each(|part| rest.push_front(part.into()));
            }
            _ => {
                steps.push((reached.clone(), false));
                at = reached;
            }
        }
    }
    steps
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn all_links_on_the_way_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/home/settings")).unwrap();
        assert_eq!(links(&at("real/../real/home")), links(folder.path()));
        symlink("real", at("one")).unwrap();
        symlink(at("one/home"), at("two")).unwrap();
        symlink("../two", at("real/three")).unwrap();
        let found = [at("real/three"), at("two"), at("one")];
        assert_eq!(links(&at("real/three/settings")), found);
        symlink("loop", at("loop")).unwrap();
        assert_eq!(links(&at("loop")).len(), LINKS);
    }

    #[test]
    fn every_folder_that_is_looked_at_is_a_step() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/below")).unwrap();
        // It leads through a folder that is in neither path.
        symlink("real/below/../../end", root.join("link")).unwrap();
        let found: Vec<_> = ["", "link", "real", "real/below", "end", "end/none"].map(|name| root.join(name)).into();
        let steps = steps(&root.join("link/none"));
        let above = root.ancestors().count() - 1;
        assert_eq!(steps[above..], found);
        assert_eq!(steps[0], Path::new("/"));
    }
}
