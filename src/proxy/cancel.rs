//! CANCEL: of a whole request by its caller, and of the branches that have lost (RFC 3261 §9, §16.10).

use crate::output::BranchId;
use crate::transaction::ServerId;

use super::{Proxy, Turn, hop};

impl Proxy {
    /// The caller cancels an INVITE: every branch that still runs is cancelled, now or once it has rung.
    pub fn cancel(&mut self, server: ServerId, turn: &mut Turn<'_>) {
        let Some(number) = turn.transactions.context(server) else { return };
        let Some(context) = self.contexts.get_mut(number as usize).filter(|context| context.server == server) else {
            return;
        };
        if context.answered {
            return;
        }
        context.cancelled = true;
        self.cancel_branches(number, turn);
    }

    /// Cancels every branch that still runs. One that has not rung yet is cancelled when it does (§9.1).
    pub(super) fn cancel_branches(&mut self, number: u32, turn: &mut Turn<'_>) {
        let Some(context) = self.contexts.get_mut(number as usize) else { return };
        for branch in context.branches.iter_mut().filter(|branch| !branch.done && branch.rings && !branch.cancelled) {
            branch.cancelled = true;
            turn.transactions.cancel(branch.id, turn.now, turn.out, |invite, out| hop::write_cancel(out, invite));
            // RFC 3261 §9.1: without a final response for 64·T1 after the CANCEL the branch counts as cancelled.
            turn.transactions.ring_no_longer_than(branch.id, turn.now, crate::transaction::T1_64);
        }
    }

    /// Timer C (§16.8): a branch that rings is cancelled, one that never did counts as 408. The second time round, after
    /// a CANCEL without effect, it is over.
    pub(super) fn rings_too_long(&mut self, id: BranchId, turn: &mut Turn<'_>) {
        let Some(number) = turn.transactions.branch_context(id) else { return };
        let Some(branch) = self.contexts.get_mut(number as usize).and_then(|context| context.branch_mut(id)) else {
            return turn.transactions.forget_client(id);
        };
        if branch.rings && !branch.cancelled {
            branch.cancelled = true;
            turn.transactions.cancel(id, turn.now, turn.out, |invite, out| hop::write_cancel(out, invite));
            turn.transactions.ring_no_longer_than(id, turn.now, crate::transaction::T1_64);
        } else {
            let status = if branch.cancelled { 487 } else { 408 };
            self.branch_failed(id, status, turn);
        }
    }
}
