//! Steps 4 and 5 of the decision: the trunk's auth policy, its ACL, and digest (product §2).
//!
//! All that the policy asks for is looked at before anything is decided, so that refusals cost the same work.

use smallvec::SmallVec;

use crate::acl;
use crate::auth::{Admitted, Credential, DigestAnswer, NonceId, NonceState, Verdict, Verifier};
use crate::clock::Timestamp;
use crate::event::Outcome;
use crate::flow::Flow;
use crate::location::Binding;
use crate::message::{Head, Method, Name, Request, Uri};
use crate::trunk::{AuthPolicy, Directory, Trunk};

use super::shared::Shared;

/// A digest answer that was right, before the replay window has been asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof<'a> {
    pub answer: DigestAnswer<'a>,
    pub nonce: NonceId,
    pub nc: u32,
}

/// How many answers for one realm are looked at.
const ANSWERS: usize = 2;

/// Answers and what they are worth.
type Checked<'a> = SmallVec<[(DigestAnswer<'a>, Digest<'a>); 1]>;

/// What the gate says.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack of one call; a box would allocate for every request")]
pub(super) enum Gate<'a> {
    /// Let in; with a proof where digest did it.
    Pass(Admitted, Option<Proof<'a>>),
    /// 401 or 407.
    Challenge { outcome: Outcome, stale: bool },
    /// 403: only a trunk that goes by address alone says no openly.
    Forbidden(Outcome),
    /// No answer: its source has used up its rate.
    Silence,
}

/// What the digest answers of a request, or one of them, are worth.
#[derive(Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack of one call; a box would allocate for every request")]
enum Digest<'a> {
    /// None for our realm.
    Absent,
    /// Not right.
    Wrong(Outcome),
    /// Right, for a nonce whose time has passed.
    Stale,
    Right(Credential, Proof<'a>),
}

const fn challenge(outcome: Outcome) -> Gate<'static> {
    Gate::Challenge { outcome, stale: false }
}

impl Shared {
    /// Holds a request against the policy of its trunk. What is refused costs its source a request of its rate; those without
    /// a fresh nonce have paid before.
    pub(super) fn gate<'a>(
        &self,
        request: &Request<'a>,
        answers: &Answers<'a>,
        flow: &Flow,
        trunk: &Trunk,
        directory: &Directory,
        now: Timestamp,
    ) -> Gate<'a> {
        let gate = self.judge(request, answers, flow, trunk, directory, now);
        let refused = matches!(gate, Gate::Challenge { stale: false, .. } | Gate::Forbidden(_));
        if refused && self.has_fresh_nonce(answers, &trunk.account.realm, now) && !self.rates.admit(flow.peer_ip(), now)
        {
            return Gate::Silence;
        }
        gate
    }

    fn judge<'a>(
        &self,
        request: &Request<'a>,
        answers: &Answers<'a>,
        flow: &Flow,
        trunk: &Trunk,
        directory: &Directory,
        now: Timestamp,
    ) -> Gate<'a> {
        let policy = if request.method == Method::Register { trunk.policy_register } else { trunk.policy_call };
        let address = trunk.acl.decide(flow.peer_ip());
        if policy == AuthPolicy::IpOnly {
            return match address {
                acl::Verdict::Denied(_) => Gate::Forbidden(Outcome::AddressDenied),
                _ if !is_enabled(trunk) => Gate::Forbidden(Outcome::TrunkDisabled),
                acl::Verdict::Allowed(entry) if may(request, entry) => Gate::Pass(Admitted::ByAddress, None),
                acl::Verdict::Allowed(_) => Gate::Forbidden(Outcome::NotYourAor),
                _ => Gate::Forbidden(Outcome::AddressNotAllowed),
            };
        }
        let checked = self.check(request, answers, trunk, directory, flow, now);
        let gate = decide(policy, request, &address, trunk, best(&checked, answers));
        for (answer, digest) in &checked {
            if is_failure(*digest, &gate) && answer.realm.means(trunk.account.realm.as_bytes()) {
                self.failures.note(flow.peer_ip(), name_of(answer, &mut [0; 128]), now);
            }
        }
        gate
    }

    /// Looks at the answers for our realm: always at all of them, so that a right one costs what a wrong one does. An answer
    /// for another realm, where there is none for ours, is worked through likewise.
    fn check<'a>(
        &self,
        request: &Request<'a>,
        answers: &Answers<'a>,
        trunk: &Trunk,
        directory: &Directory,
        flow: &Flow,
        now: Timestamp,
    ) -> Checked<'a> {
        let realm = &trunk.account.realm;
        let other = answers.found.last().filter(|_| answers.for_realm(realm).next().is_none());
        let check = |answer: &DigestAnswer<'a>| (*answer, self.verify(request, *answer, trunk, directory, flow, now));
        answers.for_realm(realm).chain(other).map(check).collect()
    }

    /// Whether the source guesses at that name too often for its answers to be looked at. A live binding of the name over
    /// the same address shows that its phone is there: nobody who forges its address can throw it out.
    fn is_throttled(&self, trunk: &Trunk, name: &[u8], flow: &Flow, now: Timestamp) -> bool {
        if !self.failures.is_past_limit(flow.peer_ip(), name, now) {
            return false;
        }
        let Ok(user) = std::str::from_utf8(name) else { return true };
        let is_here = |binding: &Binding| binding.expires_at > now && binding.flow.peer_ip() == flow.peer_ip();
        !self.location.read(trunk.id, user, |record| record.bindings.iter().any(is_here)).unwrap_or(false)
    }

    fn verify<'a>(
        &self,
        request: &Request<'a>,
        answer: DigestAnswer<'a>,
        trunk: &Trunk,
        directory: &Directory,
        flow: &Flow,
        now: Timestamp,
    ) -> Digest<'a> {
        let mut buffer = [0; 128];
        let username = name_of(&answer, &mut buffer);
        if self.is_throttled(trunk, username, flow, now) {
            return Digest::Wrong(Outcome::GuessingThrottled);
        }
        let credential = self.credentials.credential(&trunk.account.auth_id, username);
        let credential = credential.filter(|credential| trunk.takes_credential(credential.id, credential.trunk));
        let (realm, offered) = (&*trunk.account.realm, &*trunk.algorithms);
        let verifier = Verifier { nonces: &self.nonces, realm, offered, allow_rfc2069: self.allow_rfc2069 };
        let verdict = verifier.verify(&answer, request.method_token, credential.as_ref(), now);
        let same_target = self.names_target(&answer, request, trunk, directory, flow);
        match (verdict, credential) {
            (Verdict::Right { .. }, _) if !same_target => Digest::Wrong(Outcome::WrongDigestUri),
            (Verdict::Right { nonce, nc, fresh: true }, Some(credential)) => {
                Digest::Right(credential, Proof { answer, nonce, nc })
            }
            (verdict, _) if verdict.is_stale() => Digest::Stale,
            (Verdict::Wrong(failure), _) => Digest::Wrong(failure.into()),
            (Verdict::Right { .. }, _) => Digest::Stale,
        }
    }

    /// Whether the digest uri may stand for the Request-URI: it may lack the user and name the trunk differently, but not
    /// name another user, another trunk or another host (RFC 3261 §22.4 rule 5, RFC 7616 §3.4.6).
    fn names_target(
        &self,
        answer: &DigestAnswer<'_>,
        request: &Request<'_>,
        trunk: &Trunk,
        directory: &Directory,
        flow: &Flow,
    ) -> bool {
        if answer.uri == request.uri.raw {
            return true;
        }
        let Some(uri) = Uri::parse(answer.uri).filter(Uri::is_sip) else { return false };
        let same_trunk =
            || self.select(directory, uri.host, uri.port, flow).is_some_and(|selected| selected.id == trunk.id);
        let same_user = uri.user.is_none() || uri.user_name() == request.uri.user_name();
        same_user && (uri.host.eq_ignore_ascii_case(request.uri.host) || same_trunk())
    }

    /// Whether the request answers to a nonce that this server made for the realm and whose time has not passed: such
    /// traffic is not counted against its source, unless it turns out not to be let in.
    pub(super) fn has_fresh_nonce(&self, answers: &Answers<'_>, realm: &str, now: Timestamp) -> bool {
        let mut ours = answers.for_realm(realm);
        ours.any(|answer| matches!(self.nonces.check(answer.nonce, realm.as_bytes(), now), NonceState::Fresh(_)))
    }
}

/// The digest answers of a request, read once. Clients answer in either field, whatever they were asked with.
#[derive(Debug, Default)]
pub(super) struct Answers<'a> {
    pub(super) found: SmallVec<[DigestAnswer<'a>; 1]>,
    /// One could not be read. It may be for another realm, whose business it is.
    malformed: bool,
}

impl<'a> Answers<'a> {
    /// Reads them all.
    pub(super) fn read(head: &Head<'a>) -> Self {
        let mut answers = Self::default();
        for value in head.all(Name::Authorization).chain(head.all(Name::ProxyAuthorization)) {
            match DigestAnswer::parse(value) {
                Ok(Some(answer)) => answers.found.push(answer),
                Ok(None) => {}
                Err(_) => answers.malformed = true,
            }
        }
        answers
    }

    /// The first two for `realm`: a client that has a new nonce may send its old answer along.
    fn for_realm(&self, realm: &str) -> impl Iterator<Item = &DigestAnswer<'a>> {
        self.found.iter().filter(move |answer| answer.realm.means(realm.as_bytes())).take(ANSWERS)
    }

    /// The first username among them.
    pub(super) fn username(&self) -> Option<&'a [u8]> {
        self.found.first().map(|answer| answer.username.raw())
    }
}

/// Who is admitted by address may call, and register only the names in the entry.
fn may(request: &Request<'_>, entry: &acl::Entry) -> bool {
    if request.method != Method::Register {
        return true;
    }
    let user = request.to.uri.user_name();
    user.is_some_and(|user| entry.may_register.iter().any(|name| name.as_bytes() == &*user))
}

fn is_enabled(trunk: &Trunk) -> bool {
    trunk.enabled && trunk.account.enabled
}

/// The username of an answer; no name that is too long for a credential matters.
fn name_of<'b, 'a: 'b>(answer: &DigestAnswer<'a>, buffer: &'b mut [u8; 128]) -> &'b [u8] {
    answer.username.unescape(buffer).unwrap_or_default()
}

/// The answer that helps most.
fn best<'a>(checked: &Checked<'a>, answers: &Answers<'a>) -> Digest<'a> {
    let find = |wanted: fn(&Digest<'_>) -> bool| checked.iter().map(|(_, digest)| digest).find(|digest| wanted(digest));
    let best = find(|digest| matches!(digest, Digest::Right(..)))
        .or_else(|| find(|digest| matches!(digest, Digest::Stale)))
        .or_else(|| find(|_| true));
    match best {
        Some(best) => *best,
        None if answers.malformed => Digest::Wrong(Outcome::MalformedAnswer),
        None => Digest::Absent,
    }
}

/// Whether an answer counts as a guess: it is not right, or its sender must not learn that it is. What was not looked at
/// does not count.
const fn is_failure(digest: Digest<'_>, gate: &Gate<'_>) -> bool {
    match digest {
        Digest::Right(..) => !matches!(gate, Gate::Pass(..)),
        Digest::Stale => !matches!(gate, Gate::Pass(..) | Gate::Challenge { stale: true, .. }),
        Digest::Wrong(Outcome::GuessingThrottled) | Digest::Absent => false,
        Digest::Wrong(_) => true,
    }
}

/// Steps 4 and 5, with everything known that they ask for.
fn decide<'a>(
    policy: AuthPolicy,
    request: &Request<'_>,
    address: &acl::Verdict<'_>,
    trunk: &Trunk,
    digest: Digest<'a>,
) -> Gate<'a> {
    if matches!(address, acl::Verdict::Denied(_)) {
        return challenge(Outcome::AddressDenied);
    }
    if !is_enabled(trunk) {
        return challenge(Outcome::TrunkDisabled);
    }
    let by_address = matches!(address, acl::Verdict::Allowed(entry) if may(request, entry));
    match policy {
        AuthPolicy::IpOnly | AuthPolicy::DigestOnly => by_digest(digest, trunk.has_credentials()),
        AuthPolicy::Any if by_address && !matches!(digest, Digest::Right(..)) => Gate::Pass(Admitted::ByAddress, None),
        AuthPolicy::Any => by_digest(digest, trunk.has_credentials()),
        AuthPolicy::All if !trunk.has_credentials() => match address {
            _ if by_address => Gate::Pass(Admitted::ByAddress, None),
            acl::Verdict::NoAllowList => challenge(Outcome::TrunkWithoutAuth),
            _ => challenge(Outcome::AddressNotAllowed),
        },
        // The right password from the wrong place looks like any wrong password: not even `stale` tells.
        AuthPolicy::All => match (digest, address) {
            (Digest::Right(..) | Digest::Stale, acl::Verdict::Unlisted) => challenge(Outcome::OutsideAcl),
            (digest, _) => by_digest(digest, true),
        },
    }
}

fn by_digest(digest: Digest<'_>, has_credentials: bool) -> Gate<'_> {
    match digest {
        Digest::Right(credential, proof) => Gate::Pass(Admitted::ByCredential(credential.id), Some(proof)),
        Digest::Stale => Gate::Challenge { outcome: Outcome::StaleNonce, stale: true },
        Digest::Wrong(outcome) => challenge(outcome),
        Digest::Absent if has_credentials => challenge(Outcome::Challenged),
        Digest::Absent => challenge(Outcome::TrunkWithoutAuth),
    }
}
