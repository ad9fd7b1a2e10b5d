//! [`Precision`]: the dtype in which training computes.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::common::machine::compute_capability;
use crate::common::named;

/// The dtype of a training step. The saved weights are always float32: bfloat16 uses a copy of them, which each
/// step refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bfloat16 if the processor or GPU trains faster with it, else float32.
    #[default]
    Auto,
    /// 24 bits of mantissa; in convolutions on a GPU 11 of them, because cuDNN computes in TF32.
    Float32,
    /// 8 bits of mantissa, and the range of float32: half the bytes, and two to sixteen times the arithmetic if the
    /// hardware supports it.
    Bfloat16,
}

named! {
    Precision: "precision",
    Auto => "auto",
    Float32 => "float32" | "f32",
    Bfloat16 => "bfloat16" | "bf16",
}

impl Precision {
    /// The tch kind for a device: [`Kind::Float`] or [`Kind::BFloat16`].
    pub fn kind(self, device: Device) -> Kind {
        match self {
            Precision::Float32 => Kind::Float,
            Precision::Bfloat16 => Kind::BFloat16,
            Precision::Auto if computes_in_bfloat16(device) => Kind::BFloat16,
            Precision::Auto => Kind::Float,
        }
    }

    /// The dtype on a device, in words for a report: "bfloat16 (auto)", or "bfloat16 (float32 is faster here)".
    pub fn report(self, device: Device) -> String {
        let name = match self.kind(device) {
            Kind::BFloat16 => Precision::Bfloat16,
            _ => Precision::Float32,
        };
        match self {
            Precision::Auto => format!("{name} (auto)"),
            Precision::Bfloat16 if !computes_in_bfloat16(device) => {
                format!("{name} (float32 is faster here)")
            }
            _ => name.to_string(),
        }
    }
}

/// Whether a device trains faster in bfloat16. libtorch can compute in it on every device, if necessary by
/// conversion.
fn computes_in_bfloat16(device: Device) -> bool {
    /// Ampere, the first generation of GPUs with bfloat16.
    const AMPERE: i32 = 8;
    match device {
        Device::Cpu => cpu_computes_in_bfloat16(),
        Device::Cuda(index) => compute_capability(index).is_some_and(|(major, _)| major >= AMPERE),
        _ => false,
    }
}

/// True with AMX, and on AMD processors with AVX-512's bfloat16 instructions. On Intel processors these are no
/// faster than float32, which needs fewer multiplications in Winograd's larger tiles (docs/repeatable.md has
/// numbers).
#[cfg(target_arch = "x86_64")]
fn cpu_computes_in_bfloat16() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// Leaf 7, register EDX: AMX-BF16.
    const AMX_BFLOAT16: u32 = 1 << 22;
    if !std::arch::is_x86_feature_detected!("avx512bf16") {
        return false;
    }
    let vendor = __cpuid(0);
    let is_amd =
        [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD";
    is_amd || (vendor.eax >= 7 && __cpuid_count(7, 0).edx & AMX_BFLOAT16 != 0)
}

#[cfg(target_arch = "aarch64")]
fn cpu_computes_in_bfloat16() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_computes_in_bfloat16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_unknown_ones_answered_with_the_list() {
        assert_eq!("bf16".parse::<Precision>().unwrap(), Precision::Bfloat16);
        assert_eq!("Float32".parse::<Precision>().unwrap(), Precision::Float32);
        let message = "half".parse::<Precision>().unwrap_err().to_string();
        assert_eq!(message, "precision = half: expected auto, float32 or bfloat16");
    }

    #[test]
    fn auto_says_what_it_chose() {
        let report = Precision::Auto.report(Device::Cpu);
        assert!(["float32 (auto)", "bfloat16 (auto)"].contains(&report.as_str()), "{report}");
        assert_eq!(Precision::Float32.report(Device::Cpu), "float32");
        let report = Precision::Bfloat16.report(Device::Cpu);
        assert_eq!(report.contains("float32 is faster"), !cpu_computes_in_bfloat16(), "{report}");
        assert_eq!(Precision::Bfloat16.kind(Device::Cpu), Kind::BFloat16);
    }
}
