//! [`Interrupt`]: Ctrl-C in a terminal, the Stop button in a notebook.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::SIGINT;

use crate::error::{Error, Result};

/// Listens for SIGINT as long as it lives. The first one is only noted, so that the loop can end
/// after the batch in flight with everything kept; a second one ends the process at once.
#[derive(Debug)]
pub struct Interrupt {
    flag: Arc<AtomicBool>,
    handlers: [SigId; 2],
}

impl Interrupt {
    /// Starts to listen. A handler is registered by the call that needs it, since every cell of a
    /// notebook has statics of its own.
    pub fn listen() -> Result<Self> {
        let failed = |error| Error::io("listen for Ctrl-C in", ".", error);
        let flag = Arc::new(AtomicBool::new(false));
        const SECOND_CTRL_C: i32 = 130;
        let handlers = [
            signal_hook::flag::register_conditional_shutdown(SIGINT, SECOND_CTRL_C, flag.clone())
                .map_err(failed)?,
            signal_hook::flag::register(SIGINT, flag.clone()).map_err(failed)?,
        ];
        Ok(Self { flag, handlers })
    }

    /// Whether the user asked to stop.
    pub fn requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for handler in self.handlers {
            signal_hook::low_level::unregister(handler);
        }
    }
}
