//! Logs to standard error: one line per state change, as text for people or JSON for machines.

use tracing::Level;
use tracing_subscriber::fmt;

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// Makes this process log. Only a `main` calls this, once.
pub fn install(format: Format, level: Level) {
    let builder = fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match format {
        Format::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
}
