//! The non-INVITE server transaction: RFC 3261 §17.2.2.

use std::time::Duration;

use super::timer::{Step, T1_64, Timer, unless_reliable};

/// Its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing has been sent.
    Trying,
    /// A provisional response has been sent.
    Proceeding,
    /// The final response has been sent.
    Completed,
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
    /// Nothing has been sent so far: a 100 is due.
    StillTrying,
    /// Forget the transaction.
    Ended,
}

/// The state machine.
#[derive(Clone, Copy, Debug)]
pub struct ServerNonInvite {
    state: State,
    reliable: bool,
}

impl ServerNonInvite {
    /// A request has come.
    pub const fn start(reliable: bool) -> Self {
        Self { state: State::Trying, reliable }
    }

    /// The present state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether a response of that status may be sent now, and which timers it starts.
    pub fn respond(&mut self, status: u16) -> Option<[Option<(Timer, Duration)>; 2]> {
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..200) => {
                self.state = State::Proceeding;
                Some([None, None])
            }
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Completed;
                Some([Some((Timer::J, unless_reliable(self.reliable, T1_64))), None])
            }
            _ => None,
        }
    }

    /// The request has come again.
    pub const fn retransmission(&self) -> Act {
        match self.state {
            State::Proceeding | State::Completed => Act::Retransmit,
            State::Trying | State::Terminated => Act::Nothing,
        }
    }

    /// A timer has fired.
    pub fn timer(&mut self, timer: Timer) -> Step<Act> {
        if self.state == State::Completed && timer == Timer::J {
            self.state = State::Terminated;
            return Step::only(Act::Ended);
        }
        if self.state == State::Trying && timer == Timer::Trying {
            return Step::only(Act::StillTrying);
        }
        Step::only(Act::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trying_absorbs_proceeding_and_completed_repeat() {
        let mut machine = ServerNonInvite::start(false);
        assert_eq!(machine.retransmission(), Act::Nothing);
        assert_eq!(machine.respond(182), Some([None, None]));
        assert_eq!(machine.retransmission(), Act::Retransmit);
        assert_eq!(machine.respond(200), Some([Some((Timer::J, T1_64)), None]));
        assert_eq!(machine.retransmission(), Act::Retransmit);
        assert_eq!(machine.respond(200), None);
        assert_eq!(machine.timer(Timer::J).act, Act::Ended);
    }

    #[test]
    fn only_trying_asks_for_a_100() {
        let mut machine = ServerNonInvite::start(false);
        assert_eq!(machine.timer(Timer::Trying).act, Act::StillTrying);
        assert_eq!(machine.respond(100), Some([None, None]));
        assert_eq!(machine.timer(Timer::Trying).act, Act::Nothing);
    }

    #[test]
    fn a_stream_ends_with_the_final_response() {
        let mut machine = ServerNonInvite::start(true);
        assert_eq!(machine.respond(200), Some([Some((Timer::J, Duration::ZERO)), None]));
    }
}
