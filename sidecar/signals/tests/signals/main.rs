//! The sampler on recorded trees (v1, v2, hybrid, broken ones) and on this machine's kernel.

mod discovery;
mod live;
mod sampling;
mod threads;
mod tree;
