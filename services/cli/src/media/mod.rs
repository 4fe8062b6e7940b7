//! From messages to what can be decoded, and to a file: all of it pure, time and bytes come in as arguments.
//!
//! message → [`position`] → [`assembler`] → [`mp4`] → [`splice`] → [`recorder`]; [`intake`] is the way from the first to the
//! last but one.

mod assembler;
pub(crate) mod intake;
pub(crate) mod mp4;
mod position;
pub(crate) mod recorder;
mod splice;

#[cfg(test)]
pub(crate) mod fixture;
