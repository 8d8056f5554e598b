//! Threads that the service cannot do without.

use crate::log;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// The exit status of a program that has panicked, as Rust's own is.
const PANICKED: i32 = 101;

/// Start a thread whose panic ends the process: without the one that writes, reports would be answered and lost, and nobody
/// would know. Who started the program starts it again, as the systemd unit does.
pub(crate) fn vital(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.into()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            log(format_args!(
                "error: the thread '{name}' has panicked, and without it nothing is kept; the program ends"
            ));
            std::process::exit(PANICKED);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    /// Set for the process that is to end.
    const ENDS: &str = "GLASSBOX_TEST_ENDS";

    #[test]
    fn a_panic_ends_the_process() {
        if std::env::var_os(ENDS).is_some() {
            let _ = super::vital("test", || panic!("as asked"));
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
        let mut this = Command::new(std::env::current_exe().unwrap());
        let output = this.args(["--exact", "thread::tests::a_panic_ends_the_process"]).env(ENDS, "").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(101) && said.contains("the thread 'test' has panicked"), "{said}");
    }
}
