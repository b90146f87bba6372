// Det(x [..., M, M]): determinants by elimination with the largest pivot of each column, in double.
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/dispatch.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_rank(ctx, 0, 2, kMaxRank));
  Shape shape = ctx.shape(0);
  if (shape.back() != shape[shape.size() - 2])
    return invalid_model("input is ", to_string(shape), ", expected square matrices");
  shape.resize(shape.size() - 2);
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

double determinant(std::vector<double>& a, int64_t n) {
  auto at = [&](int64_t row, int64_t column) -> double& { return a[static_cast<size_t>(row * n + column)]; };
  double product = 1;
  for (int64_t c = 0; c < n; ++c) {
    int64_t pivot = c;
    for (int64_t r = c + 1; r < n; ++r)
      if (std::abs(at(r, c)) > std::abs(at(pivot, c))) pivot = r;
    if (at(pivot, c) == 0) return 0;
    if (pivot != c) product = -product;
    for (int64_t k = c; pivot != c && k < n; ++k) std::swap(at(pivot, k), at(c, k));
    product *= at(c, c);
    for (int64_t r = c + 1; r < n; ++r) {
      double factor = at(r, c) / at(c, c);
      for (int64_t k = c; k < n; ++k) at(r, k) -= factor * at(c, k);
    }
  }
  return product;
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  int64_t n = ctx.shape(0).back();
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    const T* x = ctx.inputs[0].as<T>();
    for (T& y : out[0].span<T>()) {
      std::vector<double> matrix(x, x + n * n);
      y = static_cast<T>(determinant(matrix, n));
      x += n * n;
    }
    return {};
  });
}

}  // namespace

void append_det_ops(std::vector<OpDef>& defs) { defs.push_back({"Det", 1, 1, 1, "", infer, with_half<eval>}); }

}  // namespace quadlane
