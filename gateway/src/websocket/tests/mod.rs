//! The codec against literal bytes, against itself cut differently, and against another implementation.

mod client;
mod deflate;
mod differential;
mod properties;
mod rules;
mod streams;
