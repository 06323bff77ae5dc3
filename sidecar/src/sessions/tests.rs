//! Rules of the registry that need no stream.
