//! The decision on a request: one ordered list (product §2). Each step that ends it returns its outcome.

use std::sync::Arc;

use crate::auth::{Admitted, Replay};
use crate::dialog::{DialogKey, Target as DialogTarget};
use crate::event::Outcome;
use crate::flow::Flow;
use crate::message::{Address, Malformed, Method, Name, Request, Uri};
use crate::proxy::{Job, Routes, Target, Targets, is_loop, target};
use crate::registrar::{Registration, Rejection, WantedContacts};
use crate::transaction::{Kind, ServerKey};
use crate::trunk::{Directory, Trunk};

use super::Engine;
use super::gate::{Answers, Gate, Proof};
use super::overtaken::Decided;
use super::turn::Scene;
use super::usage::tell_use;

/// A request inside a dialog that a route token vouches for.
struct InDialog {
    trunk: Arc<Trunk>,
    dialog: DialogKey,
    /// Its token is older than this process, which therefore need not know the dialog.
    outlived_restart: bool,
}

impl Engine {
    /// Decides on a request whose mandatory fields could be read.
    pub(super) fn decide<'a>(
        &mut self,
        request: &Request<'a>,
        answers: &Answers<'a>,
        flow: &Flow,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        let shared = self.shared.clone();
        let directory = shared.directory.load_full();
        let ping = is_ping(request) && shared.is_ours(&directory, request.uri.host, request.uri.port, flow.local);
        // Step 1: RFC 3261 §16.3, without state.
        if let Some(outcome) = self.refuse_shape(request, ping, flow, scene) {
            return outcome;
        }
        // What belongs to a transaction that was let in is not asked again.
        let key = shared.key_maker().server(request, transaction_method(request.method), flow);
        let routes = Routes::read(request, &shared.interfaces, &directory, flow.local);
        let in_dialog = self.in_dialog(request, &routes, &directory, scene);
        match request.method {
            Method::Ack => return self.acknowledge(request, flow, key, &routes, in_dialog.as_ref(), &directory, scene),
            Method::Cancel => return self.cancel(request, flow, key, scene),
            _ => {}
        }
        if let Some(id) = self.transactions.find(key) {
            self.transactions.retransmission(id, scene.out);
            return Outcome::Retransmission;
        }
        if ping {
            return self.answer_ping(request, flow, scene);
        }
        if let Some(vouched) = in_dialog {
            return self.forward_in_dialog(request, flow, key, &routes, &vouched, &directory, scene);
        }
        // Step 3 before step 2: whether a nonce is ours depends on the realm, so on the trunk.
        let trunk = shared.select(&directory, request.uri.host, request.uri.port, flow);
        let fresh = |trunk: &Arc<Trunk>| shared.has_fresh_nonce(answers, &trunk.account.realm, scene.now);
        if !trunk.as_ref().is_some_and(fresh) && !shared.rates.admit(flow.peer_ip(), scene.now) {
            return Outcome::RateLimited;
        }
        let Some(trunk) = trunk else {
            let status = if request.method == Method::Register { 404 } else { 403 };
            return self.refuse(request, flow, status, Outcome::NotOurs, scene);
        };
        if request.method == Method::Register && !self.to_selects(request, &trunk, &directory, flow) {
            return self.refuse(request, flow, 404, Outcome::NotOurs, scene);
        }
        // Steps 4 and 5.
        let (admitted, proof) = match shared.gate(request, answers, flow, &trunk, &directory, scene.now) {
            Gate::Pass(admitted, proof) => (admitted, proof),
            Gate::Challenge { outcome, stale } => {
                self.tell_failure(request, answers, flow, &trunk, outcome, scene);
                return self.challenge(request, flow, &trunk, outcome, stale, scene);
            }
            Gate::Forbidden(outcome) => return self.refuse(request, flow, 403, outcome, scene),
            Gate::Silence => return Outcome::RateLimited,
        };
        let decided = Decided { answers, trunk: &trunk, directory: &directory, admitted, proof };
        let outcome = if request.method == Method::Register {
            self.register(request, flow, key, &decided, scene)
        } else {
            self.call(request, flow, key, &routes, &trunk, &decided, scene)
        };
        tell_use(request, flow, admitted, outcome, scene);
        outcome
    }

    /// What was let in and is no REGISTER.
    #[expect(clippy::too_many_arguments, reason = "what the decision has found out so far")]
    fn call(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        routes: &Routes<'_>,
        trunk: &Arc<Trunk>,
        decided: &Decided<'_, '_>,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        let Decided { admitted, proof, directory, .. } = *decided;
        if self.is_replayed(proof, scene) {
            return self.challenge(request, flow, trunk, Outcome::ReplayedAnswer, true, scene);
        }
        // Step 6.
        if let Some(outcome) = self.refuse_identity(request, flow, trunk, admitted, proof, directory) {
            return self.refuse_once(request, flow, key, 403, outcome, scene);
        }
        // Step 8; limits of the trunk (step 7) stand between them once trunks have any.
        self.forward_initial(request, flow, key, routes, trunk, scene)
    }

    /// Step 1 after the syntax: hops, loop, extensions.
    fn refuse_shape(
        &mut self,
        request: &Request<'_>,
        ping: bool,
        flow: &Flow,
        scene: &mut Scene<'_>,
    ) -> Option<Outcome> {
        if request.method == Method::Ack {
            return (request.max_forwards == Some(0)).then_some(Outcome::AckDropped);
        }
        if request.max_forwards == Some(0) && !ping && request.method != Method::Register {
            return Some(self.refuse(request, flow, 483, Outcome::TooManyHops, scene));
        }
        if is_loop(&self.shared.proxy.loop_secret, request) {
            return Some(self.refuse(request, flow, 482, Outcome::LoopDetected, scene));
        }
        // A proxy obeys Proxy-Require; Require is for whoever serves the request, so for REGISTER it is for us.
        let demands = match request.method {
            Method::Register => Name::Require,
            _ => Name::ProxyRequire,
        };
        request.head.items(demands).next()?;
        Some(self.refuse_extensions(request, flow, demands, scene))
    }

    /// The dialog and trunk of a request with a To tag and a valid route token (product §5).
    fn in_dialog(
        &self,
        request: &Request<'_>,
        routes: &Routes<'_>,
        directory: &Directory,
        scene: &Scene<'_>,
    ) -> Option<InDialog> {
        // No dialog has a REGISTER in it: that is for the registrar, whatever its Route says.
        let token = routes.token.filter(|_| request.method != Method::Register)?;
        let to_tag = request.to.tag()?;
        let from_tag = request.from.tag().unwrap_or_default();
        let keys = self.shared.proxy.route_keys.load();
        [from_tag, to_tag].into_iter().find_map(|tag| {
            let voucher = keys.verify(token, request.call_id, tag, scene.now)?;
            let trunk = directory.by_short_id(voucher.trunk)?.clone();
            let dialog = self.shared.dialogs.key(request.call_id, tag);
            Some(InDialog { trunk, dialog, outlived_restart: voucher.made_at_s < self.shared.started.secs() })
        })
    }

    #[expect(clippy::too_many_arguments, reason = "what the decision has found out so far")]
    fn acknowledge(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        routes: &Routes<'_>,
        in_dialog: Option<&InDialog>,
        directory: &Directory,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        if let Some(id) = self.transactions.find(key)
            && self.transactions.acknowledged(id, scene.now)
        {
            return Outcome::AckAbsorbed;
        }
        let Some(vouched) = in_dialog else { return Outcome::AckDropped };
        let Ok(target) = self.dialog_target(request, flow, routes, vouched, directory) else {
            return Outcome::AckDropped;
        };
        let job = self.job(request, flow, key, routes, &vouched.trunk, vouched.dialog, false, Targets::new());
        let (proxy, mut turn) = self.proxy_turn(scene);
        proxy.forward_ack(&job, &target, &mut turn);
        Outcome::AckForwarded
    }

    /// RFC 3261 §9.2, §16.10. Found by branch, sent-by and peer.
    fn cancel(&mut self, request: &Request<'_>, flow: &Flow, key: ServerKey, scene: &mut Scene<'_>) -> Outcome {
        let Some(id) = self.transactions.find(key) else {
            if !self.shared.rates.admit(flow.peer_ip(), scene.now) {
                return Outcome::RateLimited;
            }
            return self.refuse(request, flow, 481, Outcome::NothingToCancel, scene);
        };
        self.reply(&request.head, flow, 200, "OK", scene, |_| ());
        let (proxy, mut turn) = self.proxy_turn(scene);
        proxy.cancel(id, &mut turn);
        Outcome::Cancelled
    }

    fn answer_ping(&mut self, request: &Request<'_>, flow: &Flow, scene: &mut Scene<'_>) -> Outcome {
        if !self.shared.rates.admit(flow.peer_ip(), scene.now) {
            return Outcome::RateLimited;
        }
        self.reply(&request.head, flow, 200, "OK", scene, |out| {
            out.extend_from_slice(b"Allow: INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, UPDATE, INFO, MESSAGE, SUBSCRIBE, NOTIFY, REFER, PRACK, PUBLISH\r\nAccept: application/sdp\r\nSupported:\r\n");
        });
        Outcome::OptionsAnswered
    }

    #[expect(clippy::too_many_arguments, reason = "what the decision has found out so far")]
    fn forward_in_dialog(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        routes: &Routes<'_>,
        vouched: &InDialog,
        directory: &Directory,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        match self.dialog_target(request, flow, routes, vouched, directory) {
            Err((status, outcome)) => self.refuse(request, flow, status, outcome, scene),
            Ok(target) => {
                let targets = Targets::from_iter([target]);
                let mut job = self.job(request, flow, key, routes, &vouched.trunk, vouched.dialog, false, targets);
                job.token = routes.token.and_then(|token| token.try_into().ok());
                self.start(&job, Outcome::ForwardedInDialog, scene)
            }
        }
    }

    /// Where a request inside a dialog goes: by Route and Request-URI, never by the location service, and only to what
    /// the dialog named while it is known.
    fn dialog_target(
        &self,
        request: &Request<'_>,
        flow: &Flow,
        routes: &Routes<'_>,
        vouched: &InDialog,
        directory: &Directory,
    ) -> Result<Target, (u16, Outcome)> {
        let interfaces = &self.shared.interfaces;
        let uri = &request.uri;
        if routes.malformed {
            return Err((400, Outcome::Malformed));
        }
        if self.shared.is_ours(directory, uri.host, uri.port, flow.local) {
            return Err((403, Outcome::TargetNotNamed));
        }
        let named = |uri: &Uri<'_>| self.shared.dialogs.target(vouched.dialog, self.shared.dialogs.contact(uri));
        let hop = routes.next.as_ref().unwrap_or(uri);
        let way = match (named(uri), named(hop)) {
            (DialogTarget::NotNamed, _) => return Err((403, Outcome::TargetNotNamed)),
            (_, DialogTarget::NotNamed) => return Err((403, Outcome::ForeignRoute)),
            (_, DialogTarget::Flow(seen)) => target::live_flow(&seen, hop, interfaces, &self.shared.streams),
            (_, DialogTarget::UnknownDialog) if vouched.outlived_restart => {
                target::address_in(hop, interfaces, flow.local)
            }
            (_, DialogTarget::UnknownDialog) => return Err((481, Outcome::UnknownDialog)),
        };
        let flow = way.ok_or((502, Outcome::Unreachable))?;
        Ok(Target { uri: uri.raw.into(), flow })
    }

    /// RFC 3261 §10.3 step 5, and that alias and trunk domain mean one address of record.
    fn to_selects(&self, request: &Request<'_>, trunk: &Trunk, directory: &Directory, flow: &Flow) -> bool {
        let to = &request.to.uri;
        to.is_sip() && self.shared.select(directory, to.host, None, flow).is_some_and(|other| other.id == trunk.id)
    }

    fn is_replayed(&self, proof: Option<Proof<'_>>, scene: &Scene<'_>) -> bool {
        proof.is_some_and(|proof| self.shared.replay.admit(proof.nonce, proof.nc, scene.now) == Replay::Replayed)
    }

    fn register<'a>(
        &mut self,
        request: &Request<'a>,
        flow: &Flow,
        key: ServerKey,
        decided: &Decided<'_, 'a>,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        let Decided { trunk, admitted, proof, .. } = *decided;
        let shared = self.shared.clone();
        let user = request.to.uri.user_name().unwrap_or_default();
        let response = proof.map_or(b"".as_slice(), |proof| proof.answer.response);
        let mark = shared.register_mark(request, flow, response);
        let contacts = WantedContacts::parse(request, &shared.registrar);
        let user_text = std::str::from_utf8(&user).unwrap_or_default();
        let registration = Registration {
            request,
            flow,
            trunk: trunk.id,
            user: user_text,
            admitted,
            mark,
            contacts: contacts.clone().unwrap_or(WantedContacts::None),
        };
        let look = registration.look(&shared.location, scene.now);
        let reply = self.reply_way(&request.via, flow);
        if look.answered {
            scene.out.push_reply(reply, |out| registration.answer_again(&shared.location, scene.now, out));
            return Outcome::Retransmission;
        }
        if self.is_replayed(proof, scene) {
            return self.challenge(request, flow, trunk, Outcome::ReplayedAnswer, true, scene);
        }
        // Step 6: a credential registers its own address of record only; the gate has held a bare address against its entry.
        if proof.is_some_and(|proof| !proof.answer.username.means(&user)) || user_text.is_empty() {
            return self.refuse_once(request, flow, key, 403, Outcome::NotYourAor, scene);
        }
        let mut result = contacts.map(|_| ());
        if result.is_ok() {
            let (now, observer) = (scene.now, &mut *scene.observer);
            let mut bytes = std::mem::take(&mut self.scratch);
            bytes.clear();
            result = registration.apply(look, &shared.location, &shared.registrar, now, observer, &mut bytes);
            let overtaken = result.is_ok() && shared.take_back_if_overtaken(request, flow, decided, user_text, scene);
            if result.is_ok() && !overtaken {
                scene.out.push_reply(reply, |out| out.extend_from_slice(&bytes));
            }
            self.scratch = bytes;
            if overtaken {
                return self.challenge(request, flow, trunk, Outcome::Challenged, false, scene);
            }
        }
        match result {
            Ok(()) => Outcome::RegisterAccepted,
            Err(rejection) => self.reject_register(request, flow, key, rejection, scene),
        }
    }

    fn reject_register(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        rejection: Rejection,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        let malformed = Malformed { status: rejection.status, reason: rejection.reason };
        self.reply_once(request, flow, key, malformed, scene, |out| {
            if let Some(seconds) = rejection.min_expires_s {
                out.extend_from_slice(b"Min-Expires: ");
                crate::message::lex::push_decimal(out, u64::from(seconds));
                out.extend_from_slice(b"\r\n");
            }
        });
        Outcome::RegisterRefused
    }

    /// Step 6 for calls: what From may say.
    fn refuse_identity(
        &self,
        request: &Request<'_>,
        flow: &Flow,
        trunk: &Arc<Trunk>,
        admitted: Admitted,
        proof: Option<Proof<'_>>,
        directory: &Directory,
    ) -> Option<Outcome> {
        let (Admitted::ByCredential(_), Some(proof), false) = (admitted, proof, trunk.caller_id_any) else {
            return None;
        };
        let own = |uri: &Uri<'_>| {
            let names_user = uri.user_name().is_some_and(|user| proof.answer.username.means(&user));
            // A port is no part of an address of record (product rule); baresip writes one, sipsak half of one.
            let selected = self.shared.select(directory, uri.host, None, flow);
            names_user && selected.is_some_and(|other| other.id == trunk.id)
        };
        let from = &request.from.uri;
        if own(from) {
            return None;
        }
        // RFC 3323 §4.1.1.3: an anonymous caller says who he is elsewhere.
        let asserted = || {
            let fields = [Name::PPreferredIdentity, Name::PAssertedIdentity];
            fields
                .into_iter()
                .flat_map(|name| request.head.items(name))
                .filter_map(Address::parse)
                .any(|address| own(&address.uri))
        };
        let anonymous = from.host.eq_ignore_ascii_case(b"anonymous.invalid");
        (!(anonymous && asserted())).then_some(Outcome::NotYourFrom)
    }

    /// Step 8 for calls: product §5, "where does an authenticated out-of-dialog request go?".
    fn forward_initial(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        routes: &Routes<'_>,
        trunk: &Trunk,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        if routes.malformed {
            let bad_route = Malformed { status: 400, reason: "Bad Route" };
            self.reply_once(request, flow, key, bad_route, scene, |_| ());
            return Outcome::Malformed;
        }
        if routes.next.is_some() {
            return self.refuse_once(request, flow, key, 403, Outcome::ForeignRoute, scene);
        }
        let shared = self.shared.clone();
        let user = request.uri.user_name().unwrap_or_default();
        let name = std::str::from_utf8(&user).unwrap_or_default();
        let targets = shared.targets(trunk.id, name, scene);
        if targets.is_empty() {
            let credential = shared.credentials.credential(&trunk.account.auth_id, &user);
            let (status, outcome) = match credential {
                Some(known) if trunk.takes_credential(known.id, known.trunk) => (480, Outcome::NotRegistered),
                _ => (404, Outcome::NotFound),
            };
            return self.refuse_once(request, flow, key, status, outcome, scene);
        }
        let second = (request.method == Method::Invite).then(|| self.second_reading(request, scene)).flatten();
        let dialog = shared.dialogs.key(request.call_id, request.from.tag().unwrap_or_default());
        let initial = request.to.tag().is_none();
        let mut job = self.job(request, flow, key, routes, trunk, dialog, initial, targets);
        job.second = second;
        self.start(&job, Outcome::Forwarded, scene)
    }

    /// Hands a job to the proxy.
    fn start(&mut self, job: &Job<'_, '_>, outcome: Outcome, scene: &mut Scene<'_>) -> Outcome {
        let (proxy, mut turn) = self.proxy_turn(scene);
        if proxy.start(job, &mut turn) {
            return outcome;
        }
        self.reply(&job.request.head, job.came, 503, "Service Unavailable", scene, |out| {
            out.extend_from_slice(b"Retry-After: 5\r\n");
        });
        Outcome::Overloaded
    }

    /// A refusal after the sender was let in: it has a transaction, so that a retransmission meets it and not the replay
    /// window.
    fn refuse_once(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        status: u16,
        outcome: Outcome,
        scene: &mut Scene<'_>,
    ) -> Outcome {
        let malformed = Malformed { status, reason: crate::message::reason_phrase(status) };
        self.reply_once(request, flow, key, malformed, scene, |_| ());
        outcome
    }

    fn reply_once(
        &mut self,
        request: &Request<'_>,
        flow: &Flow,
        key: ServerKey,
        Malformed { status, reason }: Malformed,
        scene: &mut Scene<'_>,
        extra: impl FnOnce(&mut Vec<u8>),
    ) {
        let kind = if request.method == Method::Invite { Kind::Invite } else { Kind::NonInvite };
        let way = self.reply_way(&request.via, flow);
        match self.transactions.open_server(key, kind, way) {
            Some(id) => {
                let tag = self.tag(&request.head);
                let reply = super::turn::reply_to(&request.head, flow, status, reason, &tag);
                self.transactions.respond(id, status, scene.now, scene.out, |out| reply.write(out, extra));
            }
            None => self.reply(&request.head, flow, status, reason, scene, extra),
        }
    }
}

/// The method under whose key the transaction of a request is known.
const fn transaction_method(method: Method) -> Method {
    match method {
        Method::Ack | Method::Cancel => Method::Invite,
        other => other,
    }
}

/// OPTIONS to a host and not to a user of it: how PBXes and monitors ask whether it lives.
fn is_ping(request: &Request<'_>) -> bool {
    request.method == Method::Options && request.uri.user.is_none()
}
