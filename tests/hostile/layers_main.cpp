// The C++ layers of fer_nb at odd sizes, with as many threads as there are arguments for: layers.py compiles this with
// AddressSanitizer, which ends it at the first byte that is read or written outside of a tensor.
//
//     layers SECONDS SEED THREADS...
//
// Values are compared with libtorch's own functions, so that a size that the layers refuse is not taken for a success.

#include "layers.cpp"

#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace {

int64_t tried = 0, taken = 0, wrong = 0;

at::Tensor images(int64_t batch, int64_t channels, int64_t height, int64_t width, at::ScalarType kind) {
  at::Tensor xs = at::randn({batch, channels, height, width}).to(kind).contiguous(shim::CHANNELS_LAST);
  return xs.set_requires_grad(true);
}

// Takes over what a function of the layers gives; null if it leaves the size to libtorch.
std::optional<at::Tensor> taken_over(char* error, at::Tensor* out, const char* name) {
  tried++;
  if (error) {
    std::printf("%s: %s\n", name, error);
    std::free(error);
    wrong++;
  }
  if (!out) {
    return std::nullopt;
  }
  at::Tensor result = *out;
  delete out;
  taken++;
  return result;
}

void compare(const char* name, const at::Tensor& found, const at::Tensor& expected) {
  const auto found_float = found.detach().to(at::kFloat), expected_float = expected.detach().to(at::kFloat);
  const double scale = std::max(1.0, expected_float.abs().max().item<double>());
  const double error = (found_float - expected_float).abs().max().item<double>() / scale;
  if (!(error < (found.scalar_type() == at::kFloat ? 1e-3 : 0.05))) {
    std::printf("%s: %g off at %s\n", name, error, c10::str(found.sizes()).c_str());
    wrong++;
  }
}

void backward(const at::Tensor& result) {
  result.backward(at::randn_like(result).contiguous(shim::CHANNELS_LAST));
}

} // namespace

int main(int count, char** arguments) {
  const double seconds = count > 1 ? std::atof(arguments[1]) : 5;
  std::mt19937_64 random(count > 2 ? std::atoll(arguments[2]) : 26);
  std::vector<int> threads;
  for (int i = 3; i < count; i++) {
    threads.push_back(std::atoi(arguments[i]));
  }
  at::manual_seed(26);
  const auto from = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  const auto started = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  };
  while (elapsed() < seconds) {
    if (!threads.empty()) {
      at::set_num_threads(threads[random() % threads.size()]);
    }
    const auto kind = random() % 2 ? at::kFloat : at::kBFloat16;
    const int64_t batch = from({1, 2, 3, 5, 7, 16, 33});
    const int64_t height = from({1, 2, 3, 4, 6, 7, 8, 10, 12, 14, 24, 26}), width = from({1, 2, 3, 4, 6, 8, 12, 14, 22});
    at::Tensor* out = nullptr;
    switch (random() % 4) {
    case 0: {
      const int64_t inputs = from({1, 3, 31, 32, 33, 64, 96}), outputs = from({1, 7, 16, 32, 64, 96});
      const at::Tensor xs = images(batch, inputs, height, width, kind);
      const at::Tensor weight = images(outputs, inputs, 3, 3, kind);
      const at::Tensor bias = random() % 2 ? at::randn({outputs}).to(kind).set_requires_grad(true) : at::Tensor();
      char* error = fer_convolution(&xs, &weight, bias.defined() ? &bias : nullptr, &out);
      if (const auto result = taken_over(error, out, "convolution")) {
        compare("convolution", *result, at::conv2d(xs, weight, bias, 1, 1));
        backward(*result);
      }
      break;
    }
    case 1: {
      const at::Tensor xs = images(batch, from({1, 2, 4, 7, 8, 24, 33, 64}), height, width, kind);
      if (const auto result = taken_over(fer_pool(&xs, random(), random() % 3 ? 0 : 64, &out), out, "pool")) {
        backward(*result);
      }
      break;
    }
    default: {
      const int64_t channels = from({1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 100});
      const at::Tensor xs = images(batch, channels, height, width, kind);
      const at::Tensor scale = at::rand({channels}).set_requires_grad(true), shift = at::randn({channels}).set_requires_grad(true);
      const at::Tensor mean = at::zeros({channels}), variance = at::ones({channels});
      const bool pooled = random() % 2;
      char* error = fer_norm_relu(&xs, &scale, &shift, &mean, &variance, 0.1, 1e-5, pooled, &out);
      if (const auto result = taken_over(error, out, "norm")) {
        if (!pooled) {
          const at::Tensor plain = at::batch_norm(xs.detach().to(at::kFloat), scale.detach(), shift.detach(), mean.clone(), variance.clone(), true, 0.1, 1e-5, false);
          compare("norm", *result, at::relu(plain));
        }
        backward(*result);
      }
    }
    }
  }
  std::printf("%lld tried, %lld of them by the layers, %lld wrong\n", (long long)tried, (long long)taken, (long long)wrong);
  return wrong > 0 || taken == 0;
}
