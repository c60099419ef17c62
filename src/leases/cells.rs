//! The cells of OpenClaw's tables as values, and a table as a whole.

use chrono::{DateTime, Utc};

use crate::peek::error::{ReadError, Result};
use crate::peek::record::Value;

/// The rows of one table, or why there are none: one table that lockdoctor does not know must not hide the rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Section<T> {
    Rows(Vec<T>),
    /// This version of OpenClaw has no such table.
    #[default]
    Absent,
    /// A sentence.
    Unreadable(String),
}

impl<T> Section<T> {
    pub fn rows(&self) -> &[T] {
        match self {
            Self::Rows(rows) => rows,
            Self::Absent | Self::Unreadable(_) => &[],
        }
    }
}

/// An unknown table is news about that table; a damaged page is news about the database.
pub(crate) fn section<T>(rows: Result<Option<Vec<T>>>) -> Result<Section<T>> {
    match rows {
        Ok(Some(rows)) => Ok(Section::Rows(rows)),
        Ok(None) => Ok(Section::Absent),
        Err(unknown @ ReadError::Schema { .. }) => Ok(Section::Unreadable(unknown.to_string())),
        Err(other) => Err(other),
    }
}

pub(crate) fn text(value: &Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

pub(crate) fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

/// Milliseconds since 1970, everywhere in OpenClaw's databases.
pub(crate) fn time(value: &Value) -> Option<DateTime<Utc>> {
    integer(value).and_then(DateTime::from_timestamp_millis)
}
