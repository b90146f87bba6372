#include "ops/dispatch.h"

namespace quadlane {

bool is_in(DType dtype, Types types) {
  switch (types) {
    case Types::floats: return is_float(dtype);
    case Types::integers: return is_integer(dtype);
    case Types::numbers: return dtype != DType::boolean;
    case Types::signed_numbers:
      return is_float(dtype) || dtype == DType::s8 || dtype == DType::s16 || dtype == DType::s32 || dtype == DType::s64;
    case Types::booleans: return dtype == DType::boolean;
    case Types::all: break;
  }
  return true;
}

const char* to_string(Types types) {
  switch (types) {
    case Types::floats: return "a float";
    case Types::integers: return "an integer";
    case Types::numbers: return "a number";
    case Types::signed_numbers: return "a signed number";
    case Types::booleans: return "a bool";
    case Types::all: break;
  }
  return "any";
}

Status expect_types(const OpContext& ctx, size_t i, Types types) {
  if (ctx.has(i) && !is_in(ctx.type(i).dtype, types))
    return unsupported("input ", i, " is ", to_string(ctx.type(i)), ", expected ", to_string(types), " element type");
  return {};
}

Status expect_same_dtype(const OpContext& ctx) {
  for (size_t i = 1; i < ctx.inputs.size(); ++i)
    if (ctx.has(i) && ctx.has(0) && ctx.type(i).dtype != ctx.type(0).dtype)
      return invalid_model("input ", i, " is ", to_string(ctx.type(i)), ", input 0 is ", to_string(ctx.type(0)),
                           ": element types differ");
  return {};
}

bool has_half(const OpContext& ctx) {
  for (size_t i = 0; i < ctx.inputs.size(); ++i)
    if (ctx.has(i) && ctx.type(i).dtype == DType::f16) return true;
  return false;
}

Status through_float(const OpContext& ctx, std::span<const MutView> outputs, EvalFn eval) {
  std::vector<Tensor> wide_in(ctx.inputs.size()), wide_out(outputs.size());
  std::vector<View> in(ctx.inputs.begin(), ctx.inputs.end());
  std::vector<MutView> out(outputs.begin(), outputs.end());
  for (size_t i = 0; i < in.size(); ++i) {
    if (!ctx.has(i) || ctx.type(i).dtype != DType::f16) continue;
    QL_TRY(wide_in[i], Tensor::allocate({DType::f32, ctx.shape(i)}));
    float* wide = wide_in[i].mutate<float>();
    for (Half half : in[i].span<Half>()) *wide++ = half_to_float(half);
    in[i] = wide_in[i].view();
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i].type->dtype != DType::f16) continue;
    QL_TRY(wide_out[i], Tensor::allocate({DType::f32, out[i].shape()}));
    out[i] = wide_out[i].mut_view();
  }
  QL_CHECK_OK(eval({ctx.node, in}, out));
  for (size_t i = 0; i < out.size(); ++i) {
    if (wide_out[i].empty()) continue;
    Half* narrow = outputs[i].as<Half>();
    for (float value : wide_out[i].span<float>()) *narrow++ = float_to_half(value);
  }
  return {};
}

}  // namespace quadlane
