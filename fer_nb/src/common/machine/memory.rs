//! Memory that every training step frees and allocates again.

/// Keeps freed memory in the process. glibc returns large blocks to the system at once, and a step allocates the
/// same blocks as the previous one: the system then clears the same hundreds of megabytes again and again, which
/// took an eighth of a training step in bfloat16. The peak memory of the process does not change; it is held
/// longer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_freed_memory() {
    const LARGEST: i32 = 1 << 30;
    const AHEAD: i32 = 64 << 20;
    // SAFETY: mallopt only stores numbers; rejected values change nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, AHEAD);
    }
}

/// Returns freed memory to the system, after a peak that may not recur. This takes some milliseconds.
#[cfg(feature = "serve")]
pub(crate) fn give_back_freed_memory() {
    // SAFETY: malloc_trim only accesses free memory.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The resident memory of the process, in bytes; `None` if the system does not report it.
pub fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Other allocators have no such call.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed_memory() {}
