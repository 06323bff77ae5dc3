//! Bytes to text, and text that is fit to be shown.

use super::problem::Position;

/// Characters of a file's own words that a message quotes.
const QUOTED: usize = 40;
/// Characters of a line that are shown on each side of a place.
const AROUND: usize = 60;
/// Longest message, in characters.
const MESSAGE: usize = 400;

/// The bytes as text without control characters.
///
/// # Errors
/// The first place that is not UTF-8, or is a character that YAML does not allow.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, (Position, String)> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err((Position::START, "looks like UTF-16: save the file as UTF-8".to_owned()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        let byte = bad.first().copied().unwrap_or_default();
        (end_of(&String::from_utf8_lossy(good)), format!("not UTF-8: byte 0x{byte:02x}"))
    })?;
    let forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    match text.char_indices().find(|(_, c)| forbidden(*c)) {
        Some((at, c)) => {
            Err((end_of(&text[..at]), format!("control character U+{:04X} is not allowed", u32::from(c))))
        }
        None => Ok(text),
    }
}

/// The place behind the last character of `text`.
fn end_of(text: &str) -> Position {
    let lines = lines(text);
    let column = lines.last().map_or(0, |line| line.trim_start_matches('\u{feff}').chars().count());
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(lines.len()), column: number(column + 1) }
}

/// The lines, broken as YAML breaks them: at `\n`, `\r\n` and `\r`. There is always one, the last may be empty.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        let (line, tail) = rest.split_at(end);
        lines.push(line);
        rest = tail.strip_prefix("\r\n").unwrap_or(&tail[1..]);
    }
    lines.push(rest);
    lines
}

/// The part of `line` around its character `column` (from 0), one printable character for each, and where `column` is in it.
pub(crate) fn around(line: &str, column: usize) -> (String, usize) {
    let line = line.trim_start_matches('\u{feff}');
    let long = line.chars().nth(2 * AROUND).is_some();
    let start = if long { column.saturating_sub(AROUND) } else { 0 };
    let printable = |c: char| if c == '\t' || c.is_control() { ' ' } else { c };
    let shown = line.chars().skip(start).take(2 * AROUND).map(printable).collect();
    (shown, column - start)
}

/// A word of the file, cut and in backquotes.
pub(crate) fn quoted(word: &str) -> String {
    let mut shown: String = word.chars().take(QUOTED).collect();
    if shown.len() < word.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// `message` cut, and with every character escaped that could move a cursor or hide text.
pub(crate) fn harmless(message: &str) -> String {
    let mut out = String::with_capacity(message.len().min(MESSAGE));
    for c in message.chars().take(MESSAGE) {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}
