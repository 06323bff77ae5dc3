//! YAML text to a tree in which every key and value knows its place.
//!
//! Why not `serde`: its `Deserialize` stops at the first thing that it dislikes, and it has typed a scalar (`0x10` is 16,
//! `yes` is true) before we see it. Here the parser's events become a tree of plain text; what YAML allows and our
//! files do not (aliases, anchors, tags, directives, repeated fields, a second document) is reported with its place and
//! reading goes on, so that all errors of a file are told at once. Only a syntax error ends it.
//!
//! Aliases are what makes a small file big (the "billion laughs"), so there is no expansion at all. Depth, number of values
//! and, before that, the size of the file are bounded; time is linear: the worst 256 KiB take a few milliseconds.

use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StrInput, StructureStyle};

use super::findings::Findings;
use super::problem::Position;
use super::text::quoted;

/// Deepest nesting, of `[]` and `{}` and of indentation each; a policy needs 6.
const DEPTH: usize = 16;
/// Most keys and values; 256 policies need about 6,000.
const NODES: usize = 10_000;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    /// Empty, `~` or `null`.
    Nothing,
    /// A scalar as written.
    Plain(String),
    /// A scalar that was quoted or a block, and so is text whatever it looks like.
    Quoted(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that was already reported.
    Unusable,
}

/// A field of a map.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The key's place.
    pub(crate) at: Position,
    pub(crate) value: Node,
}

/// The one document of `text`; `None` when there is none or its syntax is wrong, which is then reported.
pub(crate) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    Builder { parser, findings, nodes: 0, open: Vec::new() }.document().ok()
}

/// The reason was reported.
struct Stop;

struct Builder<'i, 'f> {
    parser: Parser<'i, StrInput<'i>>,
    findings: &'f mut Findings,
    nodes: usize,
    /// Lines of the brackets that are open.
    open: Vec<u32>,
}

impl<'i> Builder<'i, '_> {
    fn next(&mut self) -> Result<(Event<'i>, Position), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, position(&span.start))),
            Some(Err(error)) => Err(self.stop(position(error.marker()), syntax(&error, self.open.last()))),
            None => Err(self.stop(Position::START, "the file ends unexpectedly".to_owned())),
        }
    }

    fn stop(&mut self, at: Position, message: String) -> Stop {
        self.findings.problem(at, || message);
        Stop
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::DocumentStart(..), at) if root.is_some() => {
                    let message = format!("a second document: {} holds one", self.findings.format.kind);
                    self.findings.problem(at, || message);
                    break;
                }
                (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
                (event, at) => root = Some(self.node(event, at)?),
            }
        }
        root.ok_or_else(|| {
            let message = format!("the file is empty: {}", self.findings.format.empty);
            self.stop(Position::START, message)
        })
    }

    fn node(&mut self, event: Event<'i>, at: Position) -> Result<Node, Stop> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(self.stop(at, format!("more than {NODES} keys and values")));
        }
        if event.tag().is_some() {
            self.findings.problem(at, || "tags (`!name`) are not supported".to_owned());
        }
        if event.anchor_id().is_some() {
            self.refuse_alias(at);
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) if is_nothing(&text) => Value::Nothing,
            Event::Scalar(text, ScalarStyle::Plain, ..) => Value::Plain(text.into_owned()),
            Event::Scalar(text, ..) => Value::Quoted(text.into_owned()),
            Event::SequenceStart(style, ..) => Value::List(self.within(style, at, Self::list)?),
            Event::MappingStart(style, ..) => Value::Map(self.within(style, at, Self::map)?),
            _ => {
                self.refuse_alias(at);
                Value::Unusable
            }
        };
        Ok(Node { at, value })
    }

    fn refuse_alias(&mut self, at: Position) {
        self.findings.problem(at, || "anchors and aliases are not supported: write the value out".to_owned());
    }

    /// Reads the inside of a list or map, and knows meanwhile which bracket is open.
    fn within<T>(
        &mut self,
        style: StructureStyle,
        at: Position,
        read: fn(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        if style == StructureStyle::Block {
            return read(self);
        }
        self.open.push(at.line);
        let inside = read(self)?;
        self.open.pop();
        Ok(inside)
    }

    fn list(&mut self) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, at) => items.push(self.node(event, at)?),
            }
        }
    }

    /// The fields; of those with the same name only the first, the others are reported.
    fn map(&mut self) -> Result<Vec<Entry>, Stop> {
        let mut fields = Vec::new();
        let mut lines = BTreeMap::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(fields);
            }
            let key = self.node(event, at)?;
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at)?;
            let Some(key) = self.key(key) else { continue };
            match lines.get(&key) {
                Some(line) => self
                    .findings
                    .problem(at, || format!("a second field {}, the first is on line {line}", quoted(&key))),
                None => {
                    lines.insert(key.clone(), at.line);
                    fields.push(Entry { key, at, value });
                }
            }
        }
    }

    fn key(&mut self, key: Node) -> Option<String> {
        match key.value {
            Value::Plain(text) | Value::Quoted(text) if !text.is_empty() => Some(text),
            Value::Unusable => None,
            _ => {
                self.findings.problem(key.at, || "a field's name must be a text".to_owned());
                None
            }
        }
    }
}

fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn position(marker: &Marker) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(marker.line()).max(1), column: number(marker.col()).saturating_add(1) }
}

/// The parser's words, but ours for the mistakes that people make most.
fn syntax(error: &ScanError, open: Option<&u32>) -> String {
    let open = |bracket| open.map(|line| format!(": is the `{bracket}` of line {line} closed?"));
    match error.kind() {
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar => "a tab cannot indent: use spaces".to_owned(),
        ErrorKind::RecursionLimitExceeded => format!("nested more than {DEPTH} deep"),
        ErrorKind::DirectiveDisallowed => "directives (`%NAME`) are not supported".to_owned(),
        ErrorKind::UnclosedFlowCollection { open } => format!("`{open}` is never closed"),
        ErrorKind::UnclosedQuotedScalar => "the quote is never closed".to_owned(),
        ErrorKind::ExpectedFlowMappingSeparator => {
            format!("expected `,` or `}}`{}", open('{').unwrap_or_default())
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            format!("expected `,` or `]`{}", open('[').unwrap_or_default())
        }
        ErrorKind::MisplacedFlowCollectionEnd => "this bracket closes nothing".to_owned(),
        ErrorKind::InvalidQuotedScalarIndent => {
            "wrong indentation inside quotes: is the quote above closed?".to_owned()
        }
        ErrorKind::MappingValueNotAllowed => "a `:` is not allowed here: wrong indentation?".to_owned(),
        ErrorKind::SimpleKeyExpected => "expected `name: value`".to_owned(),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            "wrong indentation: expected a field of the map above".to_owned()
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            "wrong indentation: expected `- ` of the list above".to_owned()
        }
        _ => error.info(),
    }
}
