//! Which trunk a request belongs to.
use super::Trunk;
use std::sync::Arc;
/// Placeholder.
#[derive(Debug, Default)]
pub struct Directory { trunks: Vec<Arc<Trunk>> }
/// Why.
#[derive(Debug)]
pub struct DirectoryError;
