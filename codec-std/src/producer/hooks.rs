//! The hooks of a running producer.

use alloc::sync::Arc;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use crate::producer::event::Notice;
use crate::producer::put_error::PutError;

type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// Functions of the caller. If one panics, the panic is logged and the producer
/// continues.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) on_notice: Option<Hook<Notice>>,
    pub(super) on_failure: Option<Hook<PutError>>,
}

impl Hooks {
    pub(super) fn notice(&self, notice: &Notice) {
        call(self.on_notice.as_deref(), notice);
    }

    pub(super) fn failure(&self, error: &PutError) {
        call(self.on_failure.as_deref(), error);
    }
}

fn call<T>(hook: Option<&(dyn Fn(&T) + Send + Sync)>, argument: &T) {
    let Some(hook) = hook else { return };
    if catch_unwind(AssertUnwindSafe(|| hook(argument))).is_err() {
        tracing::error!("a hook of the producer panicked");
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_notice", &self.on_notice.is_some())
            .field("on_failure", &self.on_failure.is_some())
            .finish()
    }
}
