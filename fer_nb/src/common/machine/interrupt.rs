//! [`Interrupt`]: Ctrl-C in a terminal, the Stop button in a notebook.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::file_size::fail_large_writes;
use super::lines::{for_kernel, notebook_is_live, print_line};
use crate::common::{Error, Result};

/// How often SIGINT came since the first of the current listeners began. A signal handler reaches
/// nothing but a static. That each cell of a notebook has separate statics does no harm: the
/// cell that listens registers its own handler, and puts the one before it back.
static PRESSED: AtomicUsize = AtomicUsize::new(0);

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { count: 0, before: None });

struct Listeners {
    count: usize,
    /// What SIGINT did before the first of them.
    before: Option<libc::sigaction>,
}

/// Listens for SIGINT as long as it lives, and leaves the signal as it was before. The first one is
/// only noted, so that a loop can end after the piece of work in flight with everything kept; a
/// second one ends the process at once. Several may listen at a time.
#[derive(Debug)]
pub struct Interrupt {
    /// How often SIGINT had come when this one began to listen.
    before: usize,
}

impl Interrupt {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`Error::Io`] where the operating system refuses.
    pub fn listen() -> Result<Self> {
        // Who listens has work that should not end by a signal.
        fail_large_writes();
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        if listeners.count == 0 {
            PRESSED.store(0, Ordering::Relaxed);
        }
        // Read before the handler is there: a signal that comes a moment later must count.
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
            // SAFETY: `before` is what sigaction gave; the null pointer asks for nothing back.
            unsafe { libc::sigaction(libc::SIGINT, &before, std::ptr::null_mut()) };
        }
    }
}

/// Tells the notebook's kernel from when to when Stop may be passed on as SIGINT: one that came a
/// moment too early would be lost.
fn tell(action: &str) {
    if notebook_is_live() {
        print_line(&for_kernel(&serde_json::json!({ "action": action })));
    }
}

/// Lets [`note`] handle SIGINT; gives what handled it before.
fn install() -> std::io::Result<libc::sigaction> {
    // SAFETY: all zeros is a valid sigaction, and both pointers are to values of this function.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let mut before: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // Reading a file continues; without it every read would have to be tried twice.
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(libc::SIGINT, &action, &mut before) {
            0 => Ok(before),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

/// The handler; it may do only what is safe within a signal.
extern "C" fn note(_signal: libc::c_int) {
    const SECOND_CTRL_C: i32 = 130;
    if PRESSED.fetch_add(1, Ordering::Relaxed) > 0 {
        // SAFETY: _exit is safe within a signal handler.
        unsafe { libc::_exit(SECOND_CTRL_C) }
    }
}
