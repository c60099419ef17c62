//! Records: a row's values, decoded one column at a time.
//!
//! After <https://www.sqlite.org/fileformat2.html#record_format>.

use super::page::varint;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Value {
    /// What it takes in memory beside its own size.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
        }
    }
}

/// The record contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The values at `wanted`, in that order. `None` stands for what is not there: a column that was added to the
/// table after the record was written, or one beyond the part of the record that was given.
pub(crate) fn columns(record: &[u8], wanted: &[usize]) -> Result<Vec<Option<Value>>, Malformed> {
    let (header, mut body) = header(record).ok_or(Malformed)?;
    let mut values = vec![None; wanted.len()];
    for (column, serial) in serials(header).enumerate() {
        let serial = serial?;
        let end = serial_length(serial).and_then(|length| body.checked_add(length)).ok_or(Malformed)?;
        if let Some(bytes) = record.get(body..end) {
            for (value, _) in values.iter_mut().zip(wanted).filter(|&(_, &at)| at == column) {
                *value = Some(decode(serial, bytes));
            }
        }
        body = end;
    }
    Ok(values)
}

/// How many columns the record has.
pub(crate) fn count(record: &[u8]) -> Option<usize> {
    Some(serials(header(record)?.0).count())
}

/// The serial types, and where the values begin.
fn header(record: &[u8]) -> Option<(&[u8], usize)> {
    let (length, start) = varint(record)?;
    let length = usize::try_from(length).ok()?;
    Some((record.get(start..length)?, length))
}

fn serials(mut header: &[u8]) -> impl Iterator<Item = Result<u64, Malformed>> {
    std::iter::from_fn(move || {
        if header.is_empty() {
            return None;
        }
        let Some((serial, n)) = varint(header) else {
            header = &[];
            return Some(Err(Malformed));
        };
        header = &header[n..];
        Some(Ok(serial))
    })
}

fn serial_length(serial: u64) -> Option<usize> {
    Some(match serial {
        0 | 8 | 9 => 0,
        1..=4 => serial as usize,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => usize::try_from((serial - 12) / 2).ok()?,
    })
}

fn decode(serial: u64, bytes: &[u8]) -> Value {
    match serial {
        0 => Value::Null,
        1..=6 => Value::Integer(integer(bytes)),
        7 => Value::Real(f64::from_bits(integer(bytes) as u64)),
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        even if even % 2 == 0 => Value::Blob(bytes.to_vec()),
        _ => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn integer(bytes: &[u8]) -> i64 {
    let sign = bytes.first().map_or(0, |&b| i64::from(b as i8) >> 7);
    bytes.iter().fold(sign, |value, &b| value << 8 | i64::from(b))
}
