//! The INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1.

use std::time::Duration;

use super::timer::{Step, T1, T1_64, T2, T4, Timer, unless_reliable};

/// Its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No final response has been sent.
    Proceeding,
    /// A final response other than 2xx has been sent and is not acknowledged.
    Completed,
    /// It has been acknowledged.
    Confirmed,
    /// A 2xx has been sent; others may follow.
    Accepted,
    /// Over.
    Terminated,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Send the last response again.
    Retransmit,
    /// The ACK never came: forget the transaction, and say so.
    NotAcknowledged,
    /// Forget the transaction.
    Ended,
}

/// The state machine.
#[derive(Clone, Copy, Debug)]
pub struct ServerInvite {
    state: State,
    reliable: bool,
    interval: Duration,
}

impl ServerInvite {
    /// An INVITE has come.
    pub const fn start(reliable: bool) -> Self {
        Self { state: State::Proceeding, reliable, interval: T1 }
    }

    /// The present state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether a response of that status may be sent now, and which timers it starts.
    pub fn respond(&mut self, status: u16) -> Option<[Option<(Timer, Duration)>; 2]> {
        match (self.state, status) {
            (State::Proceeding, 100..200) => Some([None, None]),
            (State::Proceeding, 200..300) => {
                self.state = State::Accepted;
                Some([Some((Timer::L, T1_64)), None])
            }
            (State::Proceeding, _) => {
                self.state = State::Completed;
                let g = if self.reliable { None } else { Some((Timer::G, T1)) };
                Some([Some((Timer::H, T1_64)), g])
            }
            (State::Accepted, 200..300) => Some([None, None]),
            _ => None,
        }
    }

    /// The INVITE has come again.
    pub fn retransmission(&self) -> Act {
        match self.state {
            State::Proceeding | State::Completed => Act::Retransmit,
            State::Confirmed | State::Accepted | State::Terminated => Act::Nothing,
        }
    }

    /// An ACK of this transaction has come: the one for a final response other than 2xx.
    pub fn acknowledged(&mut self) -> Step<Act> {
        if self.state != State::Completed {
            return Step::only(Act::Nothing);
        }
        self.state = State::Confirmed;
        Step::with(Act::Nothing, Timer::I, unless_reliable(self.reliable, T4))
    }

    /// A timer has fired.
    pub fn timer(&mut self, timer: Timer) -> Step<Act> {
        match (self.state, timer) {
            (State::Completed, Timer::G) => {
                self.interval = self.interval.saturating_mul(2).min(T2);
                Step::with(Act::Retransmit, Timer::G, self.interval)
            }
            (State::Completed, Timer::H) => {
                self.state = State::Terminated;
                Step::only(Act::NotAcknowledged)
            }
            (State::Confirmed, Timer::I) | (State::Accepted, Timer::L) => {
                self.state = State::Terminated;
                Step::only(Act::Ended)
            }
            _ => Step::only(Act::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proceeding_repeats_the_last_provisional_response() {
        let mut machine = ServerInvite::start(false);
        assert_eq!(machine.respond(180), Some([None, None]));
        assert_eq!(machine.retransmission(), Act::Retransmit);
    }

    #[test]
    fn completed_repeats_with_timer_g_up_to_t2_and_ends_with_h() {
        let mut machine = ServerInvite::start(false);
        assert_eq!(machine.respond(404), Some([Some((Timer::H, T1_64)), Some((Timer::G, T1))]));
        for seconds in [1, 2, 4, 4] {
            assert_eq!(machine.timer(Timer::G), Step::with(Act::Retransmit, Timer::G, Duration::from_secs(seconds)));
        }
        assert_eq!(machine.respond(200), None);
        assert_eq!(machine.timer(Timer::H).act, Act::NotAcknowledged);
    }

    #[test]
    fn an_ack_confirms_and_timer_i_ends() {
        let mut machine = ServerInvite::start(false);
        let _ = machine.respond(404);
        assert_eq!(machine.acknowledged(), Step::with(Act::Nothing, Timer::I, T4));
        assert_eq!(machine.acknowledged(), Step::only(Act::Nothing));
        assert_eq!(machine.timer(Timer::G).act, Act::Nothing);
        assert_eq!(machine.retransmission(), Act::Nothing);
        assert_eq!(machine.timer(Timer::I).act, Act::Ended);
    }

    #[test]
    fn accepted_lets_further_2xx_pass_absorbs_the_invite_and_ends_with_l() {
        let mut machine = ServerInvite::start(false);
        assert_eq!(machine.respond(200), Some([Some((Timer::L, T1_64)), None]));
        assert_eq!(machine.respond(200), Some([None, None]));
        assert_eq!(machine.respond(486), None);
        assert_eq!(machine.retransmission(), Act::Nothing);
        assert_eq!(machine.acknowledged().act, Act::Nothing);
        assert_eq!(machine.timer(Timer::L).act, Act::Ended);
    }

    #[test]
    fn a_stream_needs_neither_timer_g_nor_i() {
        let mut machine = ServerInvite::start(true);
        assert_eq!(machine.respond(404), Some([Some((Timer::H, T1_64)), None]));
        assert_eq!(machine.acknowledged().start, [Some((Timer::I, Duration::ZERO)), None]);
    }
}
