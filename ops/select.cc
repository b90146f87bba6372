// TopK(x, k) -> values, indices along `axis`; NonZero(x) of a constant -> coordinates.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/reduce_layout.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer_top_k(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  Shape shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, -1, shape.size()));
  QL_TRY(bool largest, bool_attr(ctx.attrs(), "largest", true));
  QL_TRY(bool sorted, bool_attr(ctx.attrs(), "sorted", true));
  (void)largest, (void)sorted;
  QL_TRY(int64_t k, known_int(ctx, 1, "k"));
  if (k < 0 || k > shape[axis]) return invalid_model("k is ", k, ", axis ", axis, " has an extent of ", shape[axis]);
  shape[axis] = k;
  return std::vector<TensorType>{{ctx.type(0).dtype, shape}, {DType::s64, shape}};
}

// Whether element i is below element j; NaN counts as the largest.
using Less = bool (*)(const void* x, int64_t i, int64_t j);
template <class T>
bool less(const void* x, int64_t i, int64_t j) {
  const T a = static_cast<const T*>(x)[i], b = static_cast<const T*>(x)[j];
  return a < b || (b != b && a == a);
}

// First the larger (smaller) ones, of equal ones that with the lower index. Always sorted, which satisfies sorted = 0
// too.
Status eval_top_k(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, -1, shape.size()));
  const bool largest = ctx.attrs().int_or("largest", 1) != 0;
  const Less less_of = dispatch_number(ctx.type(0).dtype, []<class T>(T) -> Less { return less<T>; });
  const int64_t k = out[0].shape()[axis], outer = elements_between(shape, 0, axis), extent = shape[axis];
  const int64_t inner = elements_between(shape, axis + 1, shape.size());
  const size_t bytes = size_of(ctx.type(0).dtype);
  const auto* src = static_cast<const std::byte*>(ctx.inputs[0].data);
  std::vector<int64_t> order(static_cast<size_t>(extent));
  for (int64_t line = 0; line < outer * inner; ++line) {
    const int64_t base = line / inner * extent * inner + line % inner;
    auto before = [&](int64_t i, int64_t j) {
      const int64_t a = base + i * inner, b = base + j * inner;
      const bool below = less_of(src, a, b), above = less_of(src, b, a);
      return below || above ? (largest ? above : below) : i < j;
    };
    std::iota(order.begin(), order.end(), int64_t{0});
    std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
    for (int64_t i = 0; i < k; ++i) {
      const int64_t at = (line / inner * k + i) * inner + line % inner, from = order[static_cast<size_t>(i)];
      std::memcpy(static_cast<std::byte*>(out[0].data) + static_cast<size_t>(at) * bytes,
                  src + static_cast<size_t>(base + from * inner) * bytes, bytes);
      if (out.size() > 1) out[1].as<int64_t>()[at] = from;
    }
  }
  return {};
}

bool is_nonzero(const View& x, int64_t i) {
  return is_float(x.type->dtype) ? element_as_double(x, i) != 0 : element_as_int(x, i) != 0;
}

// How many there are is part of the output's type, so the input must be known.
Result<std::vector<TensorType>> infer_non_zero(const OpContext& ctx) {
  QL_CHECK_OK(expect_known(ctx, 0, "x"));
  int64_t found = 0;
  for (int64_t i = 0, n = ctx.type(0).count(); i < n; ++i) found += is_nonzero(ctx.inputs[0], i);
  return std::vector<TensorType>{{DType::s64, {static_cast<int64_t>(ctx.shape(0).size()), found}}};
}
Status eval_non_zero(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = ctx.shape(0);
  int64_t columns = out[0].shape()[1], column = 0;
  for (int64_t i = 0, n = ctx.type(0).count(); i < n && column < columns; ++i) {
    if (!is_nonzero(ctx.inputs[0], i)) continue;
    int64_t rest = i;
    for (size_t a = shape.size(); a-- > 0; rest /= shape[a])
      out[0].as<int64_t>()[static_cast<int64_t>(a) * columns + column] = rest % shape[a];
    ++column;
  }
  return {};
}

}  // namespace

void append_select_ops(std::vector<OpDef>& defs) {
  defs.push_back({"TopK", 2, 2, 2, "axis largest sorted", infer_top_k, with_half<eval_top_k>});
  defs.push_back({"NonZero", 1, 1, 1, "", infer_non_zero, eval_non_zero});
}

}  // namespace quadlane
