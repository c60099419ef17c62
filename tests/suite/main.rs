//! What lockdoctor promises, held against the program as it is typed and against the library's parts.

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod demo;
mod diagnose_cli;
mod diagnosis;
mod discovery;
mod docs;
mod doctor;
mod gatewaylog;
mod gatewaylog_samples;
mod golden;
mod hostile;
mod html_report;
mod kinds;
mod namespaces;
mod night;
mod outlets;
mod output;
mod parity;
mod payload;
mod reclaim;
mod reclaim_filesystems;
mod reclaim_quarantine;
mod reclaim_together;
mod scan;
mod ship_check;
mod ship_man;
mod sqlite;
mod syscalls;
mod unseen;
mod watch;
