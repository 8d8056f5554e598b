//! Tests of `glassbox-collector`, as a process and as a library.
#![allow(missing_docs)]

#[path = "../src/skip.rs"]
mod skip;

mod addresses;
mod backup;
mod damage;
mod demo;
mod deploy;
mod doctor;
mod ending;
mod exports;
mod fleet;
mod forgetting;
mod import;
mod keeping;
mod killing;
mod manifest;
mod many;
mod metrics;
mod page;
mod page_states;
mod places;
mod privacy;
mod receiving;
mod recorded;
mod status;
mod support;

// What the file of `skip` tests itself with.
use support::Folder;
