//! Starting tasks on a worker's thread so that one which panics ends the worker.
#![allow(clippy::disallowed_methods, reason = "the shell starts tasks")]

use std::future::Future;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::task::spawn_local;

/// Told when a task of the worker has panicked.
///
/// A panic while a message is handled is contained by the shard. Any other would come again at once, or leave a socket
/// that nobody reads any more while the process looks alive; the worker then ends, and the wiring exits with an error
/// so that a supervisor starts afresh.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks {
    panicked: Rc<Notify>,
}

impl Tasks {
    /// Starts a task on this thread.
    pub(super) fn start(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let alarm = Alarm(Rc::clone(&self.panicked));
        let guarded = async move {
            let _alarm = alarm;
            task.await;
        };
        spawn_local(guarded).abort_handle()
    }

    /// Waits until a task has panicked.
    pub(super) async fn panicked(&self) {
        self.panicked.notified().await;
    }
}

struct Alarm(Rc<Notify>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.notify_one();
        }
    }
}
