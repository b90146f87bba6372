// Expand(data, shape): broadcasting to a shape. Tile(data, repeats).
#include "ops/broadcast.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

Result<TypeList> infer_expand(const OpContext& ctx) {
  QL_TRY(Shape target, known_ints(ctx, 1, "shape"));
  for (int64_t extent : target)
    if (extent < 0) return invalid_model("shape ", to_string(target), " has a negative extent");
  QL_TRY(Shape shape, broadcast_shape(ctx.shape(0), target));
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}
Status eval_expand(const OpContext& ctx, std::span<const MutView> out) {
  StridedView view = broadcast_view(ctx.shape(0), out[0].shape());
  copy_strided(ctx.inputs[0].data, view, out[0].data, ctx.type(0).dtype);
  return {};
}

Result<TypeList> infer_tile(const OpContext& ctx) {
  QL_TRY(auto repeats, known_ints(ctx, 1, "repeats"));
  Shape shape = ctx.shape(0);
  if (repeats.size() != shape.size())
    return invalid_model("there are ", repeats.size(), " repeats, the input has rank ", shape.size());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] < 0) return invalid_model("repeats ", to_string(repeats), " has a negative count");
    QL_TRY(shape[i], checked_product(shape[i], repeats[i]));
  }
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}
// Every axis twice: first the repeats, which stand still, then the elements.
Status eval_tile(const OpContext& ctx, std::span<const MutView> out) {
  const Shape& in = ctx.shape(0);
  if (elements(out[0].shape()) == 0) return {};
  std::vector<int64_t> strides = dense_strides(in);
  StridedView view;
  for (size_t i = 0; i < in.size(); ++i) {
    view.extents.insert(view.extents.end(), {out[0].shape()[i] / in[i], in[i]});
    view.strides.insert(view.strides.end(), {0, strides[i]});
  }
  copy_strided(ctx.inputs[0].data, view, out[0].data, ctx.type(0).dtype);
  return {};
}

}  // namespace

void append_repeat_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Expand", 2, 2, 1, "", infer_expand, eval_expand});
  defs.push_back({"Tile", 2, 2, 1, "", infer_tile, eval_tile});
}

}  // namespace quadlane
