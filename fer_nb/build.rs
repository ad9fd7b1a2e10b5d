//! Tells the crate which compiler built it, and binaries where libtorch is.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().ok();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
    println!("cargo:rustc-env=FER_RUSTC={}", version.unwrap_or_else(|| "unknown".into()));
    // Link arguments of a build script reach this package's own binaries, tests and examples, not
    // the cells of a notebook; the kernel's launcher sets LD_LIBRARY_PATH for those.
    if let Some(lib) = env::var_os("LIBTORCH").map(|folder| PathBuf::from(folder).join("lib")) {
        let lib = std::path::absolute(&lib).unwrap_or(lib);
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
