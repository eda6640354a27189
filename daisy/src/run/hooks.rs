//! What reaches a run from beside it, from its first moment on: who stops it, and who watches it.

use std::{mem, sync::Arc};

#[cfg(unix)]
use super::interrupt::{self, Interrupts};
use super::{
    Error, RunOptions,
    relay::{Notifier, Relay, Sender},
    stop::Stopper,
};

/// What the second signal does where it does not end the process.
pub(crate) type Leave = Box<dyn FnOnce() + Send>;

/// See the module's text.
pub(crate) struct Hooks {
    pub(super) stopper: Arc<Stopper>,
    #[cfg(unix)]
    pub(super) interrupts: Option<Interrupts>,
    pub(super) notifier: Notifier,
    pub(super) sender: Option<Sender>,
    pub(super) relay: Option<Relay>,
}

impl Hooks {
    /// Those that the options of a run ask for; it has its observers from here on.
    pub(crate) fn new(options: &mut RunOptions) -> Result<Self, Error> {
        let stopper = Arc::new(Stopper::default());
        options.stopper = Some(Arc::clone(&stopper));
        let (sender, relay) = Relay::start(mem::take(&mut options.observers), &stopper)?.unzip();
        let notifier = Notifier::new(relay.as_ref());
        #[cfg(unix)]
        let interrupts = options
            .handle_interrupt
            .then(|| interrupt::listen(&stopper, &notifier, options.leave.take()))
            .transpose()?;
        if let Some(stop) = &options.stop {
            stop.watch(&stopper);
        }
        Ok(Self {
            stopper,
            #[cfg(unix)]
            interrupts,
            notifier,
            sender,
            relay,
        })
    }
}
