//! [`fail_large_writes`]: a limit on file sizes, `ulimit -f`, as an error.

/// Makes a write beyond the limit on file sizes fail with an error that names the file, for the lifetime of the
/// process. Without this, the system ends the process with SIGXFSZ.
pub fn fail_large_writes() {
    // SAFETY: no handler is installed, so none can run at a wrong time.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}
