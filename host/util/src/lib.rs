//! Small tools that know nothing of trackers, plugins or OctoPrint: every other room may use them, and
//! they use none. What belongs to a domain does not belong here, however small it is.

mod advised;
pub mod backoff;
pub mod files;
pub mod once;
pub mod rate;
// One escaping function in the whole program. It lives in the trusted core, which must not depend on
// other crates of ours; as we must not depend on that, its file is built into both.
#[path = "../../contract/src/text.rs"]
pub mod text;

pub use advised::Advised;
pub use backoff::{Backoff, random_part};
pub use once::Once;
pub use rate::PerMinute;
