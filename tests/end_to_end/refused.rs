//! What a system refuses: threads, processes, locks, address space. `strace` stands in for a kernel or a container that does;
//! whatever is refused, the program goes on or says what is missing, and never panics.

use crate::support::{Home, LONG, Output, Process, Program, receiver, wait_until};
use glassbox_tests::skip;
use std::process::{Child, Command};

/// Something to report.
const PRINT: &[u8] = br#"{"event":"PrintStarted","payload":{"path":"a.gcode","origin":"local"}}
"#;

/// The program, for which this system call fails like that.
pub fn refusing(call: &str, how: &str, home: &Home, arguments: &[&str]) -> Program {
    let program = home.command(arguments).into_command();
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
    traced.arg("-e").arg(format!("inject={call}:{how}")).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced.into()
}

/// Whether that can be done here; says so if not.
pub fn can_refuse() -> bool {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    let works = works.is_ok_and(|output| output.status.success());
    if !works {
        skip("there is no strace that may trace; on Debian: apt-get install strace");
    }
    works
}

/// What has a system call fail for one thread, until it is dropped.
pub struct Refusal(Child);

/// From now on this system call fails like that for the host's thread of this name.
pub fn refuse_for(host: &Process, thread: &str, call: &str, how: &str) -> Refusal {
    let tasks = || std::fs::read_dir(format!("/proc/{}/task", host.id())).unwrap().map(|task| task.unwrap().path());
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let of_name = || tasks().find(|task| read(task.join("comm")).trim_end() == thread);
    wait_until("there is the thread", || of_name().is_some());
    let task = of_name().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
    strace.arg("-e").arg(format!("inject={call}:{how}")).arg("-p").arg(task.file_name().unwrap());
    let refusal = Refusal(strace.spawn().unwrap());
    wait_until("strace is attached", || !read(task.join("status")).contains("TracerPid:\t0\n"));
    refusal
}

impl Drop for Refusal {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// A home whose tracker has an id, and is in no cache.
fn home(server: &str) -> Home {
    let home = Home::opted_in(server);
    home.run(&["run", "--events", "-"]).good();
    let _ = std::fs::remove_dir_all(home.root().join("cache"));
    home
}

#[track_caller]
pub fn did_not_panic(output: &Output) {
    assert!(!output.err.contains("panicked") && output.status != Some(101), "{:?} {}", output.status, output.err);
}

#[test]
fn without_threads_every_command_says_so_and_ends() {
    if !can_refuse() {
        return;
    }
    let home = home("http://127.0.0.1:9/");
    for (how, advice) in [("error=EPERM", "seccomp"), ("error=EAGAIN", "ulimit -u")] {
        let output = refusing("clone3", how, &home, &["run", "--events", "-"]).run();
        did_not_panic(&output);
        let says = output.err.contains("the system starts no thread for it") && output.err.contains(advice);
        assert!(output.status == Some(2) && says, "{how}: {:?} {}", output.status, output.err);
        for arguments in [&["list"][..], &["status"], &["doctor"], &["opt-out", "tracking"], &["opt-in", "tracking"]] {
            did_not_panic(&refusing("clone3", how, &home, arguments).run());
        }
    }
    // An older kernel has another call for it.
    let log = refusing("clone3", "error=ENOSYS", &home, &["run", "--events", "-"]).run().log();
    assert!(log.contains("reports sent"), "{log}");
}

#[test]
fn whichever_thread_is_the_one_too_many_nothing_panics() {
    if !can_refuse() {
        return;
    }
    let receiver = receiver();
    let home = home(&receiver.url());
    for number in 1..=9 {
        let how = format!("error=EAGAIN:when={number}+");
        let output = refusing("clone3", &how, &home, &["run", "--events", "-"]).run();
        did_not_panic(&output);
        let says = output.err.contains("no thread") || output.status == Some(0);
        assert!(says, "{number}: {:?} {}", output.status, output.err);
    }
}

#[test]
fn a_report_for_which_there_is_no_thread_is_dropped_and_the_next_one_is_sent() {
    if !can_refuse() {
        return;
    }
    let receiver = receiver();
    let home = home(&receiver.url());
    let before = receiver.requests().len();
    let mut host = home.start();
    let refusal = refuse_for(&host, "tracking", "clone3", "error=EAGAIN");
    host.feed(PRINT);
    host.wait_for_log("nothing can be sent: the system starts no thread for it");
    drop(refusal);
    let dropped = || home.run(&["journal"]).good().contains("the system had no thread for it");
    wait_until("the journal says so", dropped);
    assert_eq!(receiver.requests().len(), before);
    host.feed(PRINT);
    wait_until("the next one is sent", || receiver.requests().len() > before);
}

#[test]
fn without_a_process_for_it_the_host_compiles_itself_and_says_so() {
    if !can_refuse() {
        return;
    }
    let receiver = receiver();
    let home = home(&receiver.url());
    let before = receiver.requests().len();
    // Threads are made by another call.
    let log = refusing("clone", "error=EAGAIN", &home, &["run", "--events", "-"]).run_with(PRINT).log();
    assert!(log.contains("it was compiled by the host itself, and not by a process of its own: the system"), "{log}");
    assert!(receiver.requests().len() > before, "{log}");
}

#[test]
fn where_files_cannot_be_locked_there_is_one_host_all_the_same() {
    if !can_refuse() {
        return;
    }
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        let receiver = receiver();
        let home = Home::opted_in(&receiver.url());
        let how = format!("error={error}");
        let refusing = |arguments: &[&str]| refusing("flock", &how, &home, arguments);
        let mut first: Process = refusing(&["run", "--events", "-"]).start();
        first.wait_for_log("files cannot be locked in ");
        first.wait_for_log(" tracking: ");
        for second in [refusing(&["run", "--events", "-"]), home.command(&["run", "--events", "-"])] {
            let error = second.run().error();
            assert!(error.contains("another glassbox runs with the home "), "{error}");
        }
        assert!(home.run(&["status"]).good().contains("a host runs"));
        refusing(&["opt-out", "tracking"]).run().good();
        assert_eq!(home.settings()["enabled"], false);
        wait_until("the host notices", || first.log().contains("nothing is sent"));
        first.close();
        first.wait(LONG).log();
        assert!(!home.run(&["status"]).good().contains("a host runs"));
        home.run(&["journal", "--verify"]).good();
        home.run(&["run", "--events", "-"]).good();
    }
}

#[test]
fn a_small_address_space_is_enough() {
    let receiver = receiver();
    let home = home(&receiver.url());
    for kib in [6_000_000, 3_145_728, 1_000_000] {
        let before = receiver.requests().len();
        let mut limited = Command::new("sh");
        let program = home.command(&["run", "--events", "-"]).into_command();
        limited.args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "sh"]);
        limited.arg(program.get_program()).args(program.get_args());
        let log = crate::support::without_a_say(limited).run_with(PRINT).log();
        assert!(receiver.requests().len() > before, "{kib}: {log}");
    }
}

#[test]
fn memory_that_the_system_refuses_a_plugin_is_told_with_the_limit() {
    if !can_refuse() {
        return;
    }
    let home = home("http://127.0.0.1:9/");
    let host = home.start();
    let refusal = refuse_for(&host, "tracking", "mmap", "error=ENOMEM");
    // They make another instance.
    home.run(&["settings", "tracking", "ping=60"]).good();
    host.wait_for_log("the system refused it memory: ");
    host.wait_for_log("raise its limit ('ulimit -v')");
    drop(refusal);
    home.run(&["settings", "tracking", "ping=61"]).good();
    wait_until("it runs again", || host.log().matches(" INFO tracking: reports are sent").count() > 1);
}

#[test]
fn a_component_that_was_refused_is_not_compiled_again() {
    let home = crate::hostile::home_with("memory_for_compiling");
    let list = || home.run(&["list"]).good();
    let reason = "compiling it takes more than 192 MiB of memory";
    let files = || {
        let entries = std::fs::read_dir(home.root().join("cache")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "refused")).collect::<Vec<_>>()
    };
    let first = list();
    assert!(first.contains(reason) && !first.contains("as was found before"), "{first}");
    assert_eq!(files().len(), 1);
    let written = std::fs::read(&files()[0]).unwrap();
    for _ in 0..2 {
        let again = list();
        assert!(again.contains(&format!("{reason}, as was found before")), "{again}");
    }
    // Who says so without being us is not believed.
    std::fs::write(&files()[0], [&written[..], b"x"].concat()).unwrap();
    let found_out = list();
    assert!(found_out.contains(reason) && !found_out.contains("as was found before"), "{found_out}");
    assert_eq!(std::fs::read(&files()[0]).unwrap(), written, "and it is remembered anew");
    // Where we have less memory ourselves, it says nothing of the component.
    std::fs::remove_file(&files()[0]).unwrap();
    let mut limited = Command::new("sh");
    let program = home.command(&["list"]).into_command();
    limited.args(["-c", "ulimit -v 4000000; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    let said = crate::support::without_a_say(limited).run().good();
    assert!(said.contains("does not compile") && files().is_empty(), "{said}");
}

/// The processes below this one that compile.
fn compilers(below: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{below}/task")).into_iter().flatten().flatten();
    let children = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let children: Vec<_> =
        children.flat_map(|all| all.split_whitespace().map(String::from).collect::<Vec<_>>()).collect();
    let compiles = |child: &String| {
        std::fs::read_to_string(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.contains("--compile-component"))
    };
    children
        .into_iter()
        .flat_map(|child| if compiles(&child) { vec![child] } else { compilers(child.parse().unwrap()) })
        .collect()
}

#[test]
fn a_host_on_a_terminal_says_that_it_compiles() {
    let home = crate::hostile::home_with("memory_for_compiling");
    for on_terminal in [true, false] {
        let _ = std::fs::remove_dir_all(home.root().join("cache"));
        let run = home.command(&["run", "--events", "-"]).into_command();
        let line = format!("'{}' --home '{}' run --events -", run.get_program().display(), home.root().display());
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]);
        let mut host = crate::support::without_a_say(if on_terminal { script } else { run }).start();
        wait_until("it compiles", || !compilers(host.id()).is_empty());
        // However fast the machine is, it takes longer than anybody's patience.
        let compiler = compilers(host.id());
        let signal = |name: &str| compiler.iter().for_each(|id| drop(Command::new("kill").args([name, id]).status()));
        signal("-STOP");
        std::thread::sleep(std::time::Duration::from_secs(3));
        signal("-CONT");
        host.close();
        let output = host.wait(2 * LONG);
        let said = output.out + &output.err;
        assert_eq!(said.contains("it is being compiled, which takes a while"), on_terminal, "{said}");
    }
}

#[test]
fn a_compiler_that_takes_too_long_is_stopped() {
    let home = crate::hostile::home_with("memory_for_compiling");
    let mut list = home.command(&["list"]).start();
    // The limit of 60 s is made one of a second from outside, again and again, as the compiler sets its own at its start;
    // that of memory is taken away, as a fast machine is at it before that second is over.
    while list.runs() {
        for compiler in compilers(list.id()) {
            let _ = Command::new("prlimit")
                .args(["--pid", &compiler, "--cpu=1:60", "--data=unlimited:unlimited", "--as=unlimited:unlimited"])
                .output();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let said = list.wait(LONG).good();
    assert!(said.contains("compiling it takes more than 60 s of the processor's time"), "{said}");
    let again = home.run(&["list"]).good();
    assert!(again.contains("60 s of the processor's time, as was found before"), "{again}");
}
