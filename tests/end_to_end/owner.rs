//! Root in somebody else's home: the files stay theirs, and no link that they planted leads root anywhere.

use crate::support::{Home, Program, program};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

/// The owner; most machines have no user of this number, as containers have none.
const OWNER: u32 = 54321;

/// Skip the test that calls this, unless it runs as root.
#[track_caller]
fn is_root() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        glassbox_tests::skip("only root can act as another user");
    }
    root
}

/// All that is in a folder, and the folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { found.extend(all(&path)) } else { found.push(path) }
    }
    found
}

/// Make all of a home somebody else's.
fn give_away(home: &Home) {
    all(&home.root()).iter().for_each(|path| lchown(path, Some(OWNER), Some(OWNER)).unwrap());
}

#[track_caller]
fn all_theirs(folder: &Path) {
    for path in all(folder) {
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (OWNER, OWNER), "{}", path.display());
    }
}

#[test]
fn what_root_does_in_a_home_is_done_as_its_owner() {
    if !is_root() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    give_away(&home);
    for arguments in [
        &["opt-out", "tracking"] as &[&str],
        &["opt-in", "tracking"],
        &["settings", "tracking", "ping=60"],
        &["status"],
        &["list"],
        &["init"],
        &["run", "--events", "-"],
    ] {
        assert_eq!(home.run(arguments).status, Some(0), "{arguments:?}");
        all_theirs(&home.root());
    }
    let mode = fs::metadata(home.settings_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let cache = fs::read_dir(home.root().join("cache")).unwrap();
    assert_eq!(cache.count(), 1, "compiled code is kept for its owner");
}

#[test]
fn a_new_home_belongs_to_the_owner_of_the_folder_above() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    let user = home.0.path("user");
    fs::create_dir(&user).unwrap();
    chown(&user, Some(OWNER), Some(OWNER)).unwrap();
    program(&["init", "--home"]).arg(user.join("new/home")).run().good();
    all_theirs(&user);
    // By the default, too, and whatever HOME's owner thinks of it.
    let init: Program = program(&["init"]).env("HOME", &user);
    init.run().good();
    assert!(user.join(".local/share/glassbox/plugins").is_dir());
    all_theirs(&user);
}

#[test]
fn a_planted_link_leads_root_nowhere() {
    if !is_root() {
        return;
    }
    let secret = "root's own";
    let plants: [&str; 9] = [
        "settings/.lock",
        "run.lock",
        "settings/tracking.json",
        "settings/mk3/tracking.json",
        "state/tracking.json",
        "grants/tracking.toml",
        "glassbox.toml",
        "journal/head",
        "journal/lock",
    ];
    for plant in plants {
        let home = Home::opted_in("http://127.0.0.1:9/");
        let outside = home.0.write("outside", secret);
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
        let path = home.root().join(plant);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(&outside, &path).unwrap();
        give_away(&home);
        for arguments in [
            &["opt-out", "tracking"] as &[&str],
            &["opt-in", "tracking"],
            &["init"],
            &["run", "--events", "-"],
            &["doctor"],
            &["journal"],
        ] {
            let output = home.run(arguments);
            assert!(!format!("{output:?}").contains(secret), "{plant}: {arguments:?}");
        }
        assert_eq!(fs::read_to_string(&outside).unwrap(), secret, "{plant}");
        let found = fs::metadata(&outside).unwrap();
        assert_eq!((found.uid(), found.permissions().mode() & 0o777), (0, 0o600), "{plant}");
    }
}

#[test]
fn a_salt_that_is_not_the_owners_is_not_used() {
    if !is_root() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    home.run(&["run", "--events", "-"]).log();
    let (id, salt) = home.identity();
    // As root leaves it who copies it back without a thought.
    for (mode, why) in [(0o644, "belongs to another user, who may have written it"), (0o600, "Permission denied")] {
        give_away(&home);
        chown(home.identity_file(), Some(0), Some(0)).unwrap();
        fs::set_permissions(home.identity_file(), fs::Permissions::from_mode(mode)).unwrap();
        let run = home.run(&["run", "--events", "-"]);
        assert!(run.status == Some(2) && run.err.contains(why), "{}", run.err);
        let status = home.run(&["status"]).good();
        assert!(status.contains("tracking: nothing is sent: the salt's file ") && status.contains(why), "{status}");
        assert_eq!(home.identity(), (id.clone(), salt.clone()), "it is left as it is");
    }
    // One that is the owner's is.
    give_away(&home);
    home.run(&["run", "--events", "-"]).log();
    assert_eq!(home.identity(), (id, salt));
}

#[test]
fn a_planted_folder_leads_root_nowhere() {
    if !is_root() {
        return;
    }
    for plant in ["settings", "state", "cache", "journal", "grants"] {
        let home = Home::opted_in("http://127.0.0.1:9/");
        let outside = home.0.path("outside");
        fs::create_dir(&outside).unwrap();
        let _ = fs::remove_dir_all(home.root().join(plant));
        symlink(&outside, home.root().join(plant)).unwrap();
        give_away(&home);
        for arguments in [&["opt-in", "tracking"] as &[&str], &["opt-out", "tracking"], &["run", "--events", "-"]] {
            home.run(arguments);
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{plant}");
    }
}

#[test]
fn a_path_through_somebodys_link_is_refused() {
    if !is_root() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    let link = home.0.path("link");
    symlink(home.0.path(""), &link).unwrap();
    let through = || program(&["opt-out", "tracking", "--home"]).arg(link.join("home")).run();
    through().good();
    lchown(&link, Some(OWNER), Some(OWNER)).unwrap();
    let expected = format!(
        "another user could make the symbolic link {} lead anywhere, so root does not follow it; make the home that \
         user's (chown -R), or move it to where only root may write",
        link.display()
    );
    assert_eq!(through().error(), expected);
    // It is theirs, and so is what it leads to.
    give_away(&home);
    through().good();
    // Root's own, in a folder in which somebody else could exchange it.
    lchown(&link, Some(0), Some(0)).unwrap();
    let own = Home::opted_in("http://127.0.0.1:9/");
    for change in ["theirs", "everybody's"] {
        let mode = if change == "theirs" { 0o755 } else { 0o777 };
        lchown(own.0.path(""), Some(if change == "theirs" { OWNER } else { 0 }), None).unwrap();
        fs::set_permissions(own.0.path(""), fs::Permissions::from_mode(mode)).unwrap();
        let error = own.run(&["opt-out", "tracking"]).error();
        assert!(error.starts_with("another user could make the folder "), "{change}: {error}");
    }
    fs::set_permissions(own.0.path(""), fs::Permissions::from_mode(0o1777)).unwrap();
    own.run(&["opt-out", "tracking"]).good();
}

#[test]
fn a_link_in_between_that_another_could_exchange_is_refused() {
    if !is_root() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    let at = |name: &str| home.0.path(name);
    fs::create_dir(at("theirs")).unwrap();
    fs::create_dir(at("open")).unwrap();
    for folder in ["theirs", "open"] {
        symlink("../home", at(folder).join("inner")).unwrap();
        symlink(at(folder).join("inner"), at(&format!("by-{folder}"))).unwrap();
        symlink(at(folder).join("../home"), at(&format!("around-{folder}"))).unwrap();
    }
    let opt_out = |link: &str| program(&["opt-out", "tracking", "--home"]).arg(at(link)).run();
    let links = ["by-theirs", "around-theirs", "by-open", "around-open"];
    for link in links {
        opt_out(link).good();
    }
    // Root's own link, through somebody's, to root's own home.
    lchown(at("theirs/inner"), Some(OWNER), None).unwrap();
    let refused = |link: &str, kind: &str, part: &str| {
        let expected = format!("another user could make the {kind} {} lead anywhere, ", at(part).display());
        let error = opt_out(link).error();
        assert!(error.starts_with(&expected), "{link}: {error}");
    };
    refused("by-theirs", "symbolic link", "theirs/inner");
    // The links are root's; the folders that hold them, or that they lead through, are not.
    lchown(at("theirs/inner"), Some(0), None).unwrap();
    chown(at("theirs"), Some(OWNER), None).unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
    for link in links {
        refused(link, "folder", if link.ends_with("open") { "open" } else { "theirs" });
    }
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    opt_out("by-open").good();
}
