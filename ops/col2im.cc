// Col2Im(columns [N, C * block, L], image_shape, block_shape) -> [N, C, image...]: the sum of all blocks at the places
// a convolution's window of that shape would have read them from. What falls into the padding is dropped.
#include "ops/conv_attrs.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/strided.h"
#include "ops/vision.h"
#include "ops/window_list.h"

namespace quadlane {
namespace {

struct Blocks {
  std::vector<int64_t> image, block, strides, dilations, pads;
  std::vector<int64_t> steps;  // windows along each axis
  int64_t channels;
};

Result<Blocks> blocks_of(const OpContext& ctx) {
  Blocks b;
  QL_TRY(b.image, known_ints(ctx, 1, "image_shape"));
  QL_TRY(b.block, known_ints(ctx, 2, "block_shape"));
  size_t axes = b.image.size();
  if (axes < 1 || axes + 2 > kMaxRank)
    return unsupported("image_shape has ", axes, " entries, expected 1 to ", kMaxRank - 2);
  QL_TRY(b.strides, window_list(ctx.attrs(), "strides", axes, 1, 1));
  QL_TRY(b.dilations, window_list(ctx.attrs(), "dilations", axes, 1, 1));
  QL_TRY(b.pads, window_list(ctx.attrs(), "pads", 2 * axes, 0, 0));
  QL_CHECK_OK(check_window_list("image_shape", b.image, axes, 1));
  QL_CHECK_OK(check_window_list("block_shape", b.block, axes, 1));
  int64_t taps = 1, windows = 1;
  for (size_t i = 0; i < axes; ++i) {
    QL_TRY(int64_t steps,
           output_extent(b.image[i], b.block[i], b.strides[i], b.dilations[i], b.pads[i], b.pads[axes + i]));
    b.steps.push_back(steps);
    QL_TRY(taps, checked_product(taps, b.block[i]));
    QL_TRY(windows, checked_product(windows, steps));
  }
  const Shape& in = ctx.shape(0);
  if (in.size() != 3 || in[1] % taps != 0 || in[2] != windows)
    return invalid_model("input is ", to_string(in), ", expected [N, C * ", taps, ", ", windows, "]");
  b.channels = in[1] / taps;
  return b;
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_TRY(Blocks b, blocks_of(ctx));
  Shape shape{ctx.shape(0)[0], b.channels};
  shape.insert(shape.end(), b.image.begin(), b.image.end());
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

// Where pixel `tap` of window `step` lies in a plane, or -1 in the padding.
int64_t place(const Blocks& b, const std::vector<int64_t>& strides, int64_t tap, int64_t step) {
  int64_t at = 0;
  for (size_t i = b.image.size(); i-- > 0; tap /= b.block[i], step /= b.steps[i]) {
    int64_t x = step % b.steps[i] * b.strides[i] + tap % b.block[i] * b.dilations[i] - b.pads[i];
    if (x < 0 || x >= b.image[i]) return -1;
    at += x * strides[i];
  }
  return at;
}

template <class T>
void scatter(const OpContext& ctx, const Blocks& b, const MutView& out) {
  if (out.type->count() == 0) return;
  std::vector<int64_t> strides = dense_strides(b.image);
  int64_t taps = elements(b.block), windows = elements(b.steps), pixels = elements(b.image);
  std::vector<double> plane(static_cast<size_t>(pixels));
  const T* x = ctx.inputs[0].as<T>();
  T* y = out.as<T>();
  for (int64_t p = 0; p < out.shape()[0] * b.channels; ++p) {
    std::fill(plane.begin(), plane.end(), 0.0);
    for (int64_t tap = 0; tap < taps; ++tap)
      for (int64_t step = 0; step < windows; ++step, ++x)
        if (int64_t at = place(b, strides, tap, step); at >= 0) plane[static_cast<size_t>(at)] += double{*x};
    for (double sum : plane) *y++ = static_cast<T>(sum);
  }
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Blocks b, blocks_of(ctx));
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    scatter<T>(ctx, b, out[0]);
    return {};
  });
}

}  // namespace

void append_col2im_ops(std::vector<OpDef>& defs) {
  defs.push_back({"Col2Im", 3, 3, 1, "dilations pads strides", infer, with_half<eval>});
}

}  // namespace quadlane
