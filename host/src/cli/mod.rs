//! The command line: its arguments, one file for each command with what it prints, and the log's format. What a
//! command does is in `operations`.

pub mod arguments;
#[cfg(feature = "audit")]
pub mod audit;
mod completions;
#[cfg(feature = "audit")]
mod demo;
pub mod doctor;
mod grant;
mod import;
mod init;
pub mod journal;
mod list;
pub mod logger;
mod opt_in;
mod opt_out;
mod output;
mod pack;
mod policy;
mod progress;
pub mod replay;
mod revoke;
pub mod run;
mod settings;
#[cfg(feature = "audit")]
mod sign;
mod status;
mod trust;

#[cfg(feature = "audit")]
pub use audit::audit;
pub use completions::completions;
#[cfg(feature = "audit")]
pub use demo::demo;
pub use doctor::doctor;
pub use grant::grant;
pub use import::import;
pub use init::init;
pub use journal::journal;
pub use list::list;
pub use opt_in::opt_in;
pub use opt_out::opt_out;
use output::out;
pub use output::{complain, misused};
pub use pack::pack;
pub use policy::policy;
pub use replay::replay;
pub use revoke::revoke;
pub use run::run;
pub use settings::settings;
#[cfg(feature = "audit")]
pub use sign::Sign;
pub use status::status;
pub use trust::trust;

use std::io::IsTerminal;

/// How a command ended, if without an error: its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All is well.
    Well = 0,
    /// A check failed.
    Failed = 1,
    /// A journal was not cleanly closed: what is after its last line that is known for sure may have been written by anybody.
    Unclean = 3,
}

impl From<bool> for Ended {
    fn from(well: bool) -> Self {
        if well { Self::Well } else { Self::Failed }
    }
}

/// Whether to print in colour: on a terminal, unless its user has set `NO_COLOR`, <https://no-color.org>.
fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !plain
}
