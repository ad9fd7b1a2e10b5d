// Shared by the layers: the calls from shim.rs.

#pragma once

#include <ATen/TracerMode.h>
#include <ATen/core/Tensor.h>

#include <cstring>
#include <exception>
#include <optional>

namespace shim {

constexpr auto CHANNELS_LAST = at::MemoryFormat::ChannelsLast;

// Whether the tensor's numbers are in its memory, on a CPU, with the channels of each pixel side by side.
inline bool lies_channels_last(const at::Tensor& xs) {
  return xs.device().is_cpu() && xs.layout() == at::kStrided && xs.dim() == 4 && !xs.is_neg() &&
         xs.is_contiguous(CHANNELS_LAST);
}

// A trace must contain libtorch's functions.
inline bool is_traced() { return at::tracer::impl::is_dispatch_enabled(); }

// Writes the address of a copy of work()'s tensor to `out`, or null if it returns none. Returns null, or an error
// message, which the caller frees.
template <class Work>
char* answer(at::Tensor** out, Work work) noexcept {
  *out = nullptr;
  try {
    if (std::optional<at::Tensor> tensor = work()) {
      *out = new at::Tensor(*tensor);
    }
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an error that has no message");
  }
}

} // namespace shim
