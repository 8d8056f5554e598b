//! Plugins in a running host: loading them, the threads that run them, and keeping both in step with the files in
//! the home. How those files are read and written is in the room `home`; what a component may do is decided by
//! `glassbox-sandbox`.
//!
//! How it flows: the [`watcher`] tells the [`supervisor`] in which folder something changed. The supervisor reads
//! the files and sends a job for each plugin that changed to the [`loader`], which checks and compiles it and
//! answers. If it can run, the supervisor starts a [`worker`] thread for each OctoPrint, or orders the worker that
//! there is to take the new version. A worker takes orders and events from its queue and runs the plugin
//! ([`running_plugin`]), which goes back to the version before if a new one fails. All of them talk by
//! [`messages`]; nobody waits for an answer.

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
