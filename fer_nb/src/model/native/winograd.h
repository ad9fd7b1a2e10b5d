// The functions of winograd.cpp, for one number type, one tile size and one instruction set. This header and
// winograd.cpp include nothing with inline functions: the linker could keep a version compiled for AVX-512 for
// every other file, and the program would crash on an older processor.

#pragma once

#include <cstdint>

namespace winograd {

// For a convolution of 3x3, stride 1 and padding 1. Channels are multiples of CHANNELS, sides are multiples of the
// tile's. A "tile row" is as many rows of one image's output as a tile has; the batch has batch * height / tile of
// them.
struct Shape {
  int64_t batch, height, width, inputs, outputs;
};

constexpr int64_t CHANNELS = 32;

// Images lie channels last, [batch, height, width, channels]; weights [outputs, 3, 3, inputs].
struct Kernels {
  // The side of a tile, 2 or 4, and its multiplications per channel: (tile + 2)^2.
  int64_t tile, places;

  // Transforms the weights of the outputs from `first` to before `last`, multiples of 16, for `convolve`. `packed`
  // has room for places * inputs * outputs numbers. If `back`, for the gradient from the output to the input, which
  // is a convolution of the outputs with the rotated weights.
  void (*pack)(const void* weight, Shape shape, bool back, int64_t first, int64_t last, void* packed);

  // Bytes of scratch memory for one thread's `convolve` or `accumulate`.
  int64_t (*scratch)(Shape shape);

  // Computes the tile rows from `first` to before `last`. `bias` is null or [outputs].
  void (*convolve)(const void* xs, const void* packed, const float* bias, void* ys, Shape shape,
                   int64_t first, int64_t last, void* scratch);

  // Adds the contribution of those tile rows to the gradients: of the transformed weights to `sums`, [places,
  // outputs, inputs], and of the bias to `bias_sums`, [outputs].
  void (*accumulate)(const void* xs, const void* gradient, float* sums, float* bias_sums, Shape shape,
                     int64_t first, int64_t last, void* scratch);

  // The weights' gradient of the outputs from `first` to before `last`, from `parts` such sums.
  void (*finish)(const float* sums, int64_t parts, Shape shape, int64_t first, int64_t last,
                 void* weight_gradient);
};

extern const Kernels float2_avx2, float4_avx2, float2_avx512, float4_avx512, bfloat16_avx512;

} // namespace winograd
