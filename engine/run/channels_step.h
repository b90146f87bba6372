// Launch code of the channel kernels, and the way of their indices into dense tensors.
#pragma once

#include "engine/base/abi/channels.h"
#include "engine/run/row_steps.h"

namespace quadlane::run {

class ChannelsStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  Target dst;
  KernelFn kernel;
  size_t lanes = 0, channels = 0;  // offsets in the weights
  float factor = 1;
  static constexpr auto kFields =
      std::tuple{&ChannelsStep::src,   &ChannelsStep::src_planes, &ChannelsStep::dst,   &ChannelsStep::kernel,
                 &ChannelsStep::lanes, &ChannelsStep::channels,   &ChannelsStep::factor};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// A plane of s32 -> dense s64 [N,H,W].
class UnpackIndicesStep final : public Step {
 public:
  Geometry src;
  int64_t src_plane = 0;
  DenseAddress dst;
  static constexpr auto kFields =
      std::tuple{&UnpackIndicesStep::src, &UnpackIndicesStep::src_plane, &UnpackIndicesStep::dst};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
