//! The scanner under every parser: whole lines, whole tokens, digits by hand.
//!
//! `str::parse` would first need a UTF-8 check and accepts a leading `+`; this accepts digits and nothing else.

use std::fmt;

/// What is wrong with a kernel file, and in which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The key or column as the kernel names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// The ways in which a kernel file can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file has no bytes.
    Empty,
    /// The file does not end in a newline, so its last number may be cut short.
    Truncated,
    /// The field is not in the file, or its number is not in its line.
    Missing,
    /// The field is there twice.
    Duplicate,
    /// A byte that is not a digit stands in the number.
    NotADigit(u8),
    /// The number is negative where that has no meaning.
    Negative,
    /// The number does not fit into 64 bits.
    Overflow,
    /// The number is zero where the kernel never writes zero.
    Zero,
    /// More follows after the last token expected.
    Trailing,
    /// The number has no unit, or not the one the kernel uses.
    Unit,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.problem {
            Problem::Empty => write!(f, "{field}: the file is empty"),
            Problem::Truncated => write!(f, "{field}: the file does not end in a newline"),
            Problem::Missing => write!(f, "{field}: missing"),
            Problem::Duplicate => write!(f, "{field}: given twice"),
            Problem::NotADigit(byte) => write!(f, "{field}: byte {byte:#04x} in a number"),
            Problem::Negative => write!(f, "{field}: negative"),
            Problem::Overflow => write!(f, "{field}: does not fit into 64 bits"),
            Problem::Zero => write!(f, "{field}: zero"),
            Problem::Trailing => write!(f, "{field}: followed by more than expected"),
            Problem::Unit => write!(f, "{field}: not in the expected unit"),
        }
    }
}

impl std::error::Error for ParseError {}

impl Problem {
    pub(super) const fn at(self, field: &'static str) -> ParseError {
        ParseError { field, problem: self }
    }
}

/// The lines of a complete file. `field` names the file in the error.
pub(super) fn lines<'a>(
    bytes: &'a [u8],
    field: &'static str,
) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, ParseError> {
    match bytes.split_last() {
        None => Err(Problem::Empty.at(field)),
        Some((b'\n', whole)) => Ok(whole.split(|byte| *byte == b'\n')),
        Some(_) => Err(Problem::Truncated.at(field)),
    }
}

/// The only line of a one-line file.
pub(super) fn single_line<'a>(bytes: &'a [u8], field: &'static str) -> Result<&'a [u8], ParseError> {
    let mut lines = lines(bytes, field)?;
    let line = lines.next().ok_or(Problem::Empty.at(field))?;
    if lines.next().is_some() { Err(Problem::Trailing.at(field)) } else { Ok(line) }
}

/// Splits `key value` at the first space; a line without a space has an empty value.
pub(super) fn key_value(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    (&line[..at], line.get(at + 1..).unwrap_or_default())
}

/// A token of digits and nothing else.
pub(super) fn number(token: &[u8], field: &'static str) -> Result<u64, ParseError> {
    if token.is_empty() {
        return Err(Problem::Missing.at(field));
    }
    let mut value = 0_u64;
    for (place, byte) in token.iter().enumerate() {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte - b'0'),
            b'-' if place == 0 => return Err(Problem::Negative.at(field)),
            other => return Err(Problem::NotADigit(*other).at(field)),
        };
        value = value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit))
            .ok_or(Problem::Overflow.at(field))?;
    }
    Ok(value)
}

/// Stores the number of a field that may occur once.
pub(super) fn store(slot: &mut Option<u64>, token: &[u8], field: &'static str) -> Result<(), ParseError> {
    if slot.is_some() {
        return Err(Problem::Duplicate.at(field));
    }
    *slot = Some(number(token, field)?);
    Ok(())
}

/// A one-line file that holds one number.
pub(super) fn only_number(bytes: &[u8], field: &'static str) -> Result<u64, ParseError> {
    number(single_line(bytes, field)?, field)
}
