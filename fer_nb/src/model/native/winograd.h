// What winograd.cpp offers, for one kind of number, one size of tile and one instruction set. This header and
// that file include nothing that brings an inline function: compiled there for AVX-512, it could be the one that
// the linker keeps for every other file, and end the program on an older processor.

#pragma once

#include <cstdint>

namespace winograd {

// Of a convolution of 3x3, stride 1 and padding 1. Channels are multiples of CHANNELS, sides of the tile's. A
// "tile row" is as many rows of one image's output as a tile has; the batch has batch * height / tile of them.
struct Shape {
  int64_t batch, height, width, inputs, outputs;
};

constexpr int64_t CHANNELS = 32;

// Images lie channels last, [batch, height, width, channels]; weights [outputs, 3, 3, inputs].
struct Kernels {
  // Side of a tile, 2 or 4, and the multiplications that it takes of each channel: (tile + 2)^2.
  int64_t tile, places;

  // Transforms the weights of the outputs from `first` to before `last`, multiples of 16, for `convolve`.
  // `packed` has room for places * inputs * outputs numbers. Where `back`, for the way from the output's
  // gradient to the input's, which is a convolution of the outputs with the weights turned round.
  void (*pack)(const void* weight, Shape shape, bool back, int64_t first, int64_t last, void* packed);

  // Bytes of scratch memory for one thread's `convolve` or `accumulate`.
  int64_t (*scratch)(Shape shape);

  // Computes the tile rows from `first` to before `last`. `bias` is null or [outputs].
  void (*convolve)(const void* xs, const void* packed, const float* bias, void* ys, Shape shape,
                   int64_t first, int64_t last, void* scratch);

  // Adds those tile rows' share of the gradients: of the transformed weights to `sums`, [places,
  // outputs, inputs], and of the bias to `bias_sums`, [outputs].
  void (*accumulate)(const void* xs, const void* gradient, float* sums, float* bias_sums, Shape shape,
                     int64_t first, int64_t last, void* scratch);

  // The weights' gradient, of the outputs from `first` to before `last`, of `parts` such sums.
  void (*finish)(const float* sums, int64_t parts, Shape shape, int64_t first, int64_t last,
                 void* weight_gradient);
};

extern const Kernels float2_avx2, float4_avx2, float2_avx512, float4_avx512, bfloat16_avx512;

} // namespace winograd
