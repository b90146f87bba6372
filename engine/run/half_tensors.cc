#include "engine/run/half_tensors.h"

namespace quadlane::run {

bool HalfTensors::fits(const TensorType& given, const TensorType& wanted) {
  return given == wanted || (given.dtype == DType::f16 && wanted.dtype == DType::f32 && given.shape == wanted.shape);
}

Result<float*> HalfTensors::floats(size_t i, const Shape& shape) {
  if (tensors_.size() <= i) tensors_.resize(i + 1);
  if (tensors_[i].empty()) {
    QL_TRY(tensors_[i], Tensor::allocate({DType::f32, shape}));
  }
  return tensors_[i].mutate<float>();
}

Result<const void*> HalfTensors::widened(size_t i, const View& given) {
  if (given.type->dtype != DType::f16) return given.data;
  QL_TRY(float* wide, floats(i, given.shape()));
  for (Half half : given.span<Half>()) *wide++ = half_to_float(half);
  return tensors_[i].data();
}

Result<void*> HalfTensors::room(size_t i, const MutView& given) {
  if (!given.type || given.type->dtype != DType::f16) return given.data;
  QL_TRY(float* wide, floats(i, given.shape()));
  return static_cast<void*>(wide);
}

void HalfTensors::narrow(size_t i, const MutView& given) const {
  if (!given.type || given.type->dtype != DType::f16) return;
  const float* wide = tensors_[i].as<float>();
  for (Half& half : given.span<Half>()) half = float_to_half(*wide++);
}

}  // namespace quadlane::run
