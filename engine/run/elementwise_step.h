// Launch code of the elementwise kernels, flat and row form, and of plane copies.
#pragma once

#include "engine/base/abi/elementwise.h"
#include "engine/run/row_steps.h"

namespace quadlane::run {

class ElementwiseStep final : public Step {
 public:
  struct Operand {
    Geometry geometry;
    std::vector<int64_t> planes;
    bool one_pixel = false;  // [N,C,1,1]
    bool one_image = false;  // the same for all images
    static constexpr auto kFields =
        std::tuple{&Operand::geometry, &Operand::planes, &Operand::one_pixel, &Operand::one_image};
  };
  bool flat = true;
  Operand a, b;  // b without planes: unary
  Target dst;
  KernelFn kernel;
  size_t params = 0, lanes = 0;  // offsets in the weights
  ElementwiseScalars scalars;
  static constexpr auto kFields = std::tuple{
      &ElementwiseStep::flat,   &ElementwiseStep::a,      &ElementwiseStep::b,     &ElementwiseStep::dst,
      &ElementwiseStep::kernel, &ElementwiseStep::params, &ElementwiseStep::lanes, &ElementwiseStep::scalars};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
