//! The table.
/// The table.
#[derive(Debug)]
pub struct Location;
