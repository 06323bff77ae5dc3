//! Four views of the conversion: what goes there and back, what is refused and under which path, what another build says, what
//! hostile bytes do.

mod any;
mod hostile;
mod malformed;
mod round_trip;
mod sound;
mod unfamiliar;
