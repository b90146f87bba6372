// ql.Resize (QL_OPS.md): nearest and linear resize of a u8 image, scale and zero point unchanged. Linear in integers:
// weights of 11 bits per axis, the sum of the four products rounded half to even.
#include <cmath>

#include "ops/check.h"
#include "ops/defs.h"
#include "ops/ql_attrs.h"
#include "ops/resize_axis.h"

namespace quadlane {

namespace {

struct Params {
  ResizeOptions options;
  ResizeAxis h, w;
};

Result<Params> read_params(const OpContext& ctx) {
  Params p;
  QL_TRY(p.options, resize_options(ctx.attrs()));
  if (p.options.mode == ResizeMode::cubic) return unsupported("mode is 'cubic', expected nearest or linear");
  if (p.options.coordinates == CoordinateMode::tf_crop_and_resize)
    return unsupported("coordinate_transformation_mode is 'tf_crop_and_resize', which ql.Resize does not know");
  QL_TRY(auto sizes, ints_attr(ctx.attrs(), "sizes", {}));
  QL_TRY(auto scales, attr_or<std::vector<float>>(ctx.attrs(), "scales", {}));
  if (sizes.size() != 2) return invalid_model("sizes has ", sizes.size(), " entries, expected 2");
  if (scales.size() != 2) return invalid_model("scales has ", scales.size(), " entries, expected 2");
  for (float scale : scales)
    if (!(scale > 0) || !std::isfinite(scale)) return invalid_model("scale is ", scale, ", expected a positive number");
  QL_TRY(p.h, axis_by_size(ctx.shape(0)[2], sizes[0]));
  QL_TRY(p.w, axis_by_size(ctx.shape(0)[3], sizes[1]));
  p.h.scale = scales[0];
  p.w.scale = scales[1];
  return p;
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_dtype(ctx, 0, DType::u8));
  QL_CHECK_OK(expect_rank(ctx, 0, 4, 4));
  QL_TRY(Params p, read_params(ctx));
  return std::vector<TensorType>{{DType::u8, {ctx.shape(0)[0], ctx.shape(0)[1], p.h.out, p.w.out}}};
}

std::vector<int32_t> nearest_map(const ResizeAxis& axis, const ResizeOptions& options) {
  std::vector<int32_t> map;
  for (int64_t o = 0; o < axis.out; ++o)
    map.push_back(nearest_index(axis, options.nearest, source_coordinate(axis, options.coordinates, o)));
  return map;
}

std::vector<LinearTap> linear_map(const ResizeAxis& axis, const ResizeOptions& options) {
  std::vector<LinearTap> map;
  for (int64_t o = 0; o < axis.out; ++o)
    map.push_back(linear_tap(axis, source_coordinate(axis, options.coordinates, o)));
  return map;
}

// Calls pixel(source plane, index of the output row, of the output column) for every output pixel.
template <class Pixel>
void for_pixels(const OpContext& ctx, const Params& p, uint8_t* y, const Pixel& pixel) {
  const uint8_t* x = ctx.inputs[0].as<uint8_t>();
  for (int64_t plane = 0; plane < ctx.shape(0)[0] * ctx.shape(0)[1]; ++plane, x += p.h.in * p.w.in)
    for (int64_t i = 0; i < p.h.out; ++i)
      for (int64_t j = 0; j < p.w.out; ++j) *y++ = pixel(x, static_cast<size_t>(i), static_cast<size_t>(j));
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Params p, read_params(ctx));
  uint8_t* y = out[0].as<uint8_t>();
  if (p.options.mode == ResizeMode::nearest) {
    auto rows = nearest_map(p.h, p.options), columns = nearest_map(p.w, p.options);
    for_pixels(ctx, p, y, [&](const uint8_t* x, size_t i, size_t j) { return x[rows[i] * p.w.in + columns[j]]; });
    return {};
  }
  auto rows = linear_map(p.h, p.options), columns = linear_map(p.w, p.options);
  for_pixels(ctx, p, y, [&](const uint8_t* x, size_t i, size_t j) {
    const LinearTap &r = rows[i], &c = columns[j];
    const uint8_t *top = x + r.first * p.w.in, *bottom = x + r.second * p.w.in;
    return resize_linear_u8(top[c.first], top[c.second], bottom[c.first], bottom[c.second], resize_weight(c.fraction),
                            resize_weight(r.fraction));
  });
  return {};
}

}  // namespace

void append_ql_resize_ops(std::vector<OpDef>& defs) {
  defs.push_back({"ql.Resize", 1, 1, 1, "coordinate_transformation_mode mode nearest_mode scales sizes", infer, eval});
}

}  // namespace quadlane
