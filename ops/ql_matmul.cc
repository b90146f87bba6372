// ql.MatMul (QL_OPS.md): a product of integer matrices with the epilogue of ql.Conv.
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/matmul_core.h"
#include "ops/ql_attrs.h"

namespace quadlane {

namespace {

enum Input : size_t { kA, kB, kMult, kBias, kShift };

Result<std::vector<int32_t>> b_zeros(const OpContext& ctx, int64_t columns) {
  QL_TRY(std::vector<int64_t> listed, ints_attr(ctx.attrs(), "b_zero", {0}));
  if (listed.size() != 1 && static_cast<int64_t>(listed.size()) != columns)
    return invalid_model("b_zero has ", listed.size(), " entries, expected 1 or ", columns);
  const bool is_signed = ctx.type(kB).dtype == DType::s8;
  std::vector<int32_t> zeros;
  for (int64_t z : listed) {
    if (z < (is_signed ? -128 : 0) || z > (is_signed ? 127 : 255))
      return invalid_model("b_zero is ", z, ", outside ", to_string(ctx.type(kB).dtype));
    zeros.push_back(static_cast<int32_t>(z));
  }
  if (zeros.size() == 1) zeros.resize(static_cast<size_t>(columns), zeros[0]);
  return zeros;
}

Result<DType> result_type(const OpContext& ctx) {
  QL_TRY(std::string dtype, string_attr(ctx.attrs(), "dtype", "u8"));
  if (dtype != "u8" && dtype != "f32") return invalid_model("dtype is '", dtype, "', expected u8 or f32");
  return dtype == "u8" ? DType::u8 : DType::f32;
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, kA, DType::u8));
  QL_CHECK_OK(expect_dtype(ctx, kB, {DType::u8, DType::s8}));
  QL_CHECK_OK(expect_dtype(ctx, kBias, DType::s32));
  QL_CHECK_OK(expect_dtype(ctx, kMult, DType::f32));
  QL_CHECK_OK(expect_dtype(ctx, kShift, DType::f32));
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(kA), ctx.shape(kB)));
  QL_CHECK_OK(expect_shape(ctx, kBias, {s.b.back()}));
  QL_CHECK_OK(expect_one_or(ctx, kMult, s.b.back()));
  QL_CHECK_OK(expect_shape(ctx, kShift, {s.b.back()}));
  if (auto a_zero = u8_attr(ctx.attrs(), "a_zero", 0); !a_zero.ok()) return a_zero.error();
  if (auto zeros = b_zeros(ctx, s.b.back()); !zeros.ok()) return zeros.error();
  if (auto range = u8_range_attr(ctx.attrs()); !range.ok()) return range.error();
  QL_TRY(DType dtype, result_type(ctx));
  if (dtype == DType::u8 && ctx.has(kShift)) return invalid_model("input 4 (shift) is given for a u8 result");
  return std::vector<TensorType>{{dtype, s.y}};
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(kA), ctx.shape(kB)));
  const int64_t columns = s.b.back();
  QL_TRY(int32_t a_zero, u8_attr(ctx.attrs(), "a_zero", 0));
  QL_TRY(std::vector<int32_t> b_zero, b_zeros(ctx, columns));
  QL_TRY(U8Range range, u8_range_attr(ctx.attrs()));
  std::vector<float> a(static_cast<size_t>(ctx.type(kA).count())), b(static_cast<size_t>(ctx.type(kB).count()));
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(ctx.inputs[kA].as<uint8_t>()[i] - a_zero);
  for (size_t i = 0; i < b.size(); ++i)
    b[i] = static_cast<float>(element_as_int(ctx.inputs[kB], static_cast<int64_t>(i)) -
                              b_zero[i % static_cast<size_t>(columns)]);
  multiply_matrices(s, a.data(), b.data(), [&](int64_t at, double sum) {
    const int64_t j = at % columns;
    const int64_t bias = ctx.has(kBias) ? ctx.inputs[kBias].as<int32_t>()[j] : 0;
    const int32_t acc = static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(sum) + bias));
    const float v = conv_scaled(acc, entry<float>(ctx.inputs[kMult], j));
    if (out[0].type->dtype == DType::u8)
      out[0].as<uint8_t>()[at] = rq(v, range);
    else
      out[0].as<float>()[at] = ctx.has(kShift) ? v + ctx.inputs[kShift].as<float>()[j] : v;
  });
  return {};
}

}  // namespace

void append_ql_matmul_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ql.MatMul", 3, 5, 1, "a_zero b_zero dtype out_hi out_lo out_zero", infer, eval});
}

}  // namespace quadlane
