//! The file system for those who are root: paths that strangers cannot bend, and what a file carries
//! beside its content.

pub(crate) mod extended;
pub(crate) mod inode;
pub mod mount;
pub mod trusted;
