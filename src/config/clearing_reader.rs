//! A buffered reader for files with passwords in them.

use std::io::{self, BufRead, Read};

use zeroize::{Zeroize, Zeroizing};

/// As `std::io::BufReader`, but what has been consumed is overwritten at once and the rest when it is dropped.
pub struct ClearingReader<R> {
    inner: R,
    buffer: Zeroizing<Box<[u8]>>,
    start: usize,
    end: usize,
}

const BUFFER_BYTES: usize = 8 * 1024;

impl<R: Read> ClearingReader<R> {
    /// Reads from `inner`, which must have no buffer of its own.
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: Zeroizing::new(vec![0; BUFFER_BYTES].into_boxed_slice()), start: 0, end: 0 }
    }
}

impl<R: Read> Read for ClearingReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for ClearingReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start >= self.end {
            (self.start, self.end) = (0, 0);
            self.end = self.inner.read(&mut self.buffer)?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        let next = self.start.saturating_add(amount).min(self.end);
        if let Some(consumed) = self.buffer.get_mut(self.start..next) {
            consumed.zeroize();
        }
        self.start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_is_there() {
        let text: String = (0..10_000).map(|number| format!("user{number},secret{number}\n")).collect();
        let lines = ClearingReader::new(text.as_bytes()).lines().collect::<io::Result<Vec<_>>>().unwrap();
        assert_eq!(lines.join("\n") + "\n", text);
        let mut all = String::new();
        ClearingReader::new(text.as_bytes()).read_to_string(&mut all).unwrap();
        assert_eq!(all, text);
    }

    #[test]
    fn nothing_that_was_consumed_stays_in_the_buffer() {
        let mut reader = ClearingReader::new(b"alice,secret123\nbob,secret456\n".as_slice());
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).unwrap();
        assert_eq!(line, b"alice,secret123\n");
        assert!(reader.buffer[..16].iter().all(|&byte| byte == 0));
        assert_eq!(&reader.buffer[16..30], b"bob,secret456\n");
        reader.consume(usize::MAX);
        assert!(reader.buffer.iter().all(|&byte| byte == 0));
        assert!(reader.fill_buf().unwrap().is_empty());
    }
}
