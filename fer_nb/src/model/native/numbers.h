// Shared by pool.cpp and norm.cpp: loops over float and bfloat16, compiled for several processors.

#pragma once

#include <cstdint>
#include <cstring>

// Compiled once for each of these instruction sets; the processor selects one when the program starts.
// AddressSanitizer is not yet initialised at that time.
#if !defined(__x86_64__) || !defined(__gnu_linux__) || defined(__clang__) || defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR
#elif __GNUC__ >= 12
#define FOR_EACH_PROCESSOR \
  __attribute__((noinline, target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR __attribute__((noinline, target_clones("avx2", "default")))
#endif
#define ALWAYS_INLINE inline __attribute__((always_inline))

namespace {

using Bfloat16 = uint16_t; // the upper half of a float

ALWAYS_INLINE float to_float(float x) { return x; }

ALWAYS_INLINE float to_float(Bfloat16 x) {
  const uint32_t bits = uint32_t(x) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

template <class T> T rounded(float x);

template <> ALWAYS_INLINE float rounded<float>(float x) { return x; }

// To the nearest, ties to even.
template <> ALWAYS_INLINE Bfloat16 rounded<Bfloat16>(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return x != x ? 0x7fc0 : nearest;
}

// The index of the maximum among a window's four numbers, in reading order; NOWHERE if no gradient flows back.
using Place = uint8_t;
constexpr Place NOWHERE = 4;

// The maximum of a window: the first of equal numbers, and the last NaN, as in libtorch.
struct Maximum {
  float value;
  Place place;
};

ALWAYS_INLINE Maximum maximum(float a, float b, float c, float d) {
  Maximum most{a, 0};
  const float others[] = {b, c, d};
  for (Place k = 0; k < 3; k++) {
    const bool more = others[k] > most.value || others[k] != others[k];
    most.value = more ? others[k] : most.value;
    most.place = more ? Place(k + 1) : most.place;
  }
  return most;
}

} // namespace
