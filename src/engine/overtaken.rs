//! A change of the configuration that overtakes a REGISTER.
//!
//! Whoever revokes something first changes what the gate looks at, then drops bindings. A REGISTER that passed the gate before and makes its
//! binding after that would bring back what was dropped. So it looks again once its binding is there: either the one who revokes
//! sees the binding, or this sees the change.

use crate::auth::Admitted;
use crate::event::{Event, Gone};
use crate::flow::Flow;
use crate::message::Request;
use crate::trunk::{Directory, Trunk};

use super::Shared;
use super::gate::{Answers, Gate, Proof};
use super::turn::Scene;

/// What the decision on a REGISTER has found out.
#[derive(Clone, Copy)]
pub(super) struct Decided<'d, 'a> {
    pub answers: &'d Answers<'a>,
    pub trunk: &'d Trunk,
    pub directory: &'d Directory,
    pub admitted: Admitted,
    pub proof: Option<Proof<'a>>,
}

impl Shared {
    /// Drops the bindings of a REGISTER that would not be let in any more; says whether it did.
    pub(super) fn take_back_if_overtaken<'a>(
        &self,
        request: &Request<'a>,
        flow: &Flow,
        decided: &Decided<'_, 'a>,
        user: &str,
        scene: &mut Scene<'_>,
    ) -> bool {
        if !self.is_overtaken(decided, user) || self.still_lets_in(request, flow, decided, scene) {
            return false;
        }
        let mut gone = Vec::new();
        self.location.revoke_at(
            decided.trunk.id,
            user,
            |_, binding| *binding.call_id == *request.call_id,
            |aor, binding| gone.push((aor.clone(), binding.clone())),
        );
        for (aor, binding) in &gone {
            scene.observer.observe(&Event::Unregistered { aor, binding, gone: Gone::Revoked });
        }
        true
    }

    /// Cheap: nearly always nothing has changed.
    fn is_overtaken(&self, decided: &Decided<'_, '_>, user: &str) -> bool {
        let trunk = decided.trunk;
        let same_credential = decided.admitted.credential().is_none_or(|id| {
            let stored = self.credentials.credential(&trunk.account.auth_id, user.as_bytes());
            stored.is_some_and(|stored| stored.id == id && stored.enabled && trunk.takes_credential(id, stored.trunk))
        });
        !same_credential || !std::ptr::eq(&**self.directory.load(), decided.directory)
    }

    fn still_lets_in<'a>(
        &self,
        request: &Request<'a>,
        flow: &Flow,
        decided: &Decided<'_, 'a>,
        scene: &Scene<'_>,
    ) -> bool {
        let directory = self.directory.load_full();
        let Some(trunk) = directory.get(decided.trunk.id) else { return false };
        let answers = decided.answers;
        matches!(self.gate(request, answers, flow, trunk, &directory, scene.now), Gate::Pass(..))
    }
}
