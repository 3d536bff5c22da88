//! What people get to see, and what servers do.

mod dialog;
mod forms;
mod sample;
mod server;
