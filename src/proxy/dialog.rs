//! What a request tells of the dialog that it makes or is in (RFC 3261 §12, RFC 6665 §4).

use std::time::Duration;

use crate::dialog::{DialogKey, Usage};
use crate::event::Event;
use crate::flow::Flow;
use crate::message::{Address, Head, Method, Name, Request, lex};
use crate::transaction::T1_64;

use super::{Job, Proxy, Turn};

/// How long a subscription lasts that does not say so: what most event packages have.
const DEFAULT_SUBSCRIPTION: Duration = Duration::from_secs(3_600);

impl Proxy {
    /// The dialog begins, or its sender's contact may have moved (RFC 3261 §12.2.2). False when one that begins cannot be
    /// remembered.
    pub(super) fn note_dialog(&self, job: &Job<'_, '_>, turn: &mut Turn<'_>) -> bool {
        let dialogs = &self.shared.dialogs;
        let method = job.request.method;
        if job.initial && method.makes_dialog() {
            let (usage, span) = self.usage_of(job.request);
            if !dialogs.begin(job.dialog, usage, turn.now + span) {
                return false;
            }
            self.learn_named(job.dialog, &job.request.head, job.came);
            if method == Method::Invite {
                let second = job.second.as_ref();
                let call_id =
                    second.and_then(|second| second.call_id.as_deref()).map_or(job.request.call_id, str::as_bytes);
                let user_agent = second.and_then(|second| second.user_agent.as_deref()).unwrap_or_default();
                let (from, to) = (job.request.from.uri.raw, job.request.uri.raw);
                turn.observer.observe(&Event::CallStarted { call_id, from, to, flow: job.came, user_agent });
            }
        } else if method.refreshes_target() {
            self.learn_named(job.dialog, &job.request.head, job.came);
        }
        if !job.initial && method == Method::Subscribe {
            dialogs.refresh(job.dialog, turn.now + self.usage_of(job.request).1);
        } else if !job.initial && is_last_notify(job.request) {
            dialogs.unsubscribed(job.dialog, turn.now);
        }
        true
    }

    /// A message of the dialog names its sender's contact, and with Record-Route the proxies on the way there (RFC 3261
    /// §12.1, §12.2): that is where later requests may go.
    pub(super) fn learn_named(&self, dialog: DialogKey, head: &Head<'_>, flow: &Flow) {
        let dialogs = &self.shared.dialogs;
        let contact = head.items(Name::Contact).take(1);
        for named in contact.chain(head.items(Name::RecordRoute)).filter_map(Address::parse) {
            dialogs.learn(dialog, dialogs.contact(&named.uri), *flow);
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
