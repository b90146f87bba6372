// MatMul and Gemm on f32, with sums in double:
//
//   MatMul  y[..., i, j] = sum over k of a[..., i, k] * b[..., k, j], leading axes broadcast, 1-d operands as numpy
//   does Gemm    y[i, j] = alpha * sum over k of a'[i, k] * b'[k, j] + beta * c[i, j], c broadcast to y
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/defs.h"

namespace quadlane {

namespace {

// c[i, j] = sum over k of a[i * a_row + k * a_col] * b[k * b_row + j * b_col], row by row; emit(j, sum) takes a row.
template <class Emit>
void multiply(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_row, int64_t a_col, const float* b,
              int64_t b_row, int64_t b_col, const Emit& emit) {
  std::vector<double> sums(static_cast<size_t>(n));
  for (int64_t i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0);
    for (int64_t l = 0; l < k; ++l) {
      double left = a[i * a_row + l * a_col];
      const float* right = b + l * b_row;
      for (int64_t j = 0; j < n; ++j) sums[static_cast<size_t>(j)] += left * double{right[j * b_col]};
    }
    for (int64_t j = 0; j < n; ++j) emit(i, j, sums[static_cast<size_t>(j)]);
  }
}

// The operands of a MatMul with 1-d ones made 2-d, and its output.
struct MatMulShape {
  Shape a, b, lead, y;  // lead: broadcast leading axes
};

Result<MatMulShape> matmul_shape(const Shape& a, const Shape& b) {
  if (a.empty() || b.empty()) return invalid_model("operands ", to_string(a), " and ", to_string(b), " need rank 1");
  MatMulShape s{a, b, {}, {}};
  if (a.size() == 1) s.a.insert(s.a.begin(), 1);
  if (b.size() == 1) s.b.push_back(1);
  size_t ra = s.a.size(), rb = s.b.size();
  if (s.a[ra - 1] != s.b[rb - 2])
    return invalid_model("the left operand ", to_string(a), " has ", s.a[ra - 1], " columns, the right one ",
                         to_string(b), " has ", s.b[rb - 2], " rows");
  for (size_t i = 0, rank = std::max(ra, rb); i + 2 < rank; ++i) {
    int64_t da = i + ra < rank ? 1 : s.a[i + ra - rank], db = i + rb < rank ? 1 : s.b[i + rb - rank];
    if (da != db && da != 1 && db != 1)
      return invalid_model("operands ", to_string(a), " and ", to_string(b), " do not broadcast");
    s.lead.push_back(da == 1 ? db : da);
  }
  s.y = s.lead;
  if (a.size() > 1) s.y.push_back(s.a[ra - 2]);
  if (b.size() > 1) s.y.push_back(s.b[rb - 1]);
  return s;
}

// Offset, in matrices, of the operand's matrix for entry `index` of the broadcast leading axes.
int64_t matrix_index(const Shape& operand, const Shape& lead, int64_t index) {
  int64_t offset = 0, step = 1;
  for (size_t i = 0; i < lead.size(); ++i) {
    int64_t extent = lead[lead.size() - 1 - i], at = index % extent;
    index /= extent;
    if (operand.size() < i + 3) continue;
    int64_t own = operand[operand.size() - 3 - i];
    if (own != 1) offset += at * step;
    step *= own;
  }
  return offset;
}

Result<std::vector<TensorType>> infer_matmul(const OpContext& ctx) {
  for (size_t i = 0; i < 2; ++i) QL_CHECK_OK(expect_dtype(ctx, i, DType::f32));
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(0), ctx.shape(1)));
  return std::vector<TensorType>{{DType::f32, s.y}};
}

Status eval_matmul(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(MatMulShape s, matmul_shape(ctx.shape(0), ctx.shape(1)));
  int64_t m = s.a[s.a.size() - 2], k = s.a.back(), n = s.b.back(), matrices = elements(s.lead);
  for (int64_t i = 0; i < matrices; ++i) {
    const float* a = ctx.inputs[0].as<float>() + matrix_index(s.a, s.lead, i) * m * k;
    const float* b = ctx.inputs[1].as<float>() + matrix_index(s.b, s.lead, i) * k * n;
    float* y = out[0].as<float>() + i * m * n;
    multiply(m, n, k, a, k, 1, b, n, 1,
             [&](int64_t row, int64_t col, double sum) { y[row * n + col] = static_cast<float>(sum); });
  }
  return {};
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
  for (size_t i = 0; i < 3; ++i) QL_CHECK_OK(expect_dtype(ctx, i, DType::f32));
  QL_TRY(GemmParams p, gemm_params(ctx));
  Shape y = {p.m, p.n};
  if (ctx.has(2)) {
    const Shape& c = ctx.shape(2);
    bool fits = c.size() <= 2;
    for (size_t i = 0; fits && i < c.size(); ++i) fits = c[i] == 1 || c[i] == y[2 - c.size() + i];
    if (!fits) return invalid_model("C ", to_string(c), " does not broadcast to ", to_string(y));
  }
  return std::vector<TensorType>{{DType::f32, y}};
}

Status eval_gemm(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(GemmParams p, gemm_params(ctx));
  int64_t c_row = 0, c_col = 0;
  if (ctx.has(2)) {
    const Shape& c = ctx.shape(2);
    c_col = !c.empty() && c.back() != 1 ? 1 : 0;
    c_row = c.size() == 2 && c[0] != 1 ? c[1] : 0;
  }
  const float* c = ctx.has(2) ? ctx.inputs[2].as<float>() : nullptr;
  float* y = out[0].as<float>();
  multiply(p.m, p.n, p.k, ctx.inputs[0].as<float>(), p.trans_a ? 1 : p.k, p.trans_a ? p.m : 1,
           ctx.inputs[1].as<float>(), p.trans_b ? 1 : p.n, p.trans_b ? p.k : 1, [&](int64_t i, int64_t j, double sum) {
             double value = double{p.alpha} * sum;
             if (c) value += double{p.beta} * double{c[i * c_row + j * c_col]};
             y[i * p.n + j] = static_cast<float>(value);
           });
  return {};
}

}  // namespace

void append_matmul_ops(std::vector<OpDef>& defs) {
  defs.push_back({"MatMul", 2, 2, 1, "", infer_matmul, eval_matmul});
  defs.push_back({"Gemm", 2, 3, 1, "alpha beta transA transB", infer_gemm, eval_gemm});
}

}  // namespace quadlane
