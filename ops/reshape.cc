// Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout (inference): the same elements under another shape.
#include <cstring>

#include "ops/attr.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

Status eval_copy(const OpContext& ctx, std::span<const MutView> out) {
  if (size_t bytes = out[0].type->bytes()) std::memcpy(out[0].data, ctx.inputs[0].data, bytes);
  return {};
}

Result<TypeList> infer_identity(const OpContext& ctx) { return TypeList{ctx.type(0)}; }

// Reshape(data, shape): 0 keeps the input's extent (unless allowzero), one -1 takes what is left.
Result<TypeList> infer_reshape(const OpContext& ctx) {
  QL_TRY(Shape shape, known_ints(ctx, 1, "shape"));
  QL_TRY(bool allow_zero, bool_attr(ctx.attrs(), "allowzero", false));
  const Shape& in = ctx.shape(0);
  if (shape.size() > kMaxRank) return unsupported("shape has ", shape.size(), " extents, the limit is ", kMaxRank);
  int64_t known = 1;
  size_t free = shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero) {
      if (i >= in.size()) return invalid_model("extent 0 at position ", i, " has no counterpart in ", to_string(in));
      shape[i] = in[i];
    }
    if (shape[i] == -1) {
      if (free < shape.size()) return invalid_model("shape ", to_string(shape), " has more than one -1");
      free = i;
      continue;
    }
    if (shape[i] < 0) return invalid_model("shape ", to_string(shape), " has a negative extent");
    QL_TRY(known, checked_product(known, shape[i]));
  }
  int64_t count = elements(in);
  if (free < shape.size()) {
    if (known == 0 || count % known != 0)
      return invalid_model("input ", to_string(in), " has ", count, " elements, which shape ", to_string(shape),
                           " does not divide");
    shape[free] = count / known;
  } else if (known != count) {
    return invalid_model("input ", to_string(in), " has ", count, " elements, shape ", to_string(shape), " has ",
                         known);
  }
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}

Result<TypeList> infer_flatten(const OpContext& ctx) {
  const Shape& in = ctx.shape(0);
  auto rank = static_cast<int64_t>(in.size());
  QL_TRY(int64_t axis, int_attr_in(ctx.attrs(), "axis", 1, -rank, rank));  // the rank itself is allowed here
  auto split = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return TypeList{{ctx.type(0).dtype, {elements_between(in, 0, split), elements_between(in, split, in.size())}}};
}

Result<TypeList> infer_squeeze(const OpContext& ctx) {
  const Shape& in = ctx.shape(0);
  std::vector<bool> drop(in.size());
  if (ctx.has(1)) {
    QL_TRY(auto given, known_ints(ctx, 1, "axes"));
    QL_TRY(auto axes, normalize_axes(given, in.size()));
    for (size_t axis : axes) {
      if (in[axis] != 1)
        return invalid_model("axis ", axis, " of ", to_string(in), " has extent ", in[axis], ", expected 1");
      drop[axis] = true;
    }
  } else {
    for (size_t i = 0; i < in.size(); ++i) drop[i] = in[i] == 1;
  }
  Shape shape;
  for (size_t i = 0; i < in.size(); ++i)
    if (!drop[i]) shape.push_back(in[i]);
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}

Result<TypeList> infer_unsqueeze(const OpContext& ctx) {
  QL_TRY(auto given, known_ints(ctx, 1, "axes"));
  const Shape& in = ctx.shape(0);
  size_t rank = in.size() + given.size();
  if (rank > kMaxRank) return unsupported("result has rank ", rank, ", the limit is ", kMaxRank);
  QL_TRY(auto axes, normalize_axes(given, rank));
  Shape shape(rank, 0);
  for (size_t axis : axes) shape[axis] = 1;
  auto next = in.begin();
  for (size_t i = 0; i < rank; ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) shape[i] = *next++;
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}

// Dropout(data, ratio?, training_mode?) -> data, mask of true.
Result<TypeList> infer_dropout(const OpContext& ctx) {
  if (ctx.has(2)) {
    if (!ctx.known(2)) return unsupported("training_mode input is not a constant");
    if (ctx.type(2).count() != 1)
      return invalid_model("training_mode has shape ", to_string(ctx.shape(2)), ", expected a scalar");
    if (element_as_int(ctx.inputs[2], 0)) return unsupported("training_mode is true, only inference is supported");
  }
  return TypeList{ctx.type(0), {DType::boolean, ctx.shape(0)}};
}
Status eval_dropout(const OpContext& ctx, std::span<const MutView> out) {
  if (out.size() > 1) std::fill_n(out[1].as<bool>(), out[1].type->count(), true);
  return eval_copy(ctx, out);
}

}  // namespace

void append_reshape_ops(std::vector<OpDef>& defs) {
  defs.insert(defs.end(), {
                              {"Identity", 1, 1, 1, "", infer_identity, eval_copy},
                              {"Reshape", 2, 2, 1, "allowzero", infer_reshape, eval_copy},
                              {"Flatten", 1, 1, 1, "axis", infer_flatten, eval_copy},
                              {"Squeeze", 1, 2, 1, "", infer_squeeze, eval_copy},
                              {"Unsqueeze", 2, 2, 1, "", infer_unsqueeze, eval_copy},
                              {"Dropout", 1, 3, 2, "seed", infer_dropout, eval_dropout},
                          });
}

}  // namespace quadlane
