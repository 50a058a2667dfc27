//! To come.

mod framing;

pub use framing::{Frame, Framer, FramingError};
