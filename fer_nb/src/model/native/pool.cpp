// Max pooling over 2x2, ReLU and dropout in one pass over the memory, and one pass back.
//
// libtorch needs six passes in each direction, keeps an eight-byte index for every maximum, and clears the whole
// gradient before it scatters into it: a tenth of a training step in bfloat16. The results are the same, including
// rounding; only a dropped number is always 0, even if it was infinite or NaN. pool.rs calls this, and uses
// libtorch's functions if `fits` returns false.

#include "numbers.h"
#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <vector>

namespace {

struct Dropout {
  uint64_t seed;
  uint8_t threshold; // a number is dropped where its random byte is below

  // The others are multiplied by this.
  float scale() const { return 256.0f / (256.0f - threshold); }
};

// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014) from output `first`
// on: eight random bytes at a time, the same as in dropout.rs.
FOR_EACH_PROCESSOR void draw(uint64_t seed, uint64_t first, int64_t count, uint64_t* random) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t z = seed + (first + i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    random[i] = z ^ (z >> 31);
  }
}

// One row of `width` windows, from two rows [2 * width, channels] of numbers to one [width, channels].
template <class T>
ALWAYS_INLINE void pool_row_of(const T* top, const T* bottom, int64_t width, int64_t channels,
                               const uint8_t* random, Dropout dropout, T* out, Place* places) {
  const float scale = dropout.scale();
  for (int64_t x = 0; x < width; x++) {
    const T *a = top, *b = a + channels, *c = bottom, *d = c + channels;
#pragma GCC ivdep
    for (int64_t i = 0; i < channels; i++) {
      const auto [most, place] = maximum(to_float(a[i]), to_float(b[i]), to_float(c[i]), to_float(d[i]));
      const bool none = most <= 0.0f || random[i] < dropout.threshold;
      out[i] = none ? T(0) : rounded<T>(most * scale);
      places[i] = none ? NOWHERE : place;
    }
    top += 2 * channels, bottom += 2 * channels;
    random += channels, out += channels, places += channels;
  }
}

FOR_EACH_PROCESSOR void pool_row(const float* top, const float* bottom, int64_t width,
                                 int64_t channels, const uint8_t* random, Dropout dropout,
                                 float* out, Place* places) {
  pool_row_of(top, bottom, width, channels, random, dropout, out, places);
}

FOR_EACH_PROCESSOR void pool_row(const Bfloat16* top, const Bfloat16* bottom, int64_t width,
                                 int64_t channels, const uint8_t* random, Dropout dropout,
                                 Bfloat16* out, Place* places) {
  pool_row_of(top, bottom, width, channels, random, dropout, out, places);
}

// The backward pass of pool_row.
template <class T>
ALWAYS_INLINE void spread_row_of(const T* gradient, const Place* places, int64_t width,
                                 int64_t channels, float scale, T* top, T* bottom) {
  for (int64_t x = 0; x < width; x++) {
    T *a = top, *b = a + channels, *c = bottom, *d = c + channels;
#pragma GCC ivdep
    for (int64_t i = 0; i < channels; i++) {
      const T value = rounded<T>(to_float(gradient[i]) * scale);
      const Place place = places[i];
      a[i] = place == 0 ? value : T(0);
      b[i] = place == 1 ? value : T(0);
      c[i] = place == 2 ? value : T(0);
      d[i] = place == 3 ? value : T(0);
    }
    top += 2 * channels, bottom += 2 * channels;
    gradient += channels, places += channels;
  }
}

FOR_EACH_PROCESSOR void spread_row(const float* gradient, const Place* places, int64_t width,
                                   int64_t channels, float scale, float* top, float* bottom) {
  spread_row_of(gradient, places, width, channels, scale, top, bottom);
}

FOR_EACH_PROCESSOR void spread_row(const Bfloat16* gradient, const Place* places, int64_t width,
                                   int64_t channels, float scale, Bfloat16* top,
                                   Bfloat16* bottom) {
  spread_row_of(gradient, places, width, channels, scale, top, bottom);
}

// The shape of a pooled tensor [B, channels, H, width], whose memory is B * H rows.
struct Rows {
  int64_t count, width, channels;

  explicit Rows(const at::Tensor& pooled)
      : count(pooled.size(0) * pooled.size(2)), width(pooled.size(3)), channels(pooled.size(1)) {}

  int64_t numbers() const { return width * channels; }
};

// The minimum of rows for a thread: waking it takes some microseconds.
constexpr int64_t GRAIN = 16;

template <class T>
void pool(const at::Tensor& xs, Dropout dropout, at::Tensor& out, at::Tensor& places) {
  const Rows rows(out);
  const int64_t n = rows.numbers();
  const T* from = static_cast<const T*>(xs.const_data_ptr());
  T* to = static_cast<T*>(out.mutable_data_ptr());
  Place* place = places.mutable_data_ptr<Place>();
  at::parallel_for(0, rows.count, GRAIN, [&](int64_t begin, int64_t end) {
    std::vector<uint64_t> random(n / 8);
    for (int64_t y = begin; y < end; y++) {
      if (dropout.threshold > 0) {
        draw(dropout.seed, y * (n / 8), n / 8, random.data());
      }
      const T* top = from + 4 * y * n;
      pool_row(top, top + 2 * n, rows.width, rows.channels,
               reinterpret_cast<const uint8_t*>(random.data()), dropout, to + y * n, place + y * n);
    }
  });
}

template <class T>
void spread(const at::Tensor& gradient, const at::Tensor& places, float scale, at::Tensor& out) {
  const Rows rows(gradient);
  const int64_t n = rows.numbers();
  const T* from = static_cast<const T*>(gradient.const_data_ptr());
  const Place* place = places.const_data_ptr<Place>();
  T* to = static_cast<T*>(out.mutable_data_ptr());
  at::parallel_for(0, rows.count, GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; y++) {
      T* top = to + 4 * y * n;
      spread_row(from + y * n, place + y * n, rows.width, rows.channels, scale, top, top + 2 * n);
    }
  });
}

// Whether the memory layout is the one that the loops need: rows start at a multiple of eight random bytes.
bool fits(const at::Tensor& xs) {
  return shim::lies_channels_last(xs) && !shim::is_traced() && xs.numel() > 0 &&
         (xs.scalar_type() == at::kFloat || xs.scalar_type() == at::kBFloat16) &&
         xs.size(2) % 2 == 0 && xs.size(3) % 2 == 0 && xs.size(1) * (xs.size(3) / 2) % 8 == 0;
}

struct Pool : torch::autograd::Function<Pool> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& xs,
                            Dropout dropout) {
    const auto size = {xs.size(0), xs.size(1), xs.size(2) / 2, xs.size(3) / 2};
    at::Tensor out = at::empty(size, xs.options(), shim::CHANNELS_LAST);
    at::Tensor places = at::empty(size, xs.options().dtype(at::kByte), shim::CHANNELS_LAST);
    if (xs.scalar_type() == at::kFloat) {
      pool<float>(xs, dropout, out, places);
    } else {
      pool<Bfloat16>(xs, dropout, out, places);
    }
    context->save_for_backward({places});
    context->saved_data["scale"] = double(dropout.scale());
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the pooling of pool.cpp has no second derivative");
    const at::Tensor places = context->get_saved_variables()[0];
    const float scale = float(context->saved_data["scale"].toDouble());
    const at::Tensor gradient = gradients[0].contiguous(shim::CHANNELS_LAST);
    const auto size = {gradient.size(0), gradient.size(1), gradient.size(2) * 2,
                       gradient.size(3) * 2};
    at::Tensor out = at::empty(size, gradient.options(), shim::CHANNELS_LAST);
    if (gradient.scalar_type() == at::kFloat) {
      spread<float>(gradient, places, scale, out);
    } else {
      spread<Bfloat16>(gradient, places, scale, out);
    }
    return {out, at::Tensor()};
  }
};

} // namespace

// None if libtorch's functions have to compute it.
extern "C" char* fer_pool(const at::Tensor* xs, uint64_t seed, uint8_t threshold,
                          at::Tensor** out) noexcept {
  return shim::answer(out, [&]() -> std::optional<at::Tensor> {
    if (!fits(*xs)) {
      return std::nullopt;
    }
    return Pool::apply(*xs, Dropout{seed, threshold});
  });
}
