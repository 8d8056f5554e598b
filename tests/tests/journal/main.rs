//! The journal: that it hangs together whatever is written, that the check finds whatever is changed,
//! and that neither a crash nor a full disk breaks it.
#![cfg(unix)] // signals, and limits of a process
#![allow(missing_docs)]

mod crash;
mod outage;
mod support;
mod tamper;
mod writing;
