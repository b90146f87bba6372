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
  };
  bool flat = true;
  Operand a, b;  // b without planes: unary
  Target dst;
  KernelFn kernel;
  size_t params = 0, lanes = 0;  // offsets in the weights
  ElementwiseScalars scalars;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
