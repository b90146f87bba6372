// Compress(x, condition) and Unique(x): the extent of their results depends on values, which must be known.
#include <numeric>

#include "engine/base/truth.h"
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

// The input as [outer, extent, inner] along `axis`, or flat as [1, all, 1] without one.
struct Slices {
  int64_t outer = 1, extent = 1, inner = 1;
};
Result<Slices> slices_of(const OpContext& ctx) {
  const Shape& shape = ctx.shape(0);
  if (!ctx.attrs().has("axis")) return Slices{1, elements(shape), 1};
  QL_TRY(size_t axis, axis_attr(ctx, 0, shape.size()));
  return Slices{elements_between(shape, 0, axis), shape[axis], elements_between(shape, axis + 1, shape.size())};
}

// The input's shape with `extent` instead of the axis', or flat.
Result<Shape> sliced_shape(const OpContext& ctx, int64_t extent) {
  if (!ctx.attrs().has("axis")) return Shape{extent};
  Shape shape = ctx.shape(0);
  QL_TRY(size_t axis, axis_attr(ctx, 0, shape.size()));
  shape[axis] = extent;
  return shape;
}

// y's slices are those of x at `from`, in order.
void copy_slices(const Slices& s, const std::vector<int64_t>& from, const View& x, const MutView& y) {
  dispatch_bits(x.type->dtype, [&]<class T>(T) {
    T* dst = y.as<T>();
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t slice : from) dst = std::copy_n(x.as<T>() + (o * s.extent + slice) * s.inner, s.inner, dst);
  });
}

// Where the condition holds; it may be shorter than the axis.
std::vector<int64_t> kept(const OpContext& ctx, const Slices& s) {
  std::vector<int64_t> slices;
  for (int64_t i = 0, n = std::min(s.extent, ctx.type(1).count()); i < n; ++i)
    if (ctx.inputs[1].as<Truth>()[i]) slices.push_back(i);
  return slices;
}
Result<TypeList> infer_compress(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 1, DType::boolean));
  QL_CHECK_OK(expect_rank(ctx, 1, 1, 1));
  QL_TRY(Slices s, slices_of(ctx));
  QL_CHECK_OK(expect_known(ctx, 1, "condition"));
  QL_TRY(Shape shape, sliced_shape(ctx, static_cast<int64_t>(kept(ctx, s).size())));
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}
Status eval_compress(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Slices s, slices_of(ctx));
  copy_slices(s, kept(ctx, s), ctx.inputs[0], out[0]);
  return {};
}

// Equal slices of an input in one group each.
struct Groups {
  std::vector<int64_t> first;  // of every group, the slice that came first
  std::vector<int64_t> group;  // of every slice
  std::vector<int64_t> count;
};
// -1, 0 or 1: slices a and b as words, NaN last.
using Compare = int (*)(const Slices& s, const void* x, int64_t a, int64_t b);
template <class T>
int compare(const Slices& s, const void* data, int64_t a, int64_t b) {
  const T* x = static_cast<const T*>(data);
  for (int64_t o = 0; o < s.outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i) {
      T p = x[(o * s.extent + a) * s.inner + i], q = x[(o * s.extent + b) * s.inner + i];
      if (p != q && (p == p || q == q)) return p < q || q != q ? -1 : 1;
    }
  return 0;
}
Groups grouped(const Slices& s, const void* x, Compare order_of, bool sorted) {
  auto compare = [&](int64_t a, int64_t b) { return order_of(s, x, a, b); };
  std::vector<int64_t> order(static_cast<size_t>(s.extent));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
  std::vector<int64_t> first, group(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || compare(order[i - 1], order[i]) != 0) first.push_back(order[i]);
    group[static_cast<size_t>(order[i])] = static_cast<int64_t>(first.size()) - 1;
  }
  std::vector<int64_t> rank(first.size());  // of the groups in the result
  std::iota(rank.begin(), rank.end(), int64_t{0});
  if (!sorted) {
    std::vector<int64_t> by_first = rank;
    std::sort(by_first.begin(), by_first.end(),
              [&](int64_t a, int64_t b) { return first[static_cast<size_t>(a)] < first[static_cast<size_t>(b)]; });
    for (size_t i = 0; i < by_first.size(); ++i) rank[static_cast<size_t>(by_first[i])] = static_cast<int64_t>(i);
  }
  Groups g{std::vector<int64_t>(first.size()), std::move(group), std::vector<int64_t>(first.size())};
  for (size_t i = 0; i < first.size(); ++i) g.first[static_cast<size_t>(rank[i])] = first[i];
  for (int64_t& id : g.group) {
    id = rank[static_cast<size_t>(id)];
    ++g.count[static_cast<size_t>(id)];
  }
  return g;
}
Result<Groups> groups_of(const OpContext& ctx) {
  QL_TRY(Slices s, slices_of(ctx));
  QL_TRY(bool sorted, bool_attr(ctx.attrs(), "sorted", true));
  const Compare order = dispatch_number(ctx.type(0).dtype, []<class T>(T) -> Compare { return compare<T>; });
  return grouped(s, ctx.inputs[0].data, order, sorted);
}
Result<TypeList> infer_unique(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::numbers));
  if (ctx.type(0).dtype == DType::f16)
    return unsupported("input 0 is ", to_string(ctx.type(0)), ", f16 is not compared");
  QL_TRY([[maybe_unused]] Slices s, slices_of(ctx));
  QL_CHECK_OK(expect_known(ctx, 0, "x"));
  QL_TRY(Groups groups, groups_of(ctx));
  auto found = static_cast<int64_t>(groups.first.size()), all = static_cast<int64_t>(groups.group.size());
  QL_TRY(Shape shape, sliced_shape(ctx, found));
  return TypeList{
      {ctx.type(0).dtype, std::move(shape)}, {DType::s64, {found}}, {DType::s64, {all}}, {DType::s64, {found}}};
}
Status eval_unique(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Slices s, slices_of(ctx));
  QL_TRY(Groups groups, groups_of(ctx));
  copy_slices(s, groups.first, ctx.inputs[0], out[0]);
  const std::vector<int64_t>* lists[] = {&groups.first, &groups.group, &groups.count};
  for (size_t i = 1; i < out.size(); ++i) std::copy(lists[i - 1]->begin(), lists[i - 1]->end(), out[i].as<int64_t>());
  return {};
}

}  // namespace

void append_pick_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Compress", 2, 2, 1, "axis", infer_compress, eval_compress});
  defs.push_back({"Unique", 1, 1, -1, "axis sorted", infer_unique, eval_unique});
}

}  // namespace quadlane
