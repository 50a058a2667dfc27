//! What is told of the use of a credential.

use crate::auth::Admitted;
use crate::event::{CredentialUse, Event, Outcome};
use crate::flow::Flow;
use crate::message::{Method, Name, Request};
use crate::trunk::Trunk;

use super::Engine;
use super::gate::Answers;
use super::turn::Scene;

/// Tells that a credential let a request in.
pub(super) fn tell_use(
    request: &Request<'_>,
    flow: &Flow,
    admitted: Admitted,
    outcome: Outcome,
    scene: &mut Scene<'_>,
) {
    let Admitted::ByCredential(credential) = admitted else { return };
    let used_for = match outcome {
        // Nothing was used: the client is asked again, or was answered before.
        Outcome::ReplayedAnswer | Outcome::Retransmission => return,
        Outcome::RegisterAccepted => CredentialUse::Registration,
        Outcome::Forwarded if request.method == Method::Invite => CredentialUse::Call,
        _ => CredentialUse::Other,
    };
    let user_agent = request.head.get(Name::UserAgent).unwrap_or_default();
    scene.observer.observe(&Event::CredentialUsed { credential: Some(credential), used_for, flow, user_agent });
}

impl Engine {
    /// Tells that a digest answer did not let in. An unknown name costs the same as a known one.
    pub(super) fn tell_failure(
        &self,
        request: &Request<'_>,
        answers: &Answers<'_>,
        flow: &Flow,
        trunk: &Trunk,
        outcome: Outcome,
        scene: &mut Scene<'_>,
    ) {
        let realm = trunk.account.realm.as_bytes();
        let ours = answers.found.iter().find(|answer| answer.realm.means(realm));
        let Some(answer) = ours.filter(|_| outcome.is_refused_authentication()) else { return };
        let mut buffer = [0; 128];
        let username = answer.username.unescape(&mut buffer).unwrap_or_default();
        let credential = self.shared.credentials.credential(&trunk.account.auth_id, username);
        let credential = credential.filter(|known| trunk.takes_credential(known.id, known.trunk)).map(|known| known.id);
        let user_agent = request.head.get(Name::UserAgent).unwrap_or_default();
        let used_for = CredentialUse::Failure;
        scene.observer.observe(&Event::CredentialUsed { credential, used_for, flow, user_agent });
    }
}
