//! The dependencies against brute force.

mod dependencies;
mod oracle;
