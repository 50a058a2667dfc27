//! The timers of RFC 3261 §17 and RFC 6026, by their letters.

use std::time::Duration;

/// Round-trip time estimate.
pub const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions of what is not an INVITE.
pub const T2: Duration = Duration::from_secs(4);
/// How long a message may stay in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64 × T1: when a transaction gives up.
pub const T1_64: Duration = Duration::from_secs(32);
/// When a client's Timer E has grown to T2: after 0.5, 1 and 2 s.
pub(super) const E_IS_T2: Duration = Duration::from_millis(3_500);

/// A timer of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Timer {
    /// INVITE retransmission, unreliable transports only
    A,
    /// INVITE transaction timeout
    B,
    /// Proxy INVITE transaction timeout, after a provisional response (§16.8)
    C,
    /// Wait for retransmitted final responses to INVITE
    D,
    /// Non-INVITE retransmission, unreliable transports only
    E,
    /// Non-INVITE transaction timeout
    F,
    /// INVITE response retransmission
    G,
    /// Wait for ACK
    H,
    /// Wait for retransmitted ACKs
    I,
    /// Wait for retransmitted non-INVITE requests
    J,
    /// Wait for retransmitted non-INVITE responses
    K,
    /// Wait for retransmitted INVITEs after a 2xx (RFC 6026 §7.1)
    L,
    /// Wait for retransmitted 2xx (RFC 6026 §7.2)
    M,
    /// A non-INVITE that nobody has answered is told 100 (RFC 4320 §4.1)
    Trying,
}

/// What a state machine decides: what to do, and which timers to start. Timers are never stopped; one that fires in a
/// state that does not know it is ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Step<A> {
    /// What is to be done.
    pub act: A,
    /// Timers to start now.
    pub start: [Option<(Timer, Duration)>; 2],
}

impl<A> Step<A> {
    /// Does `act` and starts nothing.
    pub const fn only(act: A) -> Self {
        Self { act, start: [None, None] }
    }

    /// Does `act` and starts one timer.
    pub const fn with(act: A, timer: Timer, after: Duration) -> Self {
        Self { act, start: [Some((timer, after)), None] }
    }
}

/// How long a state that only absorbs retransmissions lasts: not at all on a reliable transport.
pub(super) const fn unless_reliable(reliable: bool, span: Duration) -> Duration {
    if reliable { Duration::ZERO } else { span }
}
