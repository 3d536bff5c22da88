//! The file system: reads with a bound, files replaced as a whole, paths that strangers cannot bend, and what a file
//! carries beside its content.

pub(crate) mod dir;
pub(crate) mod error;
mod extended;
pub(crate) mod inode;
pub mod mount;
pub(crate) mod read;
pub mod replace;
#[cfg(test)]
pub(crate) mod testing;
pub mod trusted;
pub(crate) mod trusted_file;

pub use error::FileError;
