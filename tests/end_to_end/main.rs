//! The program as a whole: the real binary, real files, real HTTP to a loopback port.
#![cfg(unix)] // signals and named pipes
#![allow(missing_docs)]

mod against;
mod attest;
mod audit;
mod bad_input;
mod broken_files;
mod commands;
mod connections;
mod consent;
mod demo;
mod deploy;
mod disk;
mod docs;
mod doctor;
mod farm;
mod faulty;
mod hostile;
mod import;
mod journal;
mod journal_command;
mod json_log;
mod kill;
mod load;
mod mqtt;
mod namespace;
mod network;
mod no_doubt;
mod noticing;
mod octoprint;
mod octoprint_real;
mod octoprint_refused;
mod octoprint_status;
mod permission;
mod print_hours;
mod proxy;
mod push_server;
mod record;
mod reload;
mod run;
mod settings;
mod support;
mod throttle;
mod tls;
