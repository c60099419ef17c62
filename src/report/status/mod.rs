//! The answer, as `lockdoctor` alone shows it: text for people, and one document for programs, which the daemon
//! serves as well.

pub mod document;
pub mod text;
