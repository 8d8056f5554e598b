//! Small tools that know nothing of trackers, plugins or OctoPrint: files, text, errors with advice, back-off and rate
//! limits. Every crate outside the trusted core may use them, and they use no crate of ours. What belongs to a domain
//! does not belong here, however small it is.
//!
//! ```
//! use glassbox_util::files::{must_be_private, read_bounded, write_atomically};
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
//! # #[cfg(unix)]
//! # std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
//! # #[cfg(unix)]
//! assert!(must_be_private(&file, "the name").unwrap_err().to_string().contains("run 'chmod 600 "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advised;
pub mod backoff;
pub mod files;
pub mod once;
pub mod rate_limit;
// The one escaping function of the whole program is in the trusted core. That must not depend on this crate, nor this
// crate on it, so both include the file.
#[path = "../../contract/src/text.rs"]
pub mod text;

pub use advised::Advised;
pub use backoff::{Backoff, random_part};
pub use once::Once;
pub use rate_limit::PerMinute;
