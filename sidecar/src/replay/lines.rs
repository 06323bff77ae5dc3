//! Lines of any input, each bounded.

use std::io::{self, BufRead, Read};

/// Longest line, in bytes; a thousand processes need about two million.
pub(super) const LONGEST: usize = 16 << 20;

/// A line of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a str),
    /// Longer than [`LONGEST`]; the rest of it is skipped.
    TooLong,
    /// Not UTF-8 from here on.
    NotText {
        column: usize,
    },
}

pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line that is not blank, and its number from 1.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        loop {
            self.line.clear();
            let mut bounded = self.input.by_ref().take(LONGEST as u64 + 1);
            if bounded.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.line.len() > LONGEST && self.line.last() != Some(&b'\n') {
                self.skip_rest()?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        let line = match std::str::from_utf8(&self.line) {
            Ok(text) => Line::Text(text),
            Err(error) => {
                let good = String::from_utf8_lossy(&self.line[..error.valid_up_to()]);
                Line::NotText { column: good.chars().count() + 1 }
            }
        };
        Ok(Some((self.number, line)))
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let (used, ended) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(used);
            if ended {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_bounded_and_checked() {
        let mut input = b"a\r\n\n  \nb".to_vec();
        input.extend(b"\n\xff\n");
        input.extend(vec![b'x'; LONGEST + 5]);
        input.extend(b"\nlast");
        let mut lines = Lines::new(io::Cursor::new(input));
        let mut next = || lines.next().unwrap().map(|(number, line)| (number, format!("{line:?}")));
        assert_eq!(next(), Some((1, r#"Text("a\r\n")"#.to_owned())));
        assert_eq!(next(), Some((4, r#"Text("b\n")"#.to_owned())));
        assert_eq!(next(), Some((5, "NotText { column: 1 }".to_owned())));
        assert_eq!(next(), Some((6, "TooLong".to_owned())));
        assert_eq!(next(), Some((7, r#"Text("last")"#.to_owned())));
        assert_eq!(next(), None);
    }
}
