//! Plugins in a running host: which there are, what each may do, and the threads that run them. Files decide
//! ([`supervisor`]); what is in them is read in the room `home`, and what a component may do is the sandbox's.

pub mod context;
mod latency_histogram;
pub mod loader;
pub mod locality;
mod log_limit;
pub mod messages;
pub mod running_plugin;
pub mod supervisor;
pub mod watcher;
pub mod worker;
