// Methods that choose which part of what a value was seen to take on gets the 256 levels.
//
//   minmax      everything seen
//   average     the mean over the samples of each sample's extremes
//   percentile  all but a share of 1e-4 at either end
//   entropy     the range whose 256 levels describe the distribution with the least loss of information: the
//               Kullback-Leibler divergence of the levels' distribution from the clipped one
//               (Migacz, "8-bit inference with TensorRT", 2017)
//   mse         the range with the least mean squared error, rounding and clipping together
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <vector>

#include "graph/quant/parallel.h"
#include "graph/quant/profile.h"

namespace quadlane {

enum class RangeMethod : uint8_t { minmax, average, percentile, entropy, mse };
inline constexpr RangeMethod kRangeMethods[] = {RangeMethod::minmax, RangeMethod::average, RangeMethod::percentile,
                                                RangeMethod::entropy, RangeMethod::mse};
std::string_view to_string(RangeMethod);
std::optional<RangeMethod> range_method(std::string_view name);

struct Range {
  double low = 0, high = 0;
  bool operator==(const Range&) const = default;
};

// The range of each channel; `shared`: one range for all of them together, repeated. Never wider than what was seen.
// Fails when the method needs histograms and the profile was made without.
Result<std::vector<Range>> choose_ranges(const ValueProfile&, RangeMethod, bool shared,
                                         const ParallelFor& parallel = one_by_one);

// choose_ranges() for the values of one profile, each searched once: that takes far longer than quantizing with it.
class RangeMemory {
 public:
  Result<std::vector<Range>> choose(const std::string& value, const ValueProfile&, RangeMethod, bool shared,
                                    const ParallelFor& = one_by_one);

 private:
  std::map<std::tuple<std::string, RangeMethod, bool>, std::vector<Range>> known_;
};

// The mean squared error that 256 levels over this range would leave, by the histogram.
double expected_error(const Histogram&, const Range&);

// A range that reaches 0 as bytes of one scale and zero point.
struct ByteScale {
  float scale = 1;
  int32_t zero = 0;
  double low() const { return -double{scale} * zero; }
};
ByteScale byte_scale(const Range&);

}  // namespace quadlane
