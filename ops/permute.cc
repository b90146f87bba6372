// Transpose, DepthToSpace, SpaceToDepth: dense copies of permuted strides.
#include <numeric>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/shape_inputs.h"
#include "ops/shape_ops.h"
#include "ops/strided.h"

namespace quadlane {
namespace {

using TypeList = std::vector<TensorType>;

Result<std::vector<size_t>> permutation(const OpContext& ctx) {
  size_t rank = ctx.shape(0).size();
  std::vector<int64_t> reversed(rank);
  for (size_t i = 0; i < rank; ++i) reversed[i] = static_cast<int64_t>(rank - 1 - i);
  QL_TRY(auto perm, ints_attr(ctx.attrs(), "perm", reversed));
  if (perm.size() != rank)
    return invalid_model("attribute 'perm' has ", perm.size(), " entries, the input has rank ", rank);
  return normalize_axes(perm, rank);
}

Result<TypeList> infer_transpose(const OpContext& ctx) {
  QL_TRY(auto perm, permutation(ctx));
  Shape shape;
  for (size_t axis : perm) shape.push_back(ctx.shape(0)[axis]);
  return TypeList{{ctx.type(0).dtype, std::move(shape)}};
}

// Copies axes `perm` of the input, seen under the shape `split` of the same elements.
void permute(const View& x, const Shape& split, const std::vector<size_t>& perm, const MutView& out) {
  std::vector<int64_t> strides = dense_strides(split);
  StridedView view;
  for (size_t axis : perm) {
    view.extents.push_back(split[axis]);
    view.strides.push_back(strides[axis]);
  }
  copy_strided(x.data, view, out.data, x.type->dtype);
}

Status eval_transpose(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(auto perm, permutation(ctx));
  permute(ctx.inputs[0], ctx.shape(0), perm, out[0]);
  return {};
}

Result<int64_t> block_size(const OpContext& ctx) {
  if (!ctx.attrs().has("blocksize")) return invalid_model("attribute 'blocksize' is absent");
  return int_attr_in(ctx.attrs(), "blocksize", 1, 1, 1 << 15);
}

// [N, b*b*C, H, W] -> [N, C, b*H, b*W]; DCR has the block's offsets outside the channel, CRD inside.
Result<TypeList> infer_depth_to_space(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  QL_TRY(int64_t b, block_size(ctx));
  auto mode = string_attr(ctx.attrs(), "mode", "DCR");
  if (!mode.ok()) return std::move(mode).error();
  if (*mode != "DCR" && *mode != "CRD")
    return unsupported("attribute 'mode' is '", *mode, "', expected 'DCR' or 'CRD'");
  const Shape& in = ctx.shape(0);
  if (in[1] % (b * b) != 0)
    return invalid_model("input has ", in[1], " channels, no multiple of blocksize^2 = ", b * b);
  QL_TRY(int64_t h, checked_product(in[2], b));
  QL_TRY(int64_t w, checked_product(in[3], b));
  return TypeList{{ctx.type(0).dtype, {in[0], in[1] / (b * b), h, w}}};
}
Status eval_depth_to_space(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(int64_t b, block_size(ctx));
  const Shape &in = ctx.shape(0), &to = out[0].shape();
  bool inside = ctx.attrs().string_or("mode", "DCR") == "CRD";
  Shape split = inside ? Shape{in[0], to[1], b, b, in[2], in[3]} : Shape{in[0], b, b, to[1], in[2], in[3]};
  if (inside)
    permute(ctx.inputs[0], split, {0, 1, 4, 2, 5, 3}, out[0]);
  else
    permute(ctx.inputs[0], split, {0, 3, 4, 1, 5, 2}, out[0]);
  return {};
}

// [N, C, b*H, b*W] -> [N, b*b*C, H, W], the inverse of DCR.
Result<TypeList> infer_space_to_depth(const OpContext& ctx) {
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  QL_TRY(int64_t b, block_size(ctx));
  const Shape& in = ctx.shape(0);
  if (in[2] % b != 0 || in[3] % b != 0)
    return invalid_model("input is ", in[2], "x", in[3], " pixels, no multiple of blocksize ", b);
  QL_TRY(int64_t channels, checked_product(in[1], b * b));
  return TypeList{{ctx.type(0).dtype, {in[0], channels, in[2] / b, in[3] / b}}};
}
Status eval_space_to_depth(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(int64_t b, block_size(ctx));
  const Shape &in = ctx.shape(0), &to = out[0].shape();
  permute(ctx.inputs[0], {in[0], in[1], to[2], b, to[3], b}, {0, 3, 5, 1, 2, 4}, out[0]);
  return {};
}

}  // namespace

void append_permute_ops(std::vector<OpDef>& defs) {
  defs.insert(defs.end(), {
                              {"Transpose", 1, 1, 1, "perm", infer_transpose, eval_transpose},
                              {"DepthToSpace", 1, 1, 1, "blocksize mode", infer_depth_to_space, eval_depth_to_space},
                              {"SpaceToDepth", 1, 1, 1, "blocksize", infer_space_to_depth, eval_space_to_depth},
                          });
}

}  // namespace quadlane
