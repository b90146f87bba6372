// Normalizations by the statistics of planes, and the maximum of a map.
#pragma once

#include "engine/base/abi/elementwise.h"
#include "engine/base/abi/plane_sums.h"
#include "engine/run/row_steps.h"

namespace quadlane::run {

// y = act((x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c]), mean and biased variance over all pixels of the
// planes of a group, in every image. Threads split the groups, each of which one thread sums in a fixed order: results
// do not depend on their number.
class NormalizeStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;  // group by group
  Target dst;                       // the same planes
  int64_t group_planes = 1;
  std::vector<AffineChannel> affine;  // scale and bias of the planes
  double epsilon = 0;
  bool epsilon_outside = false;  // divide by sqrt(variance) + epsilon
  KernelFn sum, squares, apply;  // apply: a flat affine elementwise kernel
  int sum_lanes = 8;
  size_t lanes = 0;  // offset in the weights
  ElementwiseScalars scalars;
  static constexpr auto kFields = std::tuple{&NormalizeStep::src,
                                             &NormalizeStep::src_planes,
                                             &NormalizeStep::dst,
                                             &NormalizeStep::group_planes,
                                             &NormalizeStep::affine,
                                             &NormalizeStep::epsilon,
                                             &NormalizeStep::epsilon_outside,
                                             &NormalizeStep::sum,
                                             &NormalizeStep::squares,
                                             &NormalizeStep::apply,
                                             &NormalizeStep::sum_lanes,
                                             &NormalizeStep::lanes,
                                             &NormalizeStep::scalars};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  double total(const RunContext&, KernelFn, int64_t image, const int64_t* planes, float center) const noexcept;
  void apply_plane(const RunContext&, int64_t image, size_t plane, AffineChannel) const noexcept;
};

class GlobalMaxStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  Target dst;
  KernelFn maximum;
  int lanes = 8;
  static constexpr auto kFields = std::tuple{&GlobalMaxStep::src, &GlobalMaxStep::src_planes, &GlobalMaxStep::dst,
                                             &GlobalMaxStep::maximum, &GlobalMaxStep::lanes};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
