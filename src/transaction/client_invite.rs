//! The INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2.

use std::time::Duration;

use super::timer::{Step, T1, T1_64, Timer, unless_reliable};

/// Its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The INVITE is out, nothing has come back.
    Calling,
    /// A provisional response has come.
    Proceeding,
    /// A final response other than 2xx has come and was acknowledged.
    Completed,
    /// A 2xx has come; others may follow.
    Accepted,
    /// Over.
    Terminated,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Send the INVITE again.
    Retransmit,
    /// Hand the response to the proxy.
    Deliver,
    /// Hand the response to the proxy and acknowledge it.
    DeliverAndAcknowledge,
    /// Acknowledge the response again; the proxy has it already.
    AcknowledgeAgain,
    /// Tell the proxy that nothing came (408).
    TimedOut,
    /// Forget the transaction.
    Ended,
}

/// The state machine.
#[derive(Clone, Copy, Debug)]
pub struct ClientInvite {
    state: State,
    reliable: bool,
    interval: Duration,
}

impl ClientInvite {
    /// The INVITE has been sent.
    pub fn start(reliable: bool) -> (Self, Step<Act>) {
        let machine = Self { state: State::Calling, reliable, interval: T1 };
        let a = if reliable { None } else { Some((Timer::A, T1)) };
        (machine, Step { act: Act::Nothing, start: [Some((Timer::B, T1_64)), a] })
    }

    /// The present state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// A response has come.
    pub fn response(&mut self, status: u16) -> Step<Act> {
        match (self.state, status) {
            (State::Calling | State::Proceeding, 100..200) => {
                self.state = State::Proceeding;
                Step::only(Act::Deliver)
            }
            (State::Calling | State::Proceeding, 200..300) => {
                self.state = State::Accepted;
                Step::with(Act::Deliver, Timer::M, T1_64)
            }
            (State::Calling | State::Proceeding, _) => {
                self.state = State::Completed;
                Step::with(Act::DeliverAndAcknowledge, Timer::D, unless_reliable(self.reliable, T1_64))
            }
            (State::Accepted, 200..300) => Step::only(Act::Deliver),
            (State::Completed, 300..) => Step::only(Act::AcknowledgeAgain),
            _ => Step::only(Act::Nothing),
        }
    }

    /// A timer has fired.
    pub fn timer(&mut self, timer: Timer) -> Step<Act> {
        match (self.state, timer) {
            (State::Calling, Timer::A) => {
                self.interval = self.interval.saturating_mul(2);
                Step::with(Act::Retransmit, Timer::A, self.interval)
            }
            (State::Calling, Timer::B) => {
                self.state = State::Terminated;
                Step::only(Act::TimedOut)
            }
            (State::Completed, Timer::D) | (State::Accepted, Timer::M) => {
                self.state = State::Terminated;
                Step::only(Act::Ended)
            }
            _ => Step::only(Act::Nothing),
        }
    }

    /// The request could not be sent, or the proxy has given up.
    pub fn abandon(&mut self) {
        self.state = State::Terminated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calling() -> ClientInvite {
        ClientInvite::start(false).0
    }

    #[test]
    fn calling_starts_timers_a_and_b_and_only_b_on_a_stream() {
        assert_eq!(ClientInvite::start(false).1.start, [Some((Timer::B, T1_64)), Some((Timer::A, T1))]);
        assert_eq!(ClientInvite::start(true).1.start, [Some((Timer::B, T1_64)), None]);
    }

    #[test]
    fn timer_a_repeats_the_invite_at_doubling_intervals_until_an_answer() {
        let mut machine = calling();
        for seconds in [1, 2, 4, 8, 16] {
            assert_eq!(machine.timer(Timer::A), Step::with(Act::Retransmit, Timer::A, Duration::from_secs(seconds)));
        }
        assert_eq!(machine.response(100), Step::only(Act::Deliver));
        assert_eq!(machine.timer(Timer::A), Step::only(Act::Nothing));
    }

    #[test]
    fn timer_b_ends_calling_and_means_nothing_in_proceeding() {
        let mut machine = calling();
        assert_eq!(machine.timer(Timer::B).act, Act::TimedOut);
        assert_eq!(machine.state(), State::Terminated);
        let mut machine = calling();
        let _ = machine.response(180);
        assert_eq!(machine.timer(Timer::B).act, Act::Nothing);
        assert_eq!(machine.state(), State::Proceeding);
    }

    #[test]
    fn completed_acknowledges_each_repeated_final_response_until_timer_d() {
        let mut machine = calling();
        assert_eq!(machine.response(486), Step::with(Act::DeliverAndAcknowledge, Timer::D, T1_64));
        assert_eq!(machine.response(486).act, Act::AcknowledgeAgain);
        assert_eq!(machine.response(200).act, Act::Nothing);
        assert_eq!(machine.timer(Timer::D).act, Act::Ended);
    }

    #[test]
    fn completed_ends_at_once_on_a_stream() {
        let (mut machine, _) = ClientInvite::start(true);
        assert_eq!(machine.response(486).start, [Some((Timer::D, Duration::ZERO)), None]);
    }

    #[test]
    fn accepted_passes_every_2xx_until_timer_m() {
        let mut machine = calling();
        assert_eq!(machine.response(200), Step::with(Act::Deliver, Timer::M, T1_64));
        assert_eq!(machine.response(200).act, Act::Deliver);
        assert_eq!(machine.response(486).act, Act::Nothing);
        assert_eq!(machine.timer(Timer::M).act, Act::Ended);
    }
}
