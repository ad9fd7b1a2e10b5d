// 3x3 convolutions that libtorch can differentiate, with winograd.cpp's kernels. convolution.rs calls this, and
// libtorch's convolution if `fits` returns false.

#include "shim.h"
#include "winograd.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#ifdef FER_WINOGRAD
#include <cpuid.h>
#endif

namespace {

using winograd::Kernels;
using winograd::Shape;

using Bias = std::optional<at::Tensor>;

// The kernels of a number type with tiles of 4x4 and of 2x2; null if none is faster than libtorch's.
using ByTile = std::array<const Kernels*, 2>;

#ifdef FER_WINOGRAD
// Whether the processor has Intel's matrix extension for bfloat16, with which libtorch's convolution is faster.
bool has_amx_bfloat16() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
}

// Selected as libtorch selects its kernels, so that its ATEN_CPU_CAPABILITY applies to these as well.
ByTile choose(bool bfloat16) {
  const std::string capability = at::get_cpu_capability();
  if (bfloat16) {
    __builtin_cpu_init();
    const bool fits = capability == "AVX512" && __builtin_cpu_supports("avx512bf16") && !has_amx_bfloat16();
    // In bfloat16, tiles of 4x4 would lose too many of its eight bits.
    return {nullptr, fits ? &winograd::bfloat16_avx512 : nullptr};
  }
  return capability == "AVX512" ? ByTile{&winograd::float4_avx512, &winograd::float2_avx512}
         : capability == "AVX2" ? ByTile{&winograd::float4_avx2, &winograd::float2_avx2}
                                : ByTile{};
}
#else
ByTile choose(bool) { return {}; }
#endif

Shape shape_of(const at::Tensor& xs, const at::Tensor& weight) {
  return {xs.size(0), xs.size(2), xs.size(3), weight.size(1), weight.size(0)};
}

int64_t tile_rows(Shape shape, const Kernels& kernels) { return shape.batch * shape.height / kernels.tile; }

// Transforming the weights takes as long as some dozens of tiles.
constexpr int64_t FEWEST_TILES = 128;

// The bytes of a weights' gradient's sums beyond which adding a few tiles to them takes longer than the time saved:
// in tiles of 2x2 512 by 256 channels, in tiles of 4x4 256 by 224; and the limit for the sums of all parts
// together.
constexpr int64_t LARGEST_SUMS = 8 << 20;
constexpr int64_t LARGEST_SUMS_OF_ALL = 128 << 20;

int64_t bytes_of_sums(Shape shape, const Kernels& kernels) {
  return kernels.places * shape.outputs * shape.inputs * int64_t(sizeof(float));
}

// This processor's kernels with the largest tiles that divide both sides, of which the image has enough, and which
// `suits` accepts; null if there are none.
template <class Suits>
const Kernels* kernels_for(at::ScalarType kind, Shape shape, Suits suits) {
  static const ByTile of_float = choose(false), of_bfloat16 = choose(true);
  const ByTile by_tile = kind == at::kFloat ? of_float : kind == at::kBFloat16 ? of_bfloat16 : ByTile{};
  for (const Kernels* kernels : by_tile) {
    if (kernels && shape.height % kernels->tile == 0 && shape.width % kernels->tile == 0 &&
        tile_rows(shape, *kernels) * (shape.width / kernels->tile) >= FEWEST_TILES && suits(*kernels)) {
      return kernels;
    }
  }
  return nullptr;
}

// For a convolution.
const Kernels* kernels_for(at::ScalarType kind, Shape shape) {
  return kernels_for(kind, shape, [](const Kernels&) { return true; });
}

// For the gradient of its weights.
const Kernels* kernels_for_weights(at::ScalarType kind, Shape shape) {
  return kernels_for(kind, shape, [shape](const Kernels& kernels) {
    return bytes_of_sums(shape, kernels) <= LARGEST_SUMS;
  });
}

// Whether the memory layout is the one that the kernels need.
bool fits(const at::Tensor& xs, const at::Tensor& weight, const Bias& bias) {
  const auto kind = xs.scalar_type();
  if (!shim::lies_channels_last(xs) || !shim::lies_channels_last(weight) ||
      shim::is_traced() || weight.scalar_type() != kind || weight.size(1) != xs.size(1) ||
      weight.size(2) != 3 || weight.size(3) != 3) {
    return false;
  }
  if (bias && !(bias->device().is_cpu() && bias->layout() == at::kStrided && !bias->is_neg() &&
                bias->dim() == 1 && bias->scalar_type() == kind && bias->size(0) == weight.size(0))) {
    return false;
  }
  const Shape shape = shape_of(xs, weight);
  return shape.inputs > 0 && shape.inputs % winograd::CHANNELS == 0 && shape.outputs > 0 &&
         shape.outputs % winograd::CHANNELS == 0 && kernels_for(kind, shape);
}

// Calls work(part, first, last) with the parts of 0 to `count`, each on a thread.
template <class Work>
void in_parts(int64_t parts, int64_t count, Work work) {
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; part++) {
      work(part, count * part / parts, count * (part + 1) / parts);
    }
  });
}

// As many parts as threads, none smaller than `least`. The rounding of sums depends only on this: the same number
// of threads gives the same bits.
int64_t parts_of(int64_t count, int64_t least) {
  return std::clamp<int64_t>(count / least, 1, at::get_num_threads());
}

// The minimum of tile rows for a thread.
int64_t least_rows(Shape shape) { return std::max<int64_t>(1, 128 / shape.width); }

// The bytes of scratch memory of a part, and of all parts.
struct Scratch {
  int64_t bytes;
  at::Tensor memory;

  Scratch(const Kernels& kernels, Shape shape, int64_t parts)
      : bytes(kernels.scratch(shape)), memory(at::empty({parts * bytes}, at::kByte)) {}

  void* of(int64_t part) const { return memory.mutable_data_ptr<uint8_t>() + part * bytes; }
};

// [batch, outputs, height, width]; or, if `back`, the gradient of the input for a gradient of that shape.
at::Tensor convolve(const at::Tensor& xs, const at::Tensor& weight, const Bias& bias, bool back) {
  const Shape shape = shape_of(xs, weight);
  const Kernels& kernels = *kernels_for(xs.scalar_type(), shape);
  Shape way = shape;
  if (back) {
    std::swap(way.inputs, way.outputs);
  }
  // Permanent memory is allocated before temporary memory, so that no hole remains below it.
  at::Tensor ys =
      at::empty({way.batch, way.outputs, way.height, way.width}, xs.options(), shim::CHANNELS_LAST);
  at::Tensor packed = at::empty({kernels.places * shape.inputs * shape.outputs}, weight.options());
  constexpr int64_t GROUP = 16;
  const int64_t groups = shape.outputs / GROUP;
  in_parts(parts_of(groups, 1), groups, [&](int64_t, int64_t first, int64_t last) {
    kernels.pack(weight.const_data_ptr(), shape, back, first * GROUP, last * GROUP, packed.mutable_data_ptr());
  });
  const at::Tensor shift = bias ? bias->to(at::kFloat).contiguous() : at::Tensor();
  const int64_t rows = tile_rows(way, kernels);
  const int64_t parts = parts_of(rows, least_rows(way));
  const Scratch scratch(kernels, way, parts);
  in_parts(parts, rows, [&](int64_t part, int64_t first, int64_t last) {
    kernels.convolve(xs.const_data_ptr(), packed.const_data_ptr(),
                     shift.defined() ? shift.const_data_ptr<float>() : nullptr, ys.mutable_data_ptr(), way,
                     first, last, scratch.of(part));
  });
  return ys;
}

// The gradients of the weights and of the bias.
std::pair<at::Tensor, at::Tensor> weight_gradient(const at::Tensor& xs, const at::Tensor& weight,
                                                  const at::Tensor& gradient) {
  const Shape shape = shape_of(xs, weight);
  const Kernels* const found = kernels_for_weights(xs.scalar_type(), shape);
  if (!found) {
    auto all = at::convolution_backward(gradient, xs, weight, at::IntArrayRef{shape.outputs}, {1, 1}, {1, 1},
                                        {1, 1}, false, {0, 0}, 1, {false, true, true});
    return {std::get<1>(all), std::get<2>(all)};
  }
  const Kernels& kernels = *found;
  const int64_t rows = tile_rows(shape, kernels);
  const int64_t parts =
      std::min(parts_of(rows, 2 * least_rows(shape)), LARGEST_SUMS_OF_ALL / bytes_of_sums(shape, kernels));
  at::Tensor out = at::empty(weight.sizes(), weight.options(), shim::CHANNELS_LAST);
  const Scratch scratch(kernels, shape, parts);
  const auto floats = xs.options().dtype(at::kFloat);
  at::Tensor sums = at::empty({parts, kernels.places * shape.outputs * shape.inputs}, floats);
  at::Tensor bias_sums = at::empty({parts, shape.outputs}, floats);
  in_parts(parts, rows, [&](int64_t part, int64_t first, int64_t last) {
    float* of_part = sums.mutable_data_ptr<float>() + part * sums.size(1);
    float* of_bias = bias_sums.mutable_data_ptr<float>() + part * shape.outputs;
    std::fill_n(of_part, sums.size(1), 0.0f);
    std::fill_n(of_bias, shape.outputs, 0.0f);
    kernels.accumulate(xs.const_data_ptr(), gradient.const_data_ptr(), of_part, of_bias, shape, first, last,
                       scratch.of(part));
  });
  in_parts(parts_of(shape.outputs, 16), shape.outputs, [&](int64_t, int64_t first, int64_t last) {
    kernels.finish(sums.const_data_ptr<float>(), parts, shape, first, last, out.mutable_data_ptr());
  });
  return {out, bias_sums.sum(0).to(xs.scalar_type())};
}

struct Convolution : torch::autograd::Function<Convolution> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& xs,
                            const at::Tensor& weight, const Bias& bias) {
    context->save_for_backward({xs, weight});
    context->saved_data["biased"] = bias.has_value();
    return convolve(xs, weight, bias, false);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "the convolution of convolution.cpp has no second derivative");
    const auto saved = context->get_saved_variables();
    const at::Tensor xs = saved[0], weight = saved[1];
    const at::Tensor gradient = gradients[0].contiguous(shim::CHANNELS_LAST);
    torch::autograd::variable_list out(3);
    if (context->needs_input_grad(0)) {
      out[0] = convolve(gradient, weight, std::nullopt, true);
    }
    const bool bias_too = context->saved_data["biased"].toBool() && context->needs_input_grad(2);
    if (context->needs_input_grad(1) || bias_too) {
      auto [of_weight, of_bias] = weight_gradient(xs, weight, gradient);
      out[1] = of_weight;
      out[2] = bias_too ? of_bias : at::Tensor();
    }
    return out;
  }
};

} // namespace

// None if libtorch's function has to compute it. `bias` may be null.
extern "C" char* fer_convolution(const at::Tensor* xs, const at::Tensor* weight, const at::Tensor* bias,
                                 at::Tensor** out) noexcept {
  return shim::answer(out, [&]() -> std::optional<at::Tensor> {
    const Bias shift = bias && bias->defined() ? Bias(*bias) : std::nullopt;
    if (!fits(*xs, *weight, shift)) {
      return std::nullopt;
    }
    return Convolution::apply(*xs, *weight, shift);
  });
}
