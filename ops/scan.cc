// ArgMax, ArgMin, CumSum and CumProd along one axis, seen as [outer, extent, inner].
#include "ops/attr.h"
#include "ops/dispatch.h"
#include "ops/reduce_layout.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

struct Lines {
  int64_t outer, extent, inner;
};
Lines lines_of(const Shape& shape, size_t axis) {
  return {elements_between(shape, 0, axis), shape[axis], elements_between(shape, axis + 1, shape.size())};
}

Result<std::vector<TensorType>> infer_arg(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  Shape shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, 0, shape.size()));
  QL_TRY(bool keep, bool_attr(ctx.attrs(), "keepdims", true));
  QL_TRY(bool last, bool_attr(ctx.attrs(), "select_last_index", false));
  (void)last;
  if (shape[axis] == 0) return invalid_model("axis ", axis, " of ", to_string(shape), " is empty and has no extreme");
  if (keep)
    shape[axis] = 1;
  else
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return std::vector<TensorType>{{DType::s64, std::move(shape)}};
}

// Row by row of the inner elements, so that memory is read in order. The first NaN of a line wins, as in numpy.
template <class T, bool Max>
void arg_extreme(const Lines& lines, bool last, const T* src, int64_t* dst) {
  std::vector<T> best(static_cast<size_t>(lines.inner));
  for (int64_t o = 0; o < lines.outer; ++o, dst += lines.inner) {
    for (int64_t e = 0; e < lines.extent; ++e, src += lines.inner)
      for (int64_t i = 0; i < lines.inner; ++i) {
        T x = src[i], &most = best[static_cast<size_t>(i)];
        bool better = Max ? x > most : x < most;
        bool nan_first = x != x && most == most;
        if (e > 0 && !better && !nan_first && !(last && x == most)) continue;
        most = x;
        dst[i] = e;
      }
  }
}
template <bool Max>
Status eval_arg(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(size_t axis, axis_attr(ctx, 0, ctx.shape(0).size()));
  bool last = ctx.attrs().int_or("select_last_index", 0) != 0;
  return dispatch_number(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    arg_extreme<T, Max>(lines_of(ctx.shape(0), axis), last, ctx.inputs[0].as<T>(), out[0].as<int64_t>());
    return {};
  });
}

// CumSum, CumProd(x, axis): y[e] = sum or product of x[0..e], without x[e] when exclusive, from the end when reverse.
Result<std::vector<TensorType>> infer_cumulative(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  QL_TRY(bool exclusive, bool_attr(ctx.attrs(), "exclusive", false));
  QL_TRY(bool reverse, bool_attr(ctx.attrs(), "reverse", false));
  (void)exclusive, (void)reverse;
  if (!is_integer(ctx.type(1).dtype) || ctx.type(1).count() != 1)
    return invalid_model("axis input is ", to_string(ctx.type(1)), ", expected an integer scalar");
  return std::vector<TensorType>{ctx.type(0)};
}
template <class T, bool Product>
void cumulate(const Lines& lines, bool exclusive, bool reverse, const T* src, T* dst) {
  for (int64_t o = 0; o < lines.outer; ++o)
    for (int64_t i = 0; i < lines.inner; ++i) {
      T total = Product;
      for (int64_t e = 0; e < lines.extent; ++e) {
        int64_t at = (o * lines.extent + (reverse ? lines.extent - 1 - e : e)) * lines.inner + i;
        T next = Product ? static_cast<T>(total * src[at]) : static_cast<T>(total + src[at]);
        dst[at] = exclusive ? total : next;
        total = next;
      }
    }
}
template <bool Product>
Status eval_cumulative(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& shape = ctx.shape(0);
  QL_TRY(int64_t axis, normalize_axis(element_as_int(ctx.inputs[1], 0), static_cast<int64_t>(shape.size())));
  bool exclusive = ctx.attrs().int_or("exclusive", 0) != 0, reverse = ctx.attrs().int_or("reverse", 0) != 0;
  return dispatch_modular(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    cumulate<T, Product>(lines_of(shape, static_cast<size_t>(axis)), exclusive, reverse, ctx.inputs[0].as<T>(),
                         out[0].as<T>());
    return {};
  });
}

}  // namespace

void append_scan_ops(std::vector<OpDef>& defs) {
  constexpr std::string_view kArgAttributes = "axis keepdims select_last_index";
  defs.push_back({"ArgMax", 1, 1, 1, kArgAttributes, infer_arg, with_half<eval_arg<true>>});
  defs.push_back({"ArgMin", 1, 1, 1, kArgAttributes, infer_arg, with_half<eval_arg<false>>});
  defs.push_back({"CumSum", 2, 2, 1, "exclusive reverse", infer_cumulative, with_half<eval_cumulative<false>>});
  defs.push_back({"CumProd", 2, 2, 1, "exclusive reverse", infer_cumulative, with_half<eval_cumulative<true>>});
}

}  // namespace quadlane
