// Elementwise operators between recognition and emission: what the kernel computes, before layouts are known.
#pragma once

#include "engine/compile/lowering.h"
#include "jit/kernels/elementwise.h"

namespace quadlane::compile {

struct Elementwise {
  ElementwiseOp op = ElementwiseOp::copy;
  Activation act = Activation::none;
  ElementwiseScalars scalars;
  // Per plane parameters, made when the planes' channels are known.
  std::function<std::vector<std::byte>(const PlanarValue&)> params;
  Second second = Second::planes;
  bool reversed = false;
  ScalarFacts facts;
  std::string note;  // why the operator exists, where it is no work of the network's
};

template <class T>
std::vector<std::byte> as_bytes(const std::vector<T>& values) {
  auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

// f32: functions of one value, and operators of a value and a constant for each channel (`operand`: which input is the
// value). Empty where the operator or its operands are something else.
std::optional<Elementwise> unary_f32(Lowering&, const Node&);
std::optional<Elementwise> with_constant_f32(Lowering&, const Node&, size_t& operand);
std::optional<ElementwiseOp> binary_f32(const std::string& op);
// A BatchNormalization as mult[c] * x + bias[c]; empty where a parameter is no constant.
struct BatchNormAffine {
  std::vector<float> mult, bias;
};
std::optional<BatchNormAffine> batch_norm_affine(const Graph&, const Node&);
// mult[c] * x + bias[c]
Elementwise affine_f32(std::vector<float> mult, std::vector<float> bias);

// u8.
std::optional<Elementwise> unary_u8(Lowering&, const Node&);
Elementwise binary_u8(const Node&);

// The function that alone reads a value, for the value's producer to apply; `output` is then the producer's to define.
struct Following {
  ValueId output;
  Activation act;
  ElementwiseScalars scalars;
};
std::optional<Following> following_activation(Lowering&, ValueId);

// Whether somebody who reads the value, perhaps behind elementwise operators, works on planes. Where no operand has
// planes either, dense tensors stay what they are.
bool planes_wanted(const Lowering&, ValueId);

// Second operand: fewer images, channels or pixels than the result are repeated.
struct SecondOperand {
  PlanarValue planes;  // one for each plane of the result
  bool one_pixel = false, one_image = false;
};
Emit emit_elementwise(Lowering&, run::StepInfo, Elementwise, bool flat, PlanarValue a, std::optional<SecondOperand> b,
                      PlanarValue out);

}  // namespace quadlane::compile
