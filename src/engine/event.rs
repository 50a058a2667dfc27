//! What the engine tells of itself: every decision as a value, and every change of state.

/// Something that happened. Borrowed from the message at hand; nothing is allocated for it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// To be filled.
    Nothing(&'a [u8]),
}

/// Receives events, for metrics and logs. Must not block.
pub trait Observer {
    /// Takes one event.
    fn observe(&mut self, event: &Event<'_>);
}
