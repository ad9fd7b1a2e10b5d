//! Records the compiler's version for the crate, compiles its C++ files, and sets the path of libtorch in binaries.

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
    // RPATH rather than RUNPATH: an LD_LIBRARY_PATH with another libtorch in it comes after it.
    println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags");
    let kernels = kernels_fit();
    // Callers before callees: some linkers search each library once.
    compile_layers(&torch.join("include"), kernels);
    println!("cargo:rustc-check-cfg=cfg(fer_winograd)");
    if kernels {
        println!("cargo:rustc-cfg=fer_winograd");
        compile_kernels();
    }
}

/// Whether winograd.cpp supports the processor, and the compiler is GCC 10 or later.
fn kernels_fit() -> bool {
    let mut build = cc::Build::new();
    build.cpp(true);
    env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64")
        && build.get_compiler().is_like_gnu()
        && build.is_flag_supported("-mavx512bf16").unwrap_or(false)
}

/// Compiles winograd.cpp once for each number type, tile size and instruction set.
fn compile_kernels() {
    const SOURCE: &str = "src/model/native/winograd.cpp";
    // Only this instruction set, whatever CXXFLAGS contains.
    const AVX2: &[&str] = &["-mavx2", "-mfma", "-mno-avx512f"];
    const AVX512: &[&str] = &[
        "-mavx512f",
        "-mavx512bw",
        "-mavx512dq",
        "-mavx512vl",
        "-mfma",
        "-mprefer-vector-width=512",
    ];
    for file in [SOURCE, "src/model/native/winograd.h"] {
        println!("cargo:rerun-if-changed={file}");
    }
    for (kernels, number, tile, flags, more) in [
        ("float2_avx2", "Float", "2", AVX2, None),
        ("float4_avx2", "Float", "4", AVX2, None),
        ("float2_avx512", "Float", "2", AVX512, None),
        ("float4_avx512", "Float", "4", AVX512, None),
        ("bfloat16_avx512", "Bfloat16", "2", AVX512, Some("-mavx512bf16")),
    ] {
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .opt_level(3)
            .debug(false)
            .warnings(false)
            .flags(flags.iter().copied().chain(more))
            .define("KERNELS", kernels)
            .define("NUMBER", number)
            .define("TILE", tile)
            .file(SOURCE)
            .compile(&format!("fer_{kernels}"));
    }
}

/// The layers that libtorch can differentiate; as torch-sys compiles its own against the same headers,
/// whose warnings are not ours.
fn compile_layers(headers: &Path, kernels: bool) {
    const FOLDER: &str = "src/model/native";
    for file in ["layers.cpp", "convolution.cpp", "norm.cpp", "pool.cpp", "numbers.h", "shim.h"] {
        println!("cargo:rerun-if-changed={FOLDER}/{file}");
    }
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
        .file(Path::new(FOLDER).join("layers.cpp"));
    if kernels {
        build.define("FER_WINOGRAD", None);
    }
    // libtorch's threads are GNU OpenMP's, which clang does not speak: there it is one thread's work.
    if build.get_compiler().is_like_gnu() {
        build.flag("-fopenmp");
    }
    build.compile("fer_layers");
}
