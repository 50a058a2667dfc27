//! The non-INVITE client transaction: RFC 3261 §17.1.2.

use std::time::Duration;

use super::timer::{Step, T1, T1_64, T2, T4, Timer, unless_reliable};

/// Its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The request is out.
    Trying,
    /// A provisional response has come.
    Proceeding,
    /// The final response has come.
    Completed,
    /// Over.
    Terminated,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Send the request again.
    Retransmit,
    /// Hand the response to the proxy.
    Deliver,
    /// Tell the proxy that nothing came.
    TimedOut,
    /// Forget the transaction.
    Ended,
}

/// The state machine.
#[derive(Clone, Copy, Debug)]
pub struct ClientNonInvite {
    state: State,
    reliable: bool,
    interval: Duration,
}

impl ClientNonInvite {
    /// The request has been sent.
    pub fn start(reliable: bool) -> (Self, Step<Act>) {
        let machine = Self { state: State::Trying, reliable, interval: T1 };
        let e = if reliable { None } else { Some((Timer::E, T1)) };
        (machine, Step { act: Act::Nothing, start: [Some((Timer::F, T1_64)), e] })
    }

    /// The present state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A response has come.
    pub fn response(&mut self, status: u16) -> Step<Act> {
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..200) => {
                self.state = State::Proceeding;
                Step::only(Act::Deliver)
            }
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Completed;
                Step::with(Act::Deliver, Timer::K, unless_reliable(self.reliable, T4))
            }
            _ => Step::only(Act::Nothing),
        }
    }

    /// A timer has fired.
    pub fn timer(&mut self, timer: Timer) -> Step<Act> {
        match (self.state, timer) {
            (State::Trying, Timer::E) => {
                self.interval = self.interval.saturating_mul(2).min(T2);
                Step::with(Act::Retransmit, Timer::E, self.interval)
            }
            (State::Proceeding, Timer::E) => Step::with(Act::Retransmit, Timer::E, T2),
            (State::Trying | State::Proceeding, Timer::F) => {
                self.state = State::Terminated;
                Step::only(Act::TimedOut)
            }
            (State::Completed, Timer::K) => {
                self.state = State::Terminated;
                Step::only(Act::Ended)
            }
            _ => Step::only(Act::Nothing),
        }
    }

    /// The request could not be sent.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trying_repeats_at_doubling_intervals_up_to_t2() {
        let (mut machine, step) = ClientNonInvite::start(false);
        assert_eq!(step.start, [Some((Timer::F, T1_64)), Some((Timer::E, T1))]);
        for seconds in [1, 2, 4, 4, 4] {
            assert_eq!(machine.timer(Timer::E), Step::with(Act::Retransmit, Timer::E, Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn proceeding_repeats_every_t2_and_times_out_with_f() {
        let (mut machine, _) = ClientNonInvite::start(false);
        assert_eq!(machine.response(100).act, Act::Deliver);
        assert_eq!(machine.timer(Timer::E), Step::with(Act::Retransmit, Timer::E, T2));
        assert_eq!(machine.timer(Timer::F).act, Act::TimedOut);
        assert_eq!(machine.state(), State::Terminated);
    }

    #[test]
    fn completed_absorbs_repeated_responses_until_timer_k() {
        let (mut machine, _) = ClientNonInvite::start(false);
        assert_eq!(machine.response(200), Step::with(Act::Deliver, Timer::K, T4));
        assert_eq!(machine.response(200).act, Act::Nothing);
        assert_eq!(machine.timer(Timer::E).act, Act::Nothing);
        assert_eq!(machine.timer(Timer::K).act, Act::Ended);
    }

    #[test]
    fn a_stream_needs_neither_timer_e_nor_k() {
        let (mut machine, step) = ClientNonInvite::start(true);
        assert_eq!(step.start, [Some((Timer::F, T1_64)), None]);
        assert_eq!(machine.response(200).start, [Some((Timer::K, Duration::ZERO)), None]);
    }
}
