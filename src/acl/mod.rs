//! To come.
/// To come.
#[derive(Debug, Default)]
pub struct Acl;
impl Acl {
    /// Whether.
    pub fn has_allow(&self) -> bool { false }
}
