//! What a request tells of the dialog that it makes or is in (RFC 3261 §12, RFC 6665 §4).

use std::time::Duration;

use crate::dialog::{Call, Usage};
use crate::event::Event;
use crate::message::{Address, Method, Name, Request, lex};
use crate::transaction::T1_64;

use super::{Job, Proxy, Turn};

/// How long a subscription lasts that does not say so: what most event packages have.
const DEFAULT_SUBSCRIPTION: Duration = Duration::from_secs(3_600);

impl Proxy {
    /// The dialog begins, or its sender's contact may have moved (RFC 3261 §12.2.2).
    pub(super) fn note_dialog(&self, job: &Job<'_, '_>, turn: &mut Turn<'_>) {
        let dialogs = &self.shared.dialogs;
        let contact = || {
            let address = job.request.head.items(Name::Contact).next().and_then(Address::parse)?;
            Some((dialogs.contact(&address.uri), *job.came))
        };
        if job.initial && job.request.method.makes_dialog() {
            let (usage, span) = self.usage_of(job.request);
            dialogs.begin(job.dialog, job.trunk, usage, contact(), turn.now + span);
            if job.request.method == Method::Invite {
                let call_id = job.request.call_id;
                let (from, to) = (job.request.from.uri.raw, job.request.uri.raw);
                let (trunk, peer, now) = (job.trunk, job.came.peer, turn.now);
                dialogs.describe(job.dialog, || Call::new(trunk, [call_id, from, to], peer, now));
                turn.observer.observe(&Event::CallStarted { call_id, from, to, flow: job.came });
            }
        } else if job.request.method.refreshes_target()
            && let Some((hash, flow)) = contact()
        {
            dialogs.learn(job.dialog, hash, flow);
        }
        if job.initial {
            return;
        }
        if job.request.method == Method::Subscribe {
            dialogs.refresh(job.dialog, turn.now + self.usage_of(job.request).1);
        } else if is_last_notify(job.request) {
            dialogs.unsubscribed(job.dialog);
        }
    }

    /// What the dialog that a request makes is for, and how long it lasts at most: a subscription as long as it asks for
    /// and as its transaction takes, for the notifier may only shorten it (RFC 6665 §4.2.1.1).
    fn usage_of(&self, request: &Request<'_>) -> (Usage, Duration) {
        let longest = Duration::from_secs(u64::from(self.shared.settings.max_call_s));
        if request.method == Method::Invite {
            return (Usage::Call, longest);
        }
        let asked = request.head.get(Name::Expires).and_then(lex::decimal);
        let span = asked.map_or(DEFAULT_SUBSCRIPTION, Duration::from_secs).saturating_add(T1_64);
        (Usage::Subscription, span.min(longest))
    }
}

/// Whether a request ends a subscription (RFC 6665 §4.4.1).
fn is_last_notify(request: &Request<'_>) -> bool {
    let is_over = |state: &[u8]| state.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"terminated"));
    request.method_token == b"NOTIFY" && request.head.other(b"Subscription-State").is_some_and(is_over)
}
