//! What a system refuses the engine that runs plugins: the message names the system and what to change, and no plugin is
//! blamed.

use crate::refused::{can_refuse, did_not_panic, refusing};
use crate::support::{Home, without_a_say};
use glassbox_tests::skip;
use std::process::Command;

/// Starts another program (the rest of its arguments) that may not make memory executable: as systemd has it with
/// `MemoryDenyWriteExecute=yes`, by the kernel's own refusal or, where it has none, by a filter of system calls.
const NO_EXECUTABLE_MEMORY: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def prctl(*numbers):
    if libc.prctl(*[ctypes.c_ulong(number) for number in numbers]) != 0:
        sys.exit(77)
if sys.argv[1] == "kernel":
    PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
    prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)
else:
    mprotect = {"x86_64": 10, "aarch64": 226}.get(os.uname().machine) or sys.exit(77)
    LOAD, EQUAL, SET, RETURN, EPERM, PROT_EXEC = 0x20, 0x15, 0x45, 0x06, 0x50001, 4
    steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 3, mprotect), (LOAD, 0, 0, 32), (SET, 0, 1, PROT_EXEC),
             (RETURN, 0, 0, EPERM), (RETURN, 0, 0, 0x7fff0000)]
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(filter)))
    prctl(38, 1, 0, 0, 0)
    prctl(22, 2, ctypes.addressof(program), 0, 0)
os.execvp(sys.argv[2], sys.argv[2:])
"#;

#[test]
fn where_no_code_may_be_made_the_system_is_named_and_no_plugin() {
    let home = Home::opted_in("http://127.0.0.1:9/");
    for by in ["kernel", "filter"] {
        let refusing = |arguments: &[&str]| {
            let program = home.command(arguments).into_command();
            let mut python = Command::new("python3");
            python.args(["-c", NO_EXECUTABLE_MEMORY, by]).arg(program.get_program()).args(program.get_args());
            without_a_say(python).run()
        };
        let said = refusing(&["run", "--events", "-"]);
        if said.status == Some(77) {
            skip("this kernel cannot refuse to make memory executable");
            continue;
        }
        let names = |text: &str| {
            let why = "no plugin can run here: the system does not let this program run code that it has compiled (";
            text.contains(why) && text.contains("MemoryDenyWriteExecute=yes") && !text.contains("damaged")
        };
        assert!(said.status == Some(2) && names(&said.err), "{by}: {:?} {}", said.status, said.err);
        let said = refusing(&["doctor"]);
        let advice = "do: have the system allow that; no plugin is to blame";
        assert!(said.status == Some(1) && names(&said.out) && said.out.contains(advice), "{by}: {}", said.out);
        for arguments in [["list"], ["status"]] {
            let said = refusing(&arguments).good();
            assert!(names(&said), "{by}: {said}");
        }
        refusing(&["opt-out", "tracking"]).good();
        refusing(&["opt-in", "tracking"]).good();
    }
}

#[test]
fn an_engine_that_panics_is_told_in_words() {
    if !can_refuse() {
        return;
    }
    let home = Home::opted_in("http://127.0.0.1:9/");
    let refusing = |arguments: &[&str]| {
        let output = refusing("sigaltstack", "error=EPERM", &home, arguments).run();
        did_not_panic(&output);
        output
    };
    let names = |text: &str| text.contains("the engine does not start: ") && text.contains("SystemCallFilter");
    let said = refusing(&["run", "--events", "-"]);
    assert!(said.status == Some(2) && names(&said.err), "{:?} {}", said.status, said.err);
    for arguments in [["list"], ["status"], ["doctor"]] {
        let said = refusing(&arguments);
        assert!(names(&said.out), "{}", said.out);
    }
}
