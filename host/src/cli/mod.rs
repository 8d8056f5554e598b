//! The command line: its arguments, one file for each command or for a few that belong together, what is
//! printed, and the log's format. What a command does is in `operations`.

pub mod arguments;
#[cfg(feature = "audit")]
pub mod audit;
mod consent;
#[cfg(feature = "audit")]
mod demo;
pub mod doctor;
mod import;
pub mod journal;
pub mod logger;
mod pack;
mod plugins;
pub mod replay;
pub mod run;
mod settings;
#[cfg(feature = "audit")]
mod sign;
mod status;

#[cfg(feature = "audit")]
pub use audit::audit;
pub use consent::{grant, opt_in, opt_out, revoke};
#[cfg(feature = "audit")]
pub use demo::demo;
pub use doctor::doctor;
pub use import::import;
pub use journal::journal;
pub use pack::pack;
pub use plugins::{init, list, policy};
pub use replay::replay;
pub use run::run;
pub use settings::settings;
#[cfg(feature = "audit")]
pub use sign::Sign;
pub use status::status;

use std::io::IsTerminal;

/// Whether to print in colour: for a terminal, unless its user does not want it, <https://no-color.org>.
fn colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !plain
}
