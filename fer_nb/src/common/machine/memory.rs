//! Memory that is given back and asked for again at every training step.

/// Keeps freed memory in the process. glibc returns large blocks to the system at once, and a step
/// allocates the same blocks as the one before: the system then clears the same hundreds of megabytes
/// again and again, which was an eighth of a training step in bfloat16. What the process holds at its
/// peak does not change; it is held longer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_freed_memory() {
    const LARGEST: i32 = 1 << 30;
    const AHEAD: i32 = 64 << 20;
    // SAFETY: mallopt only stores numbers; what it refuses stays as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, AHEAD);
    }
}

/// Gives memory that was freed back to the system, after a peak that may not come again. It takes some
/// milliseconds.
#[cfg(feature = "serve")]
pub(crate) fn give_back_freed_memory() {
    // SAFETY: malloc_trim only looks at memory that is free.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What the process holds in memory, in bytes; `None` where the system doesn't say.
pub fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Other allocators keep what they need.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed_memory() {}
