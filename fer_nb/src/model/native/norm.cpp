// Batch normalisation by the batch's statistics with ReLU, and optionally with max pooling over 2x2.
//
// A forward pass reads the memory twice, for the statistics and for the normalisation, and a backward pass twice,
// for the sums and for the input's gradient. The backward pass recomputes from the input which numbers ReLU passes.
// norm.rs calls this, and libtorch's functions if `fits` returns false.

#include "numbers.h"
#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

// The normalisation of each channel: `factor` * x + `offset`.
struct Channels {
  int64_t count;
  const float *factor, *offset, *mean;
};

// The gradient's mean, and its mean product with (x - mean), divided by the variance.
struct GradientMeans {
  const float *plain, *product;
};

ALWAYS_INLINE float normalised(float x, Channels channels, int64_t i) {
  return channels.factor[i] * x + channels.offset[i];
}

// Keeps NaN.
ALWAYS_INLINE bool is_blocked(float x) { return x <= 0.0f; }

// Adds each channel's sum of (x - origin) and of its square to `sums`, [2, count].
template <class T>
FOR_EACH_PROCESSOR void add_moments(const T* xs, int64_t pixels, int64_t count, const float* origin,
                                    float* sums) {
  float* const squares = sums + count;
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4, xs += 4 * count) {
    const T *a = xs, *b = a + count, *c = b + count, *d = c + count;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      const float from = origin[i];
      const float w = to_float(a[i]) - from, x = to_float(b[i]) - from;
      const float y = to_float(c[i]) - from, z = to_float(d[i]) - from;
      sums[i] += (w + x) + (y + z);
      squares[i] += (w * w + x * x) + (y * y + z * z);
    }
  }
  for (; p < pixels; p++, xs += count) {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      const float x = to_float(xs[i]) - origin[i];
      sums[i] += x;
      squares[i] += x * x;
    }
  }
}

// Adds each channel's sum of the gradient that ReLU passes, and of its product with (x - mean), to `sums`.
template <class T>
FOR_EACH_PROCESSOR void add_gradient(const T* xs, const T* gradient, int64_t pixels, Channels channels,
                                     float* sums) {
  const int64_t count = channels.count;
  float* const products = sums + count;
  for (int64_t p = 0; p < pixels; p++, xs += count, gradient += count) {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      const float x = to_float(xs[i]);
      const float g = is_blocked(normalised(x, channels, i)) ? 0.0f : to_float(gradient[i]);
      sums[i] += g;
      products[i] += g * (x - channels.mean[i]);
    }
  }
}

template <class T>
FOR_EACH_PROCESSOR void normalise(const T* xs, int64_t pixels, Channels channels, T* out) {
  const int64_t count = channels.count;
  for (int64_t p = 0; p < pixels; p++, xs += count, out += count) {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      const float y = normalised(to_float(xs[i]), channels, i);
      out[i] = is_blocked(y) ? T(0) : rounded<T>(y);
    }
  }
}

ALWAYS_INLINE float input_gradient(float x, float gradient, Channels channels, GradientMeans means,
                                   int64_t i) {
  const float along = (x - channels.mean[i]) * means.product[i];
  return channels.factor[i] * (gradient - means.plain[i] - along);
}

// The backward pass of `normalise`.
template <class T>
FOR_EACH_PROCESSOR void unnormalise(const T* xs, const T* gradient, int64_t pixels, Channels channels,
                                    GradientMeans means, T* out) {
  const int64_t count = channels.count;
  for (int64_t p = 0; p < pixels; p++, xs += count, gradient += count, out += count) {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      const float x = to_float(xs[i]);
      const float g = is_blocked(normalised(x, channels, i)) ? 0.0f : to_float(gradient[i]);
      out[i] = rounded<T>(input_gradient(x, g, channels, means, i));
    }
  }
}

// Normalises two rows [2 * width, count] of numbers to one [width, count] of maxima. `kept` are the inputs of the
// maxima.
template <class T>
FOR_EACH_PROCESSOR void normalise_and_pool(const T* top, const T* bottom, int64_t width, Channels channels,
                                           T* out, T* kept, Place* places) {
  const int64_t count = channels.count;
  for (int64_t x = 0; x < width; x++) {
    const T *a = top, *b = a + count, *c = bottom, *d = c + count;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      // Without a branch, or the loop does not become vector instructions (tests/test_vector_loops.py).
      float most = 0.0f;
      T of_most = 0;
      int32_t place = 0;
      const auto take = [&](T number, int32_t here) __attribute__((always_inline)) {
        const float y = to_float(rounded<T>(normalised(to_float(number), channels, i)));
        const bool more = (here == 0) | (y > most) | (y != y);
        most = more ? y : most;
        of_most = more ? number : of_most;
        place = more ? here : place;
      };
      take(a[i], 0);
      take(b[i], 1);
      take(c[i], 2);
      take(d[i], 3);
      const bool none = is_blocked(most);
      const T rounded_most = rounded<T>(most);
      out[i] = none ? T(0) : rounded_most;
      kept[i] = of_most;
      places[i] = Place(none ? NOWHERE : place);
    }
    top += 2 * count, bottom += 2 * count;
    out += count, kept += count, places += count;
  }
}

// The backward pass of `normalise_and_pool`.
template <class T>
FOR_EACH_PROCESSOR void unnormalise_and_spread(const T* top, const T* bottom, const T* gradient,
                                               const Place* places, int64_t width, Channels channels,
                                               GradientMeans means, T* out_top, T* out_bottom) {
  const int64_t count = channels.count;
  for (int64_t x = 0; x < width; x++) {
    const T *a = top, *b = a + count, *c = bottom, *d = c + count;
    T *to_a = out_top, *to_b = to_a + count, *to_c = out_bottom, *to_d = to_c + count;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) {
      const float g = to_float(gradient[i]);
      const Place place = places[i];
      const auto back = [&](const T* from, Place here) __attribute__((always_inline)) {
        return rounded<T>(
            input_gradient(to_float(from[i]), place == here ? g : 0.0f, channels, means, i));
      };
      to_a[i] = back(a, 0);
      to_b[i] = back(b, 1);
      to_c[i] = back(c, 2);
      to_d[i] = back(d, 3);
    }
    top += 2 * count, bottom += 2 * count, out_top += 2 * count, out_bottom += 2 * count;
    gradient += count, places += count;
  }
}

// The numbers of one thread's block, and the pixels that are summed in float before they are summed in double. The
// rounding of sums depends on these two only, not on the number of threads.
constexpr int64_t TURN = 1 << 15;
constexpr int64_t BLOCK = 128;

int64_t turns_of(int64_t pixels, int64_t count) { return std::max<int64_t>(1, pixels * count / TURN); }

// The two sums of each channel over all pixels, [2, count]: add(first, pixels, sums) adds those of a block.
template <class Add>
std::vector<double> sums_of(int64_t pixels, int64_t count, Add add) {
  const int64_t turns = turns_of(pixels, count);
  std::vector<double> of_turns(turns * 2 * count);
  at::parallel_for(0, turns, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> of_block(2 * count);
    for (int64_t turn = begin; turn < end; turn++) {
      double* const sums = of_turns.data() + turn * 2 * count;
      const int64_t last = pixels * (turn + 1) / turns;
      for (int64_t first = pixels * turn / turns; first < last; first += BLOCK) {
        std::fill(of_block.begin(), of_block.end(), 0.0f);
        add(first, std::min(BLOCK, last - first), of_block.data());
        for (int64_t i = 0; i < 2 * count; i++) {
          sums[i] += of_block[i];
        }
      }
    }
  });
  for (int64_t turn = 1; turn < turns; turn++) {
    for (int64_t i = 0; i < 2 * count; i++) {
      of_turns[i] += of_turns[turn * 2 * count + i];
    }
  }
  of_turns.resize(2 * count);
  return of_turns;
}

// Calls work(first, count) for parts of `pixels`, each on a thread.
template <class Work>
void in_turns(int64_t pixels, int64_t count, Work work) {
  at::parallel_for(0, pixels, std::max<int64_t>(1, TURN / count),
                   [&](int64_t begin, int64_t end) { work(begin, end - begin); });
}

// The normalised memory: pixels, or rows of windows, each of which has two rows of pixels.
struct Size {
  int64_t batch, count, height, width;

  explicit Size(const at::Tensor& xs)
      : batch(xs.size(0)), count(xs.size(1)), height(xs.size(2)), width(xs.size(3)) {}

  int64_t pixels() const { return batch * height * width; }
  // For windows: their number, and the numbers of a row before and after the pooling.
  int64_t rows() const { return batch * height / 2; }
  int64_t before() const { return width * count; }
  int64_t after() const { return width / 2 * count; }
};

struct Settings {
  double momentum, epsilon;
  bool pooled;
};

// The values of each channel for a backward pass, [4, count].
enum Row { FACTOR, OFFSET, MEAN, DEVIATION, ROWS };

Channels channels_of(const at::Tensor& table) {
  const float* const rows = table.const_data_ptr<float>();
  const int64_t count = table.size(1);
  return {count, rows + FACTOR * count, rows + OFFSET * count, rows + MEAN * count};
}

// The table of this batch; also updates the running statistics.
template <class T>
at::Tensor statistics(const at::Tensor& xs, const at::Tensor& scale, const at::Tensor& shift,
                      at::Tensor& running_mean, at::Tensor& running_variance, Settings settings) {
  const Size size(xs);
  const int64_t pixels = size.pixels(), count = size.count;
  const T* const from = static_cast<const T*>(xs.const_data_ptr());
  // Sums relative to this origin lose no digits if the mean is far larger than the deviation.
  std::vector<float> origin(count);
  std::transform(from, from + count, origin.begin(), [](T x) { return to_float(x); });
  const std::vector<double> sums = sums_of(pixels, count, [&](int64_t first, int64_t n, float* of_block) {
    add_moments(from + first * count, n, count, origin.data(), of_block);
  });
  at::Tensor table = at::empty({ROWS, count}, scale.options());
  float* const rows = table.mutable_data_ptr<float>();
  float* const means = running_mean.mutable_data_ptr<float>();
  float* const variances = running_variance.mutable_data_ptr<float>();
  const auto move = [&](float& running, double to) {
    running = float((1.0 - settings.momentum) * running + settings.momentum * to);
  };
  for (int64_t i = 0; i < count; i++) {
    const double shifted = sums[i] / pixels, mean = origin[i] + shifted;
    // NaN stays NaN.
    const double squares = sums[count + i] - sums[i] * shifted, all = squares < 0.0 ? 0.0 : squares;
    const double deviation = std::sqrt(all / pixels + settings.epsilon);
    const double factor = scale.const_data_ptr<float>()[i] / deviation;
    rows[FACTOR * count + i] = float(factor);
    rows[OFFSET * count + i] = float(shift.const_data_ptr<float>()[i] - mean * factor);
    rows[MEAN * count + i] = float(mean);
    rows[DEVIATION * count + i] = float(deviation);
    move(means[i], mean);
    move(variances[i], all / (pixels - 1));
  }
  return table;
}

template <class T>
void forward_to(const at::Tensor& xs, const at::Tensor& table, at::Tensor& out) {
  const Size size(xs);
  const Channels channels = channels_of(table);
  const T* const from = static_cast<const T*>(xs.const_data_ptr());
  T* const to = static_cast<T*>(out.mutable_data_ptr());
  in_turns(size.pixels(), size.count, [&](int64_t first, int64_t pixels) {
    const int64_t at = first * size.count;
    normalise(from + at, pixels, channels, to + at);
  });
}

template <class T>
void forward_pooled_to(const at::Tensor& xs, const at::Tensor& table, at::Tensor& out, at::Tensor& kept,
                       at::Tensor& places) {
  const Size size(xs);
  const int64_t before = size.before(), after = size.after();
  const Channels channels = channels_of(table);
  const T* const from = static_cast<const T*>(xs.const_data_ptr());
  T* const to = static_cast<T*>(out.mutable_data_ptr());
  T* const kept_to = static_cast<T*>(kept.mutable_data_ptr());
  Place* const place = places.mutable_data_ptr<Place>();
  in_turns(size.rows(), 2 * before, [&](int64_t first, int64_t rows) {
    for (int64_t y = first; y < first + rows; y++) {
      const T* const top = from + 2 * y * before;
      const int64_t at = y * after;
      normalise_and_pool(top, top + before, size.width / 2, channels, to + at, kept_to + at, place + at);
    }
  });
}

struct Gradients {
  at::Tensor xs, scale, shift;
};

// `kept` are the numbers before ReLU: `xs`, or, if pooled, those of the maxima.
template <class T>
Gradients backward_to(const at::Tensor& xs, const at::Tensor& kept, const at::Tensor& places,
                      const at::Tensor& table, const at::Tensor& gradient) {
  const Size size(xs), size_after(kept);
  const int64_t count = size.count, pixels = size.pixels();
  const Channels channels = channels_of(table);
  const T* const from = static_cast<const T*>(xs.const_data_ptr());
  const T* const kept_from = static_cast<const T*>(kept.const_data_ptr());
  const T* const gradient_from = static_cast<const T*>(gradient.const_data_ptr());
  const std::vector<double> sums =
      sums_of(size_after.pixels(), count, [&](int64_t first, int64_t n, float* of_block) {
        const int64_t at = first * count;
        add_gradient(kept_from + at, gradient_from + at, n, channels, of_block);
      });
  Gradients out{at::empty(xs.sizes(), xs.options(), shim::CHANNELS_LAST), at::empty({count}, table.options()),
                at::empty({count}, table.options())};
  std::vector<float> plain(count), product(count);
  for (int64_t i = 0; i < count; i++) {
    const double deviation = table.const_data_ptr<float>()[DEVIATION * count + i];
    out.scale.mutable_data_ptr<float>()[i] = float(sums[count + i] / deviation);
    out.shift.mutable_data_ptr<float>()[i] = float(sums[i]);
    plain[i] = float(sums[i] / pixels);
    product[i] = float(sums[count + i] / pixels / (deviation * deviation));
  }
  const GradientMeans means{plain.data(), product.data()};
  T* const to = static_cast<T*>(out.xs.mutable_data_ptr());
  if (!places.defined()) {
    in_turns(pixels, count, [&](int64_t first, int64_t n) {
      const int64_t at = first * count;
      unnormalise(from + at, gradient_from + at, n, channels, means, to + at);
    });
    return out;
  }
  const int64_t before = size.before(), after = size.after();
  const Place* const place = places.const_data_ptr<Place>();
  in_turns(size.rows(), 2 * before, [&](int64_t first, int64_t rows) {
    for (int64_t y = first; y < first + rows; y++) {
      const int64_t top = 2 * y * before, bottom = top + before, at = y * after;
      unnormalise_and_spread(from + top, from + bottom, gradient_from + at, place + at, size.width / 2,
                             channels, means, to + top, to + bottom);
    }
  });
  return out;
}

// Whether these are one float for each channel, contiguous.
bool is_one_each(const at::Tensor& numbers, int64_t count) {
  return numbers.device().is_cpu() && numbers.layout() == at::kStrided && !numbers.is_neg() &&
         numbers.scalar_type() == at::kFloat && numbers.dim() == 1 && numbers.size(0) == count &&
         numbers.is_contiguous();
}

// Whether the memory layout is the one that the loops need.
bool fits(const at::Tensor& xs, std::initializer_list<const at::Tensor*> of_channels, bool pooled) {
  if (!shim::lies_channels_last(xs) || shim::is_traced() || xs.numel() == 0 ||
      (xs.scalar_type() != at::kFloat && xs.scalar_type() != at::kBFloat16)) {
    return false;
  }
  const Size size(xs);
  return size.pixels() > 1 && (!pooled || (size.height % 2 == 0 && size.width % 2 == 0)) &&
         std::all_of(of_channels.begin(), of_channels.end(),
                     [&](const at::Tensor* numbers) { return is_one_each(*numbers, size.count); });
}

struct NormRelu : torch::autograd::Function<NormRelu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& xs,
                            const at::Tensor& scale, const at::Tensor& shift, at::Tensor running_mean,
                            at::Tensor running_variance, Settings settings) {
    const bool is_float = xs.scalar_type() == at::kFloat;
    const Size size(xs);
    const int64_t parts = settings.pooled ? 2 : 1;
    const auto sizes = {size.batch, size.count, size.height / parts, size.width / parts};
    at::Tensor out = at::empty(sizes, xs.options(), shim::CHANNELS_LAST);
    const auto statistics_of = is_float ? statistics<float> : statistics<Bfloat16>;
    const at::Tensor table = statistics_of(xs, scale, shift, running_mean, running_variance, settings);
    if (!settings.pooled) {
      (is_float ? forward_to<float> : forward_to<Bfloat16>)(xs, table, out);
      context->save_for_backward({xs, table, at::Tensor(), at::Tensor()});
      return out;
    }
    at::Tensor kept = at::empty(sizes, xs.options(), shim::CHANNELS_LAST);
    at::Tensor places = at::empty(sizes, xs.options().dtype(at::kByte), shim::CHANNELS_LAST);
    (is_float ? forward_pooled_to<float> : forward_pooled_to<Bfloat16>)(xs, table, out, kept, places);
    context->save_for_backward({xs, table, kept, places});
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the normalisation of norm.cpp has no second derivative");
    const auto saved = context->get_saved_variables();
    const at::Tensor xs = saved[0], table = saved[1], places = saved[3];
    const at::Tensor kept = places.defined() ? saved[2] : xs;
    const at::Tensor gradient = gradients[0].contiguous(shim::CHANNELS_LAST);
    const auto back = xs.scalar_type() == at::kFloat ? backward_to<float> : backward_to<Bfloat16>;
    const Gradients out = back(xs, kept, places, table, gradient);
    return {out.xs, out.scale, out.shift, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

} // namespace

// None if libtorch's functions have to compute it.
extern "C" char* fer_norm_relu(const at::Tensor* xs, const at::Tensor* scale, const at::Tensor* shift,
                               const at::Tensor* running_mean, const at::Tensor* running_variance,
                               double momentum, double epsilon, bool pooled, at::Tensor** out) noexcept {
  return shim::answer(out, [&]() -> std::optional<at::Tensor> {
    if (!fits(*xs, {scale, shift, running_mean, running_variance}, pooled)) {
      return std::nullopt;
    }
    return NormRelu::apply(*xs, *scale, *shift, *running_mean, *running_variance,
                           Settings{momentum, epsilon, pooled});
  });
}
