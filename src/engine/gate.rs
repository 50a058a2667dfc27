//! Steps 4 and 5 of the decision: the trunk's auth policy, its ACL, and digest (product §2).
//!
//! All that the policy asks for is looked at before anything is decided, so that refusals cost the same work.

use smallvec::SmallVec;

use crate::acl;
use crate::auth::{Admitted, Credential, DigestAnswer, NonceId, NonceState, Verdict, Verifier};
use crate::clock::Timestamp;
use crate::event::Outcome;
use crate::flow::Flow;
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
}

/// What the digest answers of a request are worth.
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
    /// Holds a request against the policy of its trunk.
    pub(super) fn gate<'a>(
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
        let enabled = trunk.enabled && trunk.account.enabled;
        if policy == AuthPolicy::IpOnly {
            return match address {
                acl::Verdict::Denied(_) => Gate::Forbidden(Outcome::AddressDenied),
                _ if !enabled => Gate::Forbidden(Outcome::TrunkDisabled),
                acl::Verdict::Allowed(entry) if may(request, entry) => Gate::Pass(Admitted::ByAddress, None),
                acl::Verdict::Allowed(_) => Gate::Forbidden(Outcome::NotYourAor),
                _ => Gate::Forbidden(Outcome::AddressNotAllowed),
            };
        }
        let digest = self.digest(request, answers, trunk, directory, flow, now);
        if matches!(address, acl::Verdict::Denied(_)) {
            return challenge(Outcome::AddressDenied);
        }
        if !enabled {
            return challenge(Outcome::TrunkDisabled);
        }
        let by_address = matches!(address, acl::Verdict::Allowed(entry) if may(request, entry));
        match policy {
            AuthPolicy::IpOnly | AuthPolicy::DigestOnly => by_digest(digest, trunk.has_credentials()),
            AuthPolicy::Any if by_address && !matches!(digest, Digest::Right(..)) => {
                Gate::Pass(Admitted::ByAddress, None)
            }
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

    fn digest<'a>(
        &self,
        request: &Request<'a>,
        answers: &Answers<'a>,
        trunk: &Trunk,
        directory: &Directory,
        flow: &Flow,
        now: Timestamp,
    ) -> Digest<'a> {
        let ours = answers.found.iter().find(|answer| answer.realm.means(trunk.account.realm.as_bytes()));
        // An answer for another realm is worked through like one for ours.
        match ours.or(answers.found.last()) {
            Some(answer) => self.verify(request, *answer, trunk, directory, flow, now),
            None if answers.malformed => Digest::Wrong(Outcome::MalformedAnswer),
            None => Digest::Absent,
        }
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
        let username = answer.username.unescape(&mut buffer).unwrap_or_default();
        let credential = self.credentials.credential(&trunk.account.auth_id, username);
        let credential = credential.filter(|credential| trunk.takes_credential(credential.id, credential.trunk));
        let verifier = Verifier { nonces: &self.nonces, realm: &trunk.account.realm, offered: &trunk.algorithms };
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

    /// Whether the request carries a nonce that this server made for the realm, fresh or not: such traffic is not
    /// counted against its source.
    pub(super) fn has_own_nonce(&self, answers: &Answers<'_>, realm: &str, now: Timestamp) -> bool {
        answers
            .found
            .iter()
            .any(|answer| !matches!(self.nonces.check(answer.nonce, realm.as_bytes(), now), NonceState::Forged))
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

fn by_digest(digest: Digest<'_>, has_credentials: bool) -> Gate<'_> {
    match digest {
        Digest::Right(credential, proof) => Gate::Pass(Admitted::ByCredential(credential.id), Some(proof)),
        Digest::Stale => Gate::Challenge { outcome: Outcome::StaleNonce, stale: true },
        Digest::Wrong(outcome) => challenge(outcome),
        Digest::Absent if has_credentials => challenge(Outcome::Challenged),
        Digest::Absent => challenge(Outcome::TrunkWithoutAuth),
    }
}
