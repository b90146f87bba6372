// AffineGrid(theta [N, axes, axes + 1], size [N, C, extents...]) -> [N, extents..., axes]: theta times (x, y, [z,] 1)
// of every pixel, innermost axis first, in coordinates from -1 to 1: centres of the border pixels with align_corners,
// otherwise the edges of the image.
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/vision.h"

namespace quadlane {
namespace {

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY([[maybe_unused]] bool align, bool_attr(ctx.attrs(), "align_corners", false));
  QL_TRY(Shape size, known_ints(ctx, 1, "size"));
  if (size.size() != 4 && size.size() != 5) return invalid_model("size has ", size.size(), " entries, expected 4 or 5");
  for (int64_t extent : size)
    if (extent < 1) return invalid_model("size ", to_string(size), " has an extent below 1");
  auto axes = static_cast<int64_t>(size.size()) - 2;
  QL_CHECK_OK(expect_shape(ctx, 0, {size[0], axes, axes + 1}));
  size.erase(size.begin() + 1);
  size.push_back(axes);
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(size)}};
}

double coordinate(int64_t i, int64_t extent, bool align) {
  auto n = static_cast<double>(extent);
  if (!align) return (2 * static_cast<double>(i) + 1) / n - 1;
  return extent == 1 ? 0 : 2 * static_cast<double>(i) / (n - 1) - 1;
}

template <class T>
void fill(const OpContext& ctx, const MutView& out) {
  bool align = ctx.attrs().int_or("align_corners", 0) != 0;
  const Shape& shape = out.shape();
  int64_t axes = shape.back(), pixels = elements_between(shape, 1, shape.size() - 1);
  T* y = out.as<T>();
  for (int64_t n = 0; n < shape[0]; ++n) {
    const T* theta = ctx.inputs[0].as<T>() + n * axes * (axes + 1);
    for (int64_t p = 0; p < pixels; ++p) {
      double at[3] = {};
      int64_t rest = p;
      for (int64_t a = 0; a < axes; ++a) {  // x first
        int64_t extent = shape[static_cast<size_t>(axes - a)];
        at[a] = coordinate(rest % extent, extent, align);
        rest /= extent;
      }
      for (int64_t row = 0; row < axes; ++row) {
        double sum = double{theta[row * (axes + 1) + axes]};
        for (int64_t a = 0; a < axes; ++a) sum += double{theta[row * (axes + 1) + a]} * at[a];
        *y++ = static_cast<T>(sum);
      }
    }
  }
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    fill<T>(ctx, out[0]);
    return {};
  });
}

}  // namespace

void append_affine_grid_ops(std::vector<OpDef>& defs) {
  defs.push_back({"AffineGrid", 2, 2, 1, "align_corners", infer, with_half<eval>});
}

}  // namespace quadlane
