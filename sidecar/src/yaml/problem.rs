//! What is wrong with a file, where, and how it is said.
//!
//! All problems of a file are reported together, in the order of the file, because a file that is corrected one error at a
//! time takes one roll-out per error. What is shown comes from a file that may be hostile, so every message is cut and its
//! control characters are escaped before a terminal, a log or a page sees it.

use std::fmt;
use std::sync::Arc;

use super::text;

/// A place in a file. Both count from 1; the column counts characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The character in that line.
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// One problem. Displays as `policy.yaml:3:21: message`, or without a place as `policy.yaml: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name: in its directory, or as it was given.
    pub file: Arc<str>,
    /// Where; `None` when it is about the file as a whole.
    pub at: Option<Position>,
    /// What is wrong, and where possible what to write instead.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(file: &Arc<str>, at: Option<Position>, message: &str) -> Self {
        Self { file: Arc::clone(file), at, message: text::harmless(message) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(Position { line, column }) => {
                write!(f, "{}:{line}:{column}: {}", self.file, self.message)
            }
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Why a file is refused: at least one problem, in the order of the file. Displays one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
    /// How many more there are than `problems` holds.
    more: usize,
    /// The file's text, for [`Self::with_source`].
    source: String,
}

impl Problems {
    pub(crate) fn new(mut problems: Vec<Problem>, more: usize, source: String) -> Self {
        problems.sort_by_key(|problem| problem.at);
        Self { problems, more, source }
    }

    /// A problem with the file as a whole.
    pub(crate) fn of_file(file: &Arc<str>, message: &str) -> Self {
        Self::new(vec![Problem::new(file, None, message)], 0, String::new())
    }

    /// The problems, at most 100.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Each problem with its line of the file and a caret below the place.
    pub fn with_source(&self) -> impl fmt::Display + '_ {
        WithSource(self)
    }

    fn fmt_more(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.more > 0 { write!(f, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        self.fmt_more(f)
    }
}

impl std::error::Error for Problems {}

struct WithSource<'a>(&'a Problems);

impl fmt::Display for WithSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = text::lines(&self.0.source);
        for (index, problem) in self.0.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
            let shown = problem.at.and_then(|at| Some((at, lines.get(at.line as usize - 1)?)));
            if let Some((at, line)) = shown {
                let (line, offset) = text::around(line, at.column as usize - 1);
                write!(f, "\n{:>5} | {line}\n      | {:offset$}^", at.line, "")?;
            }
        }
        self.0.fmt_more(f)
    }
}
