// The method of each value by the squared error that its ranges leave on inputs they were not chosen by. It needs
// histograms only, no run of the network, and thousands of elements speak where there are few inputs.
#pragma once

#include <span>

#include "graph/quant/quantize.h"

namespace quadlane {

// Statistics to choose ranges by, and those of other inputs.
struct HeldOutStatistics {
  const Profile* seen = nullptr;
  const Profile* held_out = nullptr;
  std::shared_ptr<RangeMemory> memory;  // of `seen`
};

// For the values where another method than the policy's leaves clearly less error.
Result<std::map<std::string, RangeMethod>> methods_by_held_out_error(const std::vector<QuantValue>& values,
                                                                     const QuantPolicy&,
                                                                     std::span<const HeldOutStatistics>);

}  // namespace quadlane
