// Callers of models that were written in 16-bit floats: such models run in f32, but their inputs and outputs may be
// given in either type. Room for the converted tensors is made when it is first needed.
#pragma once

#include "engine/base/tensor.h"

namespace quadlane::run {

class HalfTensors {
 public:
  // Whether `given` stands for `wanted`: equal, or f16 for f32.
  static bool fits(const TensorType& given, const TensorType& wanted);

  // The f32 tensor a step may read, or write, in the place of the caller's, which is tensor `i`.
  Result<const void*> widened(size_t i, const View& given);
  Result<void*> room(size_t i, const MutView& given);
  // The caller's tensor from what was written into its room.
  void narrow(size_t i, const MutView& given) const;

 private:
  Result<float*> floats(size_t i, const Shape& shape);
  std::vector<Tensor> tensors_;
};

}  // namespace quadlane::run
