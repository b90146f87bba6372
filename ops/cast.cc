// Cast, CastLike between all element types; BitCast between those of one size. Integers wrap modulo 2^n; floats are
// truncated and saturated to integers (ONNX leaves what is out of range undefined), NaN becomes 0; f32 to f16 rounds
// half to even.
#include <cstring>

#include "engine/base/truth.h"
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/elementwise.h"
#include "ops/onnx_dtype.h"

namespace quadlane {
namespace {

struct OnnxNumber {
  DType dtype;
  int64_t number;
};
constexpr OnnxNumber kNumbers[] = {
    {DType::f32, 1}, {DType::u8, 2},      {DType::s8, 3},   {DType::u16, 4},  {DType::s16, 5},  {DType::s32, 6},
    {DType::s64, 7}, {DType::boolean, 9}, {DType::f16, 10}, {DType::f64, 11}, {DType::u32, 12}, {DType::u64, 13},
};

template <class From, class To>
void cast_elements(const From* src, To* dst, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<From, Half> && std::is_same_v<To, Half>)
      dst[i] = src[i];
    else if constexpr (std::is_same_v<From, Half>)
      dst[i] = convert<To>(half_to_float(src[i]));
    else if constexpr (std::is_same_v<To, Half>)
      dst[i] = float_to_half(static_cast<float>(src[i]));
    else
      dst[i] = convert<To>(src[i]);
  }
}

// `Boolean`: what a boolean is read or written as.
template <class Boolean, class F>
void dispatch_any(DType dtype, F f) {
  if (dtype == DType::boolean)
    f(Boolean{});
  else if (dtype == DType::f16)
    f(Half{});
  else
    dispatch_number(dtype, f);
}

Result<std::vector<TensorType>> infer_cast(const OpContext& ctx) {
  QL_TRY(DType to, dtype_attr(ctx.attrs(), "to"));
  return std::vector<TensorType>{{to, ctx.shape(0)}};
}
Result<std::vector<TensorType>> infer_cast_like(const OpContext& ctx) {
  return std::vector<TensorType>{{ctx.type(1).dtype, ctx.shape(0)}};
}
Status eval_cast(const OpContext& ctx, std::span<const MutView> out) {
  const View& x = ctx.inputs[0];
  dispatch_any<Truth>(x.type->dtype, [&]<class From>(From) {
    dispatch_any<bool>(out[0].type->dtype,
                       [&]<class To>(To) { cast_elements(x.as<From>(), out[0].as<To>(), x.type->count()); });
  });
  return {};
}

Result<std::vector<TensorType>> infer_bit_cast(const OpContext& ctx) {
  QL_TRY(DType to, dtype_attr(ctx.attrs(), "to"));
  if (size_of(to) != size_of(ctx.type(0).dtype))
    return invalid_model("the bits of ", to_string(ctx.type(0)), " are no ", to_string(to), ": ",
                         size_of(ctx.type(0).dtype), " and ", size_of(to), " bytes an element");
  return std::vector<TensorType>{{to, ctx.shape(0)}};
}
Status eval_bit_cast(const OpContext& ctx, std::span<const MutView> out) {
  const View& x = ctx.inputs[0];
  if (out[0].type->dtype == DType::boolean)  // which has no other bytes than 0 and 1
    cast_elements(x.as<Truth>(), out[0].as<bool>(), x.type->count());
  else if (x.type->count() > 0)
    std::memcpy(out[0].data, x.data, x.type->bytes());
  return {};
}

}  // namespace

Result<DType> dtype_attr(const Attrs& attrs, const std::string& name) {
  if (const auto* text = attrs.find<std::string>(name)) return parse_dtype(*text);
  const auto* number = attrs.find<int64_t>(name);
  if (!number) return invalid_model("attribute '", name, "' is ", attrs.has(name) ? "not an element type" : "absent");
  for (const OnnxNumber& entry : kNumbers)
    if (entry.number == *number) return entry.dtype;
  return unsupported("attribute '", name, "' is element type ", *number, ", which is not supported");
}

void append_cast_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Cast", 1, 1, 1, "to saturate", infer_cast, eval_cast});
  defs.push_back({"BitCast", 1, 1, 1, "to", infer_bit_cast, eval_bit_cast});
  defs.push_back({"CastLike", 2, 2, 1, "saturate", infer_cast_like, eval_cast});
}

}  // namespace quadlane
