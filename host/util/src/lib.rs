//! Small tools that know nothing of trackers, plugins or OctoPrint: files, text, errors with advice, back-off and rate
//! limits. Every crate outside the trusted core may use them, and they use no crate of ours. What belongs to a domain
//! does not belong here, however small it is.
//!
//! ```
//! use glassbox_util::Advised;
//! use glassbox_util::files::{read_bounded, write_atomically};
//! use glassbox_util::text::printable;
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("name");
//! // A reader sees the old content or the new, and a crash loses neither.
//! write_atomically(&file, "Ada\u{202e}".as_bytes())?;
//! // No file of somebody else's fills the memory or keeps us waiting, and none steers the terminal.
//! let name = String::from_utf8(read_bounded(&file, 100)?)?;
//! assert_eq!(printable(&name, 80), "Ada\\u{202e}");
//! // What went wrong is an error, and says what to do.
//! let error = Advised::new("others can read it", "run 'chmod 600 name'");
//! assert_eq!(error.to_string(), "others can read it; run 'chmod 600 name'");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advised;
pub mod backoff;
mod caught;
pub mod encoding;
pub mod files;
pub mod hangup;
pub mod json;
mod kept_once;
pub mod machine;
mod no_thread;
pub mod once;
pub mod rate_limit;
pub mod text;

pub use advised::Advised;
pub use backoff::{Backoff, random_part};
pub use caught::caught;
pub use kept_once::kept_once;
pub use no_thread::no_thread;
pub use once::Once;
pub use rate_limit::PerMinute;
