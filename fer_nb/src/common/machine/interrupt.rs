//! [`Interrupt`]: Ctrl-C in a terminal, the Stop button in a notebook.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::file_size::fail_large_writes;
use super::lines::{for_kernel, notebook_is_live, print_line};
use crate::common::{Error, Result};

/// The number of SIGINTs since the first of the current listeners started. A signal handler can only access
/// statics. Each cell of a notebook has separate statics, but this is harmless: the listening cell registers its
/// handler, and restores the previous one.
static PRESSED: AtomicUsize = AtomicUsize::new(0);

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { count: 0, before: None });

struct Listeners {
    count: usize,
    /// The action for SIGINT before the first listener.
    before: Option<libc::sigaction>,
}

/// Listens for SIGINT during its lifetime, and restores the previous action afterwards. The first signal is only
/// recorded, so that a loop can end after the piece of work in flight and keep everything; a second one ends the
/// process at once. Several listeners may exist at a time.
#[derive(Debug)]
pub struct Interrupt {
    /// The number of SIGINTs before this listener started.
    before: usize,
}

impl Interrupt {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`Error::Io`] if the operating system denies it.
    pub fn listen() -> Result<Self> {
        // A listener has work that a signal must not end.
        fail_large_writes();
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.count == 0 {
            PRESSED.store(0, Ordering::Relaxed);
        }
        // Read before the handler is installed: a later signal must count.
        let before = PRESSED.load(Ordering::Relaxed);
        if listeners.count == 0 {
            let handled =
                install().map_err(|error| Error::io("listen for Ctrl-C in", ".", error))?;
            listeners.before = Some(handled);
            tell("listen");
        }
        listeners.count += 1;
        Ok(Self { before })
    }

    /// Whether the user asked to stop.
    pub fn requested(&self) -> bool {
        PRESSED.load(Ordering::Relaxed) > self.before
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.count -= 1;
        if listeners.count == 0
            && let Some(before) = listeners.before.take()
        {
            tell("unlisten");
            // SAFETY: `before` is a value of sigaction; the null pointer requests no return value.
            unsafe { libc::sigaction(libc::SIGINT, &before, std::ptr::null_mut()) };
        }
    }
}

/// Tells the notebook's kernel when it may pass on Stop as SIGINT: an earlier signal would be lost.
fn tell(action: &str) {
    if notebook_is_live() {
        print_line(&for_kernel(&serde_json::json!({ "action": action })));
    }
}

/// Installs [`note`] as the handler of SIGINT; returns the previous action.
fn install() -> std::io::Result<libc::sigaction> {
    // SAFETY: all zeros is a valid sigaction, and both pointers are to values of this function.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut before: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // Without this flag every interrupted read would have to be repeated.
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(libc::SIGINT, &action, &mut before) {
            0 => Ok(before),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// The handler; it may only do what is safe within a signal.
extern "C" fn note(_signal: libc::c_int) {
    const SECOND_CTRL_C: i32 = 130;
    if PRESSED.fetch_add(1, Ordering::Relaxed) > 0 {
        // SAFETY: _exit is safe within a signal handler.
        unsafe { libc::_exit(SECOND_CTRL_C) }
    }
}
