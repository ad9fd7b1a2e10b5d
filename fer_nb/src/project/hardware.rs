//! The hardware in words, so that measured times of different machines can be distinguished.

use tch::Device;

use super::device::{device_name, threads};
use crate::common::machine::gpu_name;

/// Instruction sets that determine how fast a CPU trains, with Linux's names, the oldest first.
const INSTRUCTIONS: [(&str, &str); 4] = [
    ("avx2", "AVX2"),
    ("avx512f", "AVX-512"),
    ("avx512_bf16", "AVX-512 with bfloat16"),
    ("amx_bf16", "AMX with bfloat16"),
];

/// The hardware of a device: "AMD EPYC 7B13 (AVX2), 2 threads" or "NVIDIA H200".
pub fn hardware(device: Device) -> String {
    match device {
        Device::Cuda(index) => gpu_name(index).unwrap_or_else(|| device_name(device)),
        Device::Cpu => {
            let instructions = match instructions(&cpuinfo("flags")) {
                Some(name) => format!(" ({name})"),
                None => String::new(),
            };
            format!("{}{instructions}, {}", processor(), threads())
        }
        other => device_name(other),
    }
}

/// The processor's name as reported by Linux, or its architecture.
pub(super) fn processor() -> String {
    let name = cpuinfo("model name");
    if name.is_empty() { std::env::consts::ARCH.into() } else { name }
}

/// The newest of [`INSTRUCTIONS`] among a processor's flags.
fn instructions(flags: &str) -> Option<&'static str> {
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    INSTRUCTIONS.iter().rev().find(|(flag, _)| has(flag)).map(|(_, name)| *name)
}

/// The value of a key of the first core in /proc/cpuinfo; empty if it does not exist.
fn cpuinfo(key: &str) -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_string())
    });
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_told_by_its_name_and_instructions() {
        assert_eq!(instructions("fpu avx avx2 avx512f"), Some("AVX-512"));
        assert_eq!(instructions("amx_bf16 avx2"), Some("AMX with bfloat16"));
        assert_eq!(instructions("fpu avx"), None);
        let name = hardware(Device::Cpu);
        assert!(name.starts_with(&processor()) && name.contains(" thread"), "{name}");
    }
}
