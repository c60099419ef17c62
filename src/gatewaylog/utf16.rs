//! Text that a Windows shell has redirected (`> log.txt` in PowerShell) is UTF-16 with a mark in front.

use std::io::{self, Cursor, Read};

const CHUNK: usize = 16 << 10;

/// The bytes as UTF-8; what begins with no mark goes through as it is.
pub(super) fn decoded<R: Read + Send + 'static>(mut reader: R) -> io::Result<Box<dyn Read + Send>> {
    let mut mark = [0; 2];
    let mut got = 0;
    while got < mark.len() {
        match reader.read(&mut mark[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let big_endian = match mark[..got] {
        [0xff, 0xfe] => false,
        [0xfe, 0xff] => true,
        _ => return Ok(Box::new(Cursor::new(mark[..got].to_vec()).chain(reader))),
    };
    Ok(Box::new(Utf16 { reader, big_endian, odd: None, high: None, ready: Vec::new(), given: 0 }))
}

struct Utf16<R> {
    reader: R,
    big_endian: bool,
    /// The first half of a unit whose second half has not come yet.
    odd: Option<u8>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf16<R> {
    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = vec![0; CHUNK];
        let got = self.reader.read(&mut bytes)?;
        self.ready.clear();
        self.given = 0;
        let mut units: Vec<u16> = self.high.take().into_iter().collect();
        for byte in &bytes[..got] {
            match self.odd.take() {
                None => self.odd = Some(*byte),
                Some(first) if self.big_endian => units.push(u16::from_be_bytes([first, *byte])),
                Some(first) => units.push(u16::from_le_bytes([first, *byte])),
            }
        }
        if got > 0 {
            self.high = units.pop_if(|last| (0xd800..0xdc00).contains(last));
        }
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.ready.extend(text.collect::<String>().into_bytes());
        Ok(got > 0)
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if !self.fill()? && self.ready.is_empty() {
                return Ok(0);
            }
        }
        let n = into.len().min(self.ready.len() - self.given);
        into[..n].copy_from_slice(&self.ready[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "stuck session: K\u{e4}fer \u{1f99e}\r\nlane=main\r\n";

    fn read(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        decoded(Cursor::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn both_byte_orders_and_plain_text_are_the_same() {
        let little: Vec<u8> =
            [0xfeff].into_iter().chain(TEXT.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> =
            [0xfeff].into_iter().chain(TEXT.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!([read(little), read(big), read(TEXT.into())], [TEXT, TEXT, TEXT]);
        assert_eq!([read(Vec::new()), read(vec![b'x'])], ["", "x"]);
    }

    #[test]
    fn a_file_that_ends_in_the_middle_is_read_as_far_as_it_goes() {
        assert_eq!(read(vec![0xff, 0xfe, b'a', 0, b'b']), "a");
        assert_eq!(read(vec![0xff, 0xfe, b'a', 0, 0x3e, 0xd8]), "a\u{fffd}");
    }
}
