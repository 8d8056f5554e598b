//! The program as a whole: the real binary, real files, real HTTP to a loopback port.
#![cfg(unix)] // signals and named pipes
#![allow(missing_docs)]

mod against;
mod attest;
mod audit;
mod bad_input;
mod broken_files;
mod commands;
mod consent;
mod demo;
mod deploy;
mod disk;
mod docs;
mod doctor;
mod farm;
mod faulty;
mod files;
mod hostile;
mod import;
mod journal;
mod journal_command;
mod json_log;
mod kill;
mod load;
mod locks;
mod mqtt;
mod network;
mod octoprint;
mod octoprint_real;
mod octoprint_refused;
mod octoprint_status;
mod owner;
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
