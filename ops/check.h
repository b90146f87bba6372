// Checks of input types that operators share. Absent optional inputs pass.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

inline Status expect_dtype(const OpContext& ctx, size_t i, DType dtype) {
  if (ctx.has(i) && ctx.type(i).dtype != dtype)
    return unsupported("input ", i, " is ", to_string(ctx.type(i)), ", expected element type ", to_string(dtype));
  return {};
}
inline Status expect_dtype(const OpContext& ctx, size_t i, std::initializer_list<DType> allowed) {
  if (!ctx.has(i) || std::find(allowed.begin(), allowed.end(), ctx.type(i).dtype) != allowed.end()) return {};
  std::string list;
  for (DType dtype : allowed) list += cat(list.empty() ? "" : " or ", to_string(dtype));
  return unsupported("input ", i, " is ", to_string(ctx.type(i)), ", expected element type ", list);
}
inline Status expect_shape(const OpContext& ctx, size_t i, const Shape& shape) {
  if (ctx.has(i) && ctx.shape(i) != shape)
    return invalid_model("input ", i, " has shape ", to_string(ctx.shape(i)), ", expected ", to_string(shape));
  return {};
}
inline Status expect_rank(const OpContext& ctx, size_t i, size_t lowest, size_t highest) {
  if (ctx.has(i) && (ctx.shape(i).size() < lowest || ctx.shape(i).size() > highest))
    return invalid_model("input ", i, " has shape ", to_string(ctx.shape(i)), ", expected rank ", lowest,
                         lowest == highest ? "" : cat(" to ", highest));
  return {};
}
// A list of one entry for all channels, or one for each of `channels`.
inline Status expect_one_or(const OpContext& ctx, size_t i, int64_t channels) {
  if (ctx.has(i) && ctx.shape(i) != Shape{1} && ctx.shape(i) != Shape{channels})
    return invalid_model("input ", i, " has shape ", to_string(ctx.shape(i)), ", expected [1] or [", channels, "]");
  return {};
}

// Entry c of a list that expect_one_or accepted.
template <class T>
T entry(const View& list, int64_t c) {
  return list.as<T>()[list.type->shape[0] == 1 ? 0 : c];
}

}  // namespace quadlane
