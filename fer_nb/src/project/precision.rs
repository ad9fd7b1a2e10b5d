//! [`Precision`]: the kind of number that training computes in.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::common::machine::compute_capability;
use crate::common::named;

/// What a training step computes in. Whatever it is, the weights that are kept are float32: bfloat16
/// works on a copy of them, which each step refreshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bfloat16 if the processor or GPU is faster in it, else float32.
    #[default]
    Auto,
    /// 24 bits of mantissa; in convolutions on a GPU 11 of them, since cuDNN computes in TF32 there.
    Float32,
    /// 8 bits of mantissa, float32's range: half the bytes, and two to sixteen times the arithmetic
    /// where the hardware has it.
    Bfloat16,
}

named! {
    Precision: "precision",
    Auto => "auto",
    Float32 => "float32" | "f32",
    Bfloat16 => "bfloat16" | "bf16",
}

impl Precision {
    /// The kind that this means on a device: [`Kind::Float`] or [`Kind::BFloat16`].
    pub fn kind(self, device: Device) -> Kind {
        match self {
            Precision::Float32 => Kind::Float,
            Precision::Bfloat16 => Kind::BFloat16,
            Precision::Auto if computes_in_bfloat16(device) => Kind::BFloat16,
            Precision::Auto => Kind::Float,
        }
    }

    /// What this means on a device, in words for a report: "bfloat16 (auto)", or "bfloat16 (float32 is
    /// faster here)".
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

/// Whether training is faster in bfloat16 there. libtorch computes in it everywhere, if need be by conversion.
fn computes_in_bfloat16(device: Device) -> bool {
    /// Ampere, the first generation of GPUs with it.
    const AMPERE: i32 = 8;
    match device {
        Device::Cpu => cpu_computes_in_bfloat16(),
        Device::Cuda(index) => compute_capability(index).is_some_and(|(major, _)| major >= AMPERE),
        _ => false,
    }
}

/// With AMX, and on AMD's processors with AVX-512's instructions for it. Intel's multiply no faster by those than in
/// float32, which needs fewer multiplications in larger tiles of Winograd's (docs/repeatable.md has figures).
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
