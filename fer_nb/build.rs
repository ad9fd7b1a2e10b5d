//! Tells the crate which compiler built it, compiles its one C++ file, and tells binaries where libtorch is.

use std::env;
use std::path::{Path, PathBuf};
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
    let Some(torch) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        panic!("LIBTORCH is not set: `make setup` sets it up, and .cargo/config.toml names it");
    };
    let torch = std::path::absolute(&torch).unwrap_or(torch);
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", torch.join("lib").display());
    compile_pool(&torch.join("include"));
}

/// As torch-sys compiles its own against the same headers, whose warnings are not ours.
fn compile_pool(headers: &Path) {
    const SOURCE: &str = "src/model/pool.cpp";
    println!("cargo:rerun-if-changed={SOURCE}");
    println!(
        "cargo:rerun-if-changed={}",
        headers.join("torch/csrc/api/include/torch/version.h").display()
    );
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .debug(false)
        .warnings(false)
        .include(headers)
        .include(headers.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
        // Comparisons that may not raise a floating-point exception become vector instructions.
        .flag_if_supported("-fno-trapping-math")
        .file(SOURCE);
    // libtorch's threads are GNU OpenMP's, which clang does not speak: there it is one thread's work.
    if build.get_compiler().is_like_gnu() {
        build.flag("-fopenmp");
    }
    build.compile("fer_pool");
}
