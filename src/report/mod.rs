//! Turns the core's events into numbers and log lines.
//!
//! What is logged where: a change of state at `info`; somebody who tried to get in and failed at `warn`, limited for the whole
//! server; any other refusal at `debug`; everything else at `trace`. What came from the network is escaped ([`escape`]),
//! and nothing secret is at hand here: events carry no digest answer and no nonce.
//!
//! The line of a failed attempt is an interface for fail2ban and its like and keeps its form:
//! `authentication refused peer=192.0.2.1 reason=wrong_password user="alice" method=REGISTER call_id="…" port=5060 transport=udp`.

mod escape;
mod fields;
mod limiter;
mod logging;

pub use escape::{escape, escape_uri};
pub use limiter::{LINES_PER_SECOND, LINES_PER_SOURCE_PER_SECOND, LogLimiter};
pub use logging::{LogFormat, Logging, LoggingError, start_logging};

use std::sync::Arc;

use tracing::{Level, debug, enabled, info, trace, warn};

use crate::event::{Event, Observer, Outcome, Subject};
use crate::flow::Flow;
use crate::location::{AddressOfRecord, Binding};
use crate::metrics::{EventCounter, Metrics};

use limiter::Admission;

/// Hears the events of one thread: of a shard, or of a sweep.
#[derive(Debug)]
pub struct Reporter {
    counter: EventCounter,
    limiter: Arc<LogLimiter>,
}

impl Reporter {
    /// Counts in `metrics`; `limiter` is the one of the whole server.
    pub fn new(metrics: &Metrics, limiter: Arc<LogLimiter>) -> Self {
        Self { counter: metrics.event_counter(), limiter }
    }
}

impl Observer for Reporter {
    fn observe(&mut self, event: &Event<'_>) {
        self.counter.count(event);
        match *event {
            Event::Decided { outcome, flow, subject } => decided(outcome, flow, subject, &self.limiter),
            Event::Registered { aor, binding } => registered(aor, binding),
            Event::Unregistered { aor, binding, gone } => unregistered(aor, binding, gone.label()),
            Event::CallStarted { call_id, from, to, flow, user_agent } => {
                call_started(call_id, from, to, flow, user_agent)
            }
            Event::TargetSkipped { contact } => {
                warn!(contact = escape_uri(contact), "contact skipped: its transport is not served here");
            }
            Event::CallAnswered { call_id } => info!(call_id = escape(call_id), "call answered"),
            Event::CallEnded { call_id, status } => info!(call_id = escape(call_id), status, "call ended"),
            Event::SecondReaderAgreed | Event::CredentialUsed { .. } => {}
            Event::SecondReaderRefused => debug!("rsip refuses a message that is served"),
            Event::SecondReaderDiffered { field } => debug!(field, "rsip reads another value than we do; ours is used"),
        }
    }
}

/// The level at which a message is logged.
fn level(outcome: Outcome) -> Level {
    if outcome.is_refused_authentication() {
        return Level::WARN;
    }
    match outcome {
        Outcome::Unreadable
        | Outcome::Malformed
        | Outcome::VersionNotSupported
        | Outcome::UnsupportedScheme
        | Outcome::TooManyHops
        | Outcome::LoopDetected
        | Outcome::BadExtension
        | Outcome::RateLimited
        | Outcome::NotOurs
        | Outcome::Challenged
        | Outcome::StaleNonce
        | Outcome::ReplayedAnswer
        | Outcome::NotYourAor
        | Outcome::NotYourFrom
        | Outcome::ForeignRoute
        | Outcome::TargetNotNamed
        | Outcome::UnknownDialog
        | Outcome::RegisterRefused
        | Outcome::NotRegistered
        | Outcome::NotFound
        | Outcome::Unreachable
        | Outcome::AckDropped
        | Outcome::NothingToCancel
        | Outcome::Overloaded
        | Outcome::StrayResponse => Level::DEBUG,
        Outcome::RegisterAccepted
        | Outcome::Forwarded
        | Outcome::ForwardedInDialog
        | Outcome::AckForwarded
        | Outcome::AckAbsorbed
        | Outcome::Retransmission
        | Outcome::Cancelled
        | Outcome::OptionsAnswered
        | Outcome::ResponseForwarded
        | Outcome::ResponseAbsorbed
        | Outcome::HandedOver => Level::TRACE,
        Outcome::UnknownUser
        | Outcome::WrongPassword
        | Outcome::DisabledCredential
        | Outcome::WrongRealm
        | Outcome::ForgedNonce
        | Outcome::AlgorithmRefused
        | Outcome::MalformedAnswer
        | Outcome::WrongDigestUri
        | Outcome::GuessingThrottled
        | Outcome::OutsideAcl
        | Outcome::AddressDenied
        | Outcome::AddressNotAllowed
        | Outcome::TrunkDisabled
        | Outcome::TrunkWithoutAuth => Level::WARN,
    }
}

/// Writes the fields of a message in the order that is promised.
macro_rules! message_line {
    ($write:ident, $outcome:ident, $flow:ident, $subject:ident, $text:literal) => {
        $write!(
            peer = %$flow.peer_ip(),
            reason = %$outcome.label(),
            user = escape($subject.name),
            method = %bare($subject.method),
            call_id = escape($subject.call_id),
            port = $flow.peer.port(),
            transport = %$flow.transport,
            $text
        )
    };
}

/// [`escape`] for a value without quotation marks.
fn bare(bytes: &[u8]) -> String {
    escape(bytes).replace(' ', "\\x20")
}

fn decided(outcome: Outcome, flow: &Flow, subject: Subject<'_>, limiter: &LogLimiter) {
    match level(outcome) {
        Level::WARN => {
            // Not counted as left out where nobody would have seen it.
            if enabled!(Level::WARN) && limiter.admit(flow.peer_ip()) == Admission::Write {
                message_line!(warn, outcome, flow, subject, "authentication refused");
            }
        }
        Level::DEBUG => message_line!(debug, outcome, flow, subject, "refused"),
        _ => message_line!(trace, outcome, flow, subject, "handled"),
    }
}

fn registered(aor: &AddressOfRecord, binding: &Binding) {
    info!(
        user = escape(aor.user.as_bytes()),
        trunk = %aor.trunk.0,
        contact = escape_uri(&binding.contact),
        peer = %binding.flow.peer_ip(),
        port = binding.flow.peer.port(),
        transport = %binding.flow.transport,
        call_id = escape(&binding.call_id),
        user_agent = escape(binding.user_agent.as_bytes()),
        "registered"
    );
}

fn unregistered(aor: &AddressOfRecord, binding: &Binding, reason: &'static str) {
    info!(
        user = escape(aor.user.as_bytes()),
        trunk = %aor.trunk.0,
        reason = %reason,
        contact = escape_uri(&binding.contact),
        peer = %binding.flow.peer_ip(),
        port = binding.flow.peer.port(),
        transport = %binding.flow.transport,
        "unregistered"
    );
}

fn call_started(call_id: &[u8], from: &[u8], to: &[u8], flow: &Flow, user_agent: &str) {
    info!(
        call_id = escape(call_id),
        from = escape_uri(from),
        to = escape_uri(to),
        peer = %flow.peer_ip(),
        port = flow.peer.port(),
        transport = %flow.transport,
        user_agent = escape(user_agent.as_bytes()),
        "call started"
    );
}

#[cfg(test)]
mod tests;
