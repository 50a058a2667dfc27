//! What the core tells of itself: every decision as a value, and every change of state.
//!
//! Nothing here reaches the wire. The shell counts outcomes, writes logs from events, and later explains them.

use uuid::Uuid;

use crate::auth::AuthFailure;
use crate::flow::Flow;
use crate::location::{AddressOfRecord, Binding};

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal,)+) => {
        /// How a message was dealt with. One is reported for every message that the engine takes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Outcome { $($(#[doc = $doc])+ $variant,)+ }

        impl Outcome {
            /// Every outcome, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in metrics and logs.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

outcomes! {
    /// No SIP message, and nobody to tell.
    Unreadable = "unreadable",
    /// Refused with 400.
    Malformed = "malformed",
    /// Refused with 505.
    VersionNotSupported = "version_not_supported",
    /// Refused with 416.
    UnsupportedScheme = "unsupported_scheme",
    /// Refused with 483.
    TooManyHops = "too_many_hops",
    /// Refused with 482.
    LoopDetected = "loop_detected",
    /// Refused with 420.
    BadExtension = "bad_extension",
    /// Dropped: its source sends too much.
    RateLimited = "rate_limited",
    /// Refused with 403 or, for REGISTER, 404: the Request-URI is not ours.
    NotOurs = "not_ours",
    /// Challenged: it carried no answer for our realm.
    Challenged = "challenged",
    /// Challenged anew: the answer was right and its nonce too old.
    StaleNonce = "stale_nonce",
    /// Challenged anew: the answer was right and had been used before.
    ReplayedAnswer = "replayed_answer",
    /// Challenged: no such user.
    UnknownUser = "unknown_user",
    /// Challenged: wrong response.
    WrongPassword = "wrong_password",
    /// Challenged: the credential is disabled. One of another trunk counts as unknown.
    DisabledCredential = "disabled_credential",
    /// Challenged: the answer is for another realm.
    WrongRealm = "wrong_realm",
    /// Challenged: the nonce is not ours.
    ForgedNonce = "forged_nonce",
    /// Challenged: the algorithm was not offered, or there is no hash for it.
    AlgorithmRefused = "algorithm_refused",
    /// Challenged: the answer cannot be read or lacks qop.
    MalformedAnswer = "malformed_answer",
    /// Challenged: the answer's uri names another user or host than the Request-URI.
    WrongDigestUri = "wrong_digest_uri",
    /// Challenged without a look at the answer: its source has got too many wrong for that name.
    GuessingThrottled = "guessing_throttled",
    /// Challenged: the right password, from an address that is not on the ACL.
    OutsideAcl = "outside_acl",
    /// Challenged, or 403 under `ip_only`: the address is denied.
    AddressDenied = "address_denied",
    /// Refused with 403: the trunk admits by address alone, and not this one.
    AddressNotAllowed = "address_not_allowed",
    /// Challenged: the trunk or its account is disabled.
    TrunkDisabled = "trunk_disabled",
    /// Challenged: the trunk has neither credentials nor ACL entries.
    TrunkWithoutAuth = "trunk_without_auth",
    /// Refused with 403: REGISTER of an address of record that is not the sender's.
    NotYourAor = "not_your_aor",
    /// Refused with 403: From is not the sender's.
    NotYourFrom = "not_your_from",
    /// Refused with 403: a Route leads elsewhere and no route token allows it.
    ForeignRoute = "foreign_route",
    /// Refused with 403: the dialog never named the target.
    TargetNotNamed = "target_not_named",
    /// Refused with 481: the dialog is over, or was never set up through here.
    UnknownDialog = "unknown_dialog",
    /// REGISTER was accepted.
    RegisterAccepted = "register_accepted",
    /// REGISTER was refused by the registrar: 400, 403 or 423.
    RegisterRefused = "register_refused",
    /// The address of record has no binding: 480.
    NotRegistered = "not_registered",
    /// Nobody has that name: 404.
    NotFound = "not_found",
    /// The next hop cannot be reached from here: 502.
    Unreachable = "unreachable",
    /// An initial request was forwarded.
    Forwarded = "forwarded",
    /// A request inside a dialog was forwarded.
    ForwardedInDialog = "forwarded_in_dialog",
    /// An ACK was forwarded.
    AckForwarded = "ack_forwarded",
    /// An ACK ended here, as it should.
    AckAbsorbed = "ack_absorbed",
    /// An ACK without transaction or token was dropped.
    AckDropped = "ack_dropped",
    /// A repeated request was answered as before or absorbed.
    Retransmission = "retransmission",
    /// A CANCEL ended a request.
    Cancelled = "cancelled",
    /// A CANCEL for nothing: 481.
    NothingToCancel = "nothing_to_cancel",
    /// OPTIONS to the server itself was answered.
    OptionsAnswered = "options_answered",
    /// Too many transactions: 503.
    Overloaded = "overloaded",
    /// A response was passed on.
    ResponseForwarded = "response_forwarded",
    /// A response was used up here: a 100, a repeated one, or one that waits for others.
    ResponseAbsorbed = "response_absorbed",
    /// A response to nothing that we sent was dropped.
    StrayResponse = "stray_response",
    /// A response was handed to the shard that sent the request.
    HandedOver = "handed_over",
}

impl From<AuthFailure> for Outcome {
    fn from(failure: AuthFailure) -> Self {
        match failure {
            AuthFailure::UnknownUser => Self::UnknownUser,
            AuthFailure::WrongPassword => Self::WrongPassword,
            AuthFailure::Disabled => Self::DisabledCredential,
            AuthFailure::NoHashForAlgorithm | AuthFailure::AlgorithmNotOffered => Self::AlgorithmRefused,
            AuthFailure::WrongRealm => Self::WrongRealm,
            AuthFailure::ForgedNonce | AuthFailure::ForeignNonce => Self::ForgedNonce,
            AuthFailure::QopMissing | AuthFailure::QopUnknown | AuthFailure::Malformed => Self::MalformedAnswer,
        }
    }
}

impl Outcome {
    /// Whether somebody tried to get in and failed, so that an operator may want to see who.
    pub const fn is_refused_authentication(self) -> bool {
        matches!(
            self,
            Self::UnknownUser
                | Self::WrongPassword
                | Self::DisabledCredential
                | Self::WrongRealm
                | Self::ForgedNonce
                | Self::AlgorithmRefused
                | Self::MalformedAnswer
                | Self::WrongDigestUri
                | Self::GuessingThrottled
                | Self::OutsideAcl
                | Self::AddressDenied
                | Self::AddressNotAllowed
                | Self::TrunkDisabled
                | Self::TrunkWithoutAuth
        )
    }
}

/// Why a binding is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gone {
    /// Its client removed it.
    Removed,
    /// Its time had come.
    Expired,
    /// Its credential, trunk or address is no longer welcome.
    Revoked,
}

impl Gone {
    /// Its name in logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Who asks for what, for logs: slices of the message at hand, to be escaped when shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Method as written.
    pub method: &'a [u8],
    /// Username of the digest answer, or the user in From.
    pub name: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
}

/// What a credential was used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CredentialUse {
    /// A REGISTER that was accepted.
    Registration,
    /// An INVITE that went on to its targets.
    Call,
    /// Something else that it let in, whatever became of that.
    Other,
    /// It was named, and did not let in.
    Failure,
}

/// Something that happened. Borrowed from the message at hand; nothing is allocated for it.
#[derive(Debug)]
pub enum Event<'a> {
    /// A message was dealt with.
    Decided {
        /// How.
        outcome: Outcome,
        /// The way it came.
        flow: &'a Flow,
        /// Whose it was.
        subject: Subject<'a>,
    },
    /// A digest answer was looked at.
    CredentialUsed {
        /// The credential; `None` where it names none, so that both cost the same.
        credential: Option<Uuid>,
        /// What for.
        used_for: CredentialUse,
        /// The way it came.
        flow: &'a Flow,
        /// User-Agent of the client, as sent.
        user_agent: &'a [u8],
    },
    /// A binding was made, or changed its flow.
    Registered {
        /// Of which address of record.
        aor: &'a AddressOfRecord,
        /// The binding.
        binding: &'a Binding,
    },
    /// A binding is gone.
    Unregistered {
        /// Of which address of record.
        aor: &'a AddressOfRecord,
        /// The binding.
        binding: &'a Binding,
        /// Why.
        gone: Gone,
    },
    /// An INVITE left for its targets.
    CallStarted {
        /// Call-ID.
        call_id: &'a [u8],
        /// The caller's URI.
        from: &'a [u8],
        /// The Request-URI as it came.
        to: &'a [u8],
        /// The way it came.
        flow: &'a Flow,
        /// User-Agent of the caller; empty without one.
        user_agent: &'a str,
    },
    /// A contact cannot be called, for this server does not speak its transport.
    TargetSkipped {
        /// The contact.
        contact: &'a [u8],
    },
    /// A call was answered.
    CallAnswered {
        /// Call-ID.
        call_id: &'a [u8],
    },
    /// A call is over, or was never answered.
    CallEnded {
        /// Call-ID.
        call_id: &'a [u8],
        /// The final status; 200 for a call that was answered and hung up.
        status: u16,
    },
    /// rsip read a message as we did.
    SecondReaderAgreed,
    /// rsip refused a message that was served.
    SecondReaderRefused,
    /// rsip read another value than we did; ours was used.
    SecondReaderDiffered {
        /// Of which field.
        field: &'static str,
    },
}

/// Receives events, for metrics and logs. Must not block.
pub trait Observer {
    /// Takes one event.
    fn observe(&mut self, event: &Event<'_>);
}

/// Hears nothing. For benches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&mut self, _event: &Event<'_>) {}
}
