//! Judged locks as text for people and for programs. Knows nothing of how they were found.

pub mod advice;
pub mod blocks;
pub mod diagnosed;
pub mod explain;
pub mod holders;
pub mod html;
pub mod json;
pub mod lock_words;
pub mod page;
pub mod plain;
pub mod reclaimed;
pub mod reclaimed_lease;
pub mod status;
pub mod style;
pub mod table;
