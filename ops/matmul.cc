// MatMul on floats and on integers of 32 and 64 bits, Gemm on floats:
//
//   MatMul  y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j], leading axes broadcast, 1-d operands as numpy
//   does Gemm    y[i, j] = alpha * sum over k of a'[i, k] * b'[k, j] + beta * c[i, j], c broadcast to y
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/dispatch.h"
#include "ops/matmul_core.h"

namespace quadlane {

namespace {

Result<std::vector<TensorType>> infer_matmul(const OpContext& ctx) {
  if (is_integer(ctx.type(0).dtype))
    QL_CHECK_OK(expect_dtype(ctx, 0, {DType::s32, DType::u32, DType::s64, DType::u64}));
  else
    QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(0), ctx.shape(1)));
  return std::vector<TensorType>{{ctx.type(0).dtype, s.y}};
}

Status eval_matmul(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(0), ctx.shape(1)));
  auto run = [&]<class T>(T) -> Status {
    T* y = out[0].as<T>();
    multiply_matrices(s, ctx.inputs[0].as<T>(), ctx.inputs[1].as<T>(),
                      [&](int64_t at, SumOf<T> sum) { y[at] = static_cast<T>(sum); });
    return {};
  };
  const DType dtype = ctx.type(0).dtype;
  if (is_float(dtype)) return dispatch_float(dtype, run);
  return size_of(dtype) == 4 ? run(uint32_t{}) : run(uint64_t{});
}

struct GemmParams {
  float alpha = 1, beta = 1;
  bool trans_a = false, trans_b = false;
  int64_t m = 0, n = 0, k = 0;
};

Result<GemmParams> gemm_params(const OpContext& ctx) {
  GemmParams p;
  QL_TRY(p.alpha, float_attr(ctx.attrs(), "alpha", 1));
  QL_TRY(p.beta, float_attr(ctx.attrs(), "beta", 1));
  QL_TRY(p.trans_a, bool_attr(ctx.attrs(), "transA", false));
  QL_TRY(p.trans_b, bool_attr(ctx.attrs(), "transB", false));
  const Shape &a = ctx.shape(0), &b = ctx.shape(1);
  for (size_t i = 0; i < 2; ++i) QL_CHECK_OK(expect_rank(ctx, i, 2, 2));
  p.m = a[p.trans_a], p.k = a[!p.trans_a], p.n = b[!p.trans_b];
  if (b[p.trans_b] != p.k)
    return invalid_model("A ", to_string(a), " has depth ", p.k, ", B ", to_string(b), " has ", b[p.trans_b]);
  return p;
}

Result<std::vector<TensorType>> infer_gemm(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_same_dtype(ctx));
  QL_TRY(GemmParams p, gemm_params(ctx));
  Shape y = {p.m, p.n};
  if (ctx.has(2)) {
    const Shape& c = ctx.shape(2);
    bool fits = c.size() <= 2;
    for (size_t i = 0; fits && i < c.size(); ++i) fits = c[i] == 1 || c[i] == y[2 - c.size() + i];
    if (!fits) return invalid_model("C ", to_string(c), " does not broadcast to ", to_string(y));
  }
  return std::vector<TensorType>{{ctx.type(0).dtype, y}};
}

Status eval_gemm(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(GemmParams p, gemm_params(ctx));
  int64_t c_row = 0, c_col = 0;
  if (ctx.has(2)) {
    const Shape& c = ctx.shape(2);
    c_col = !c.empty() && c.back() != 1 ? 1 : 0;
    c_row = c.size() == 2 && c[0] != 1 ? c[1] : 0;
  }
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    const T* c = ctx.has(2) ? ctx.inputs[2].as<T>() : nullptr;
    T* y = out[0].as<T>();
    multiply(p.m, p.n, p.k, ctx.inputs[0].as<T>(), p.trans_a ? 1 : p.k, p.trans_a ? p.m : 1, ctx.inputs[1].as<T>(),
             p.trans_b ? 1 : p.n, p.trans_b ? p.k : 1, [&](int64_t i, int64_t j, double sum) {
               double value = double{p.alpha} * sum;
               if (c) value += double{p.beta} * double{c[i * c_row + j * c_col]};
               y[i * p.n + j] = static_cast<T>(value);
             });
    return {};
  });
}

}  // namespace

void append_matmul_ops(std::vector<OpDef>& defs) {
  defs.push_back({"MatMul", 2, 2, 1, "", infer_matmul, with_half<eval_matmul>});
  defs.push_back({"Gemm", 2, 3, 1, "alpha beta transA transB", infer_gemm, with_half<eval_gemm>});
}

}  // namespace quadlane
