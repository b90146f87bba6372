// Channel kernels: functions of all channels of a pixel, which on planes are vertical: pixels are in the lanes, planes
// are a loop; arguments in engine/base/abi/channels.h.
#pragma once

#include "engine/base/abi/channels.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

enum class ChannelsOp : uint8_t {
  softmax,      // exp(x - max) / sum of exp(x - max)
  log_softmax,  // (x - max) - log(sum of exp(x - max))
  sum,          // one plane from here on
  sum_squares,
  sum_abs,
  norm,  // sqrt(sum of squares)
  max,
  min,
  argmax,  // the index, s32: of the lowest channel among equal ones
  argmin,
};
const char* to_string(ChannelsOp);

// argmax and argmin of u8 number planes in bytes. Channels ascend with planes and bytes.
inline constexpr size_t kMostIndexPlanes = 256;

struct ChannelsSpec {
  Isa isa = Isa::avx2;
  ChannelsOp op = ChannelsOp::softmax;
  bool f32 = true;    // u8 quads: argmax only
  bool last = false;  // argmax, argmin: the highest channel among equal ones
  auto operator<=>(const ChannelsSpec&) const = default;
};
std::string describe(const ChannelsSpec&);
Result<MachineCode> generate(const ChannelsSpec&, const GenerateOptions& = {});

}  // namespace quadlane
