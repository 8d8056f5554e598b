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
mod pack;
mod policy;
pub mod replay;
mod revoke;
pub mod run;
mod settings;
#[cfg(feature = "audit")]
mod sign;
mod status;

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
pub use pack::pack;
pub use policy::policy;
pub use replay::replay;
pub use revoke::revoke;
pub use run::run;
pub use settings::settings;
#[cfg(feature = "audit")]
pub use sign::Sign;
pub use status::status;

use std::io::IsTerminal;

/// Whether to print in colour: on a terminal, unless its user has set `NO_COLOR`, <https://no-color.org>.
fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !plain
}
