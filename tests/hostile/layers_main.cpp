// The C++ layers of fer_nb at odd sizes, with as many threads as there are arguments for: layers.py compiles this with
// AddressSanitizer, which ends it at the first byte that is read or written outside of a tensor.
//
//     layers SECONDS SEED THREADS...
//     layers plant (read | write) (convolution | pool | norm) (float | bfloat16) SIDE
//
// Values are compared with libtorch's own functions, so that a size that the layers refuse is not taken for a success.
// What is planted is a tensor whose memory is too short, which has to be found: read from the caller's images, written
// to what the layer allocates.

#include "layers.cpp"

#include <ATen/ATen.h>

#include <c10/core/CPUAllocator.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

int64_t tried = 0, wrong = 0;
std::map<std::string, int64_t> taken; // of each layer: how often it did not leave the size to libtorch

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
  taken[name]++;
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

// Gives one byte less than is asked for.
struct Short final : c10::Allocator {
  at::DataPtr allocate(size_t bytes) override {
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, bytes > 1 ? bytes - 1 : 1)) {
      throw std::bad_alloc();
    }
    return {memory, memory, &std::free, at::kCPU};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

// Whether what a layer allocates is too short.
bool short_of_memory = false;

// Calls a layer.
template <class Call> char* called(Call call) {
  static Short too_short;
  if (short_of_memory) {
    c10::SetCPUAllocator(&too_short, 100);
  }
  return call();
}

// The layers, each on images of one size; true if they take it.

bool convolution(const at::Tensor& xs, int64_t outputs, bool biased) {
  const at::Tensor weight = images(outputs, xs.size(1), 3, 3, xs.scalar_type());
  const at::Tensor bias = biased ? at::randn({outputs}).to(xs.scalar_type()).set_requires_grad(true) : at::Tensor();
  at::Tensor* out = nullptr;
  char* error = called([&] { return fer_convolution(&xs, &weight, biased ? &bias : nullptr, &out); });
  const auto result = taken_over(error, out, "convolution");
  if (result) {
    compare("convolution", *result, at::conv2d(xs, weight, bias, 1, 1));
    backward(*result);
  }
  return result.has_value();
}

bool pool(const at::Tensor& xs, uint64_t seed, uint8_t threshold) {
  at::Tensor* out = nullptr;
  char* error = called([&] { return fer_pool(&xs, seed, threshold, &out); });
  const auto result = taken_over(error, out, "pool");
  if (result) {
    backward(*result);
  }
  return result.has_value();
}

bool norm(const at::Tensor& xs, bool pooled) {
  const int64_t channels = xs.size(1);
  const at::Tensor scale = at::rand({channels}).set_requires_grad(true), shift = at::randn({channels}).set_requires_grad(true);
  const at::Tensor mean = at::zeros({channels}), variance = at::ones({channels});
  at::Tensor* out = nullptr;
  char* error = called([&] { return fer_norm_relu(&xs, &scale, &shift, &mean, &variance, 0.1, 1e-5, pooled, &out); });
  const auto result = taken_over(error, out, "norm");
  if (result) {
    if (!pooled) {
      const at::Tensor plain = at::batch_norm(xs.detach().to(at::kFloat), scale.detach(), shift.detach(), mean.clone(), variance.clone(), true, 0.1, 1e-5, false);
      compare("norm", *result, at::relu(plain));
    }
    backward(*result);
  }
  return result.has_value();
}

// Calls a layer on memory that is too short. Ends by AddressSanitizer, or with 4 if the layer leaves the size to
// libtorch, or with 0: nothing was noticed.
int plant(const std::string& access, const std::string& layer, at::ScalarType kind, int64_t side) {
  at::set_num_threads(1);
  at::Tensor xs = images(33, 64, side, side, kind).detach();
  short_of_memory = access == "write";
  if (!short_of_memory) {
    void* memory = nullptr;
    const size_t bytes = xs.nbytes() - 1;
    if (posix_memalign(&memory, 64, bytes)) {
      return 5;
    }
    std::memcpy(memory, xs.data_ptr(), bytes);
    xs = at::from_blob(memory, xs.sizes(), xs.strides(), xs.options());
  }
  const bool takes = layer == "convolution" ? convolution(xs, 32, false) : layer == "pool" ? pool(xs, 26, 0) : norm(xs, false);
  return takes ? 0 : 4;
}

} // namespace

int main(int count, char** arguments) {
  if (count == 6 && std::string(arguments[1]) == "plant") {
    const auto kind = std::string(arguments[4]) == "float" ? at::kFloat : at::kBFloat16;
    return plant(arguments[2], arguments[3], kind, std::atoll(arguments[5]));
  }
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
    const auto of = [&](std::vector<int64_t> channels) { return images(batch, from(channels), height, width, kind); };
    switch (random() % 4) {
    case 0:
      if (random() % 4) {
        // Sizes that are worth the layer's while.
        const int64_t many = from({16, 33, 65}), rows = from({6, 8, 10, 12, 14}), columns = from({6, 8, 12, 14});
        convolution(images(many, from({32, 64, 96}), rows, columns, kind), from({32, 64, 96}), random() % 2);
      } else {
        convolution(of({1, 3, 31, 32, 33, 64, 96}), from({1, 7, 16, 32, 64, 96}), random() % 2);
      }
      break;
    case 1:
      pool(of({1, 2, 4, 7, 8, 24, 33, 64}), random(), random() % 3 ? 0 : 64);
      break;
    default:
      norm(of({1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 100}), random() % 2);
    }
  }
  int64_t all = 0;
  for (const char* layer : {"convolution", "pool", "norm"}) {
    std::printf("%s: %lld\n", layer, (long long)taken[layer]);
    all += taken[layer];
    wrong += taken[layer] == 0;
  }
  std::printf("%lld tried, %lld of them by the layers, %lld wrong\n", (long long)tried, (long long)all, (long long)wrong);
  return wrong > 0;
}
