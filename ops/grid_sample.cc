// GridSample(x [N, C, in...], grid [N, out..., axes]) in the form of opset 20: each output pixel reads x at the point
// its grid entry names, in coordinates from -1 to 1, innermost axis first.
//
//   y[n, c, o] = sum over the taps of every axis of weight * x[n, c, taps]
//
// One tap for nearest, two for linear, four for cubic (a = -0.75). Padding says what a tap outside reads: zero, the
// border, or the image reflected at its border pixels' centres (align_corners) or edges.
#include "ops/attr.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"
#include "ops/strided.h"
#include "ops/vision.h"

namespace quadlane {
namespace {

enum class Mode { nearest, linear, cubic };
enum class Padding { zeros, border, reflection };

struct Sampling {
  Mode mode;
  Padding padding;
  bool align;
};

Result<Sampling> sampling_of(const OpContext& ctx) {
  QL_TRY(std::string mode, string_attr(ctx.attrs(), "mode", "linear"));
  QL_TRY(std::string padding, string_attr(ctx.attrs(), "padding_mode", "zeros"));
  QL_TRY(bool align, bool_attr(ctx.attrs(), "align_corners", false));
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    return invalid_model("attribute 'mode' is '", mode, "', expected nearest, linear or cubic");
  if (padding != "zeros" && padding != "border" && padding != "reflection")
    return invalid_model("attribute 'padding_mode' is '", padding, "', expected zeros, border or reflection");
  return Sampling{mode == "nearest"  ? Mode::nearest
                  : mode == "linear" ? Mode::linear
                                     : Mode::cubic,
                  padding == "zeros"    ? Padding::zeros
                  : padding == "border" ? Padding::border
                                        : Padding::reflection,
                  align};
}

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_CHECK_OK(expect_types(ctx, 0, Types::floats));
  QL_CHECK_OK(expect_types(ctx, 1, Types::floats));
  QL_TRY([[maybe_unused]] Sampling sampling, sampling_of(ctx));
  QL_CHECK_OK(expect_rank(ctx, 0, 3, 5));
  const Shape &x = ctx.shape(0), &grid = ctx.shape(1);
  int64_t axes = static_cast<int64_t>(x.size()) - 2;
  if (grid.size() != x.size() || grid[0] != x[0] || grid.back() != axes)
    return invalid_model("grid has shape ", to_string(grid), ", the input ", to_string(x), " needs [", x[0], ",...,",
                         axes, "] of rank ", x.size());
  for (size_t i = 2; i < x.size(); ++i)
    if (x[i] == 0) return invalid_model("input has no pixels: ", to_string(x));
  Shape shape{x[0], x[1]};
  shape.insert(shape.end(), grid.begin() + 1, grid.end() - 1);
  return std::vector<TensorType>{{ctx.type(0).dtype, std::move(shape)}};
}

// x mirrored into [lo, hi].
double reflected(double x, double lo, double hi) {
  double range = hi - lo;
  if (range <= 0) return lo;
  double rest = std::fmod(std::abs(x - lo), 2 * range);
  return lo + (rest > range ? 2 * range - rest : rest);
}

struct Tap {
  int64_t offset;  // elements, or -1: reads zero
  double weight;
};
struct AxisTaps {
  int count = 0;
  Tap tap[4];
};

class AxisSampler {
 public:
  AxisSampler(const Sampling& s, int64_t extent, int64_t stride)
      : s_(s), extent_(extent), stride_(stride), lo_(s.align ? 0 : -0.5), hi_(static_cast<double>(extent) - 1 - lo_) {}

  AxisTaps at(double normalized) const {
    auto last = static_cast<double>(extent_ - 1);
    double x = s_.align ? (normalized + 1) / 2 * last : ((normalized + 1) * static_cast<double>(extent_) - 1) / 2;
    if (s_.mode == Mode::nearest) x = std::nearbyint(x);
    if (s_.mode != Mode::cubic && (x < lo_ || x > hi_)) {
      if (s_.padding == Padding::border) x = std::clamp(x, 0.0, last);
      if (s_.padding == Padding::reflection) x = reflected(x, lo_, hi_);
    }
    AxisTaps taps;
    if (s_.mode == Mode::nearest) {
      taps.count = 1;
      taps.tap[0] = {offset(x), 1};
      return taps;
    }
    double first = std::floor(x), f = x - first;
    double weights[4] = {1 - f, f};
    taps.count = 2;
    if (s_.mode == Mode::cubic) {
      first -= 1;
      taps.count = 4;
      for (int i = 0; i < 4; ++i) weights[i] = cubic(std::abs(f + 1 - i));
    }
    for (int i = 0; i < taps.count; ++i) taps.tap[i] = {offset(first + i), weights[i]};
    return taps;
  }

 private:
  static double cubic(double d) {
    constexpr double a = -0.75;
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  }
  // Of the pixel at a whole coordinate; also for coordinates no integer holds, and NaN.
  int64_t offset(double x) const {
    if (s_.padding == Padding::reflection && (x < lo_ || x > hi_)) x = reflected(x, lo_, hi_);
    if (s_.padding == Padding::zeros && !(x >= 0 && x < static_cast<double>(extent_))) return -1;
    return static_cast<int64_t>(x > 0 ? std::min(x, static_cast<double>(extent_ - 1)) : 0.0) * stride_;
  }

  Sampling s_;
  int64_t extent_, stride_;
  double lo_, hi_;
};

// The sum over the taps of axis `a` and those behind it.
template <class T>
double sampled(const T* x, const std::array<AxisTaps, 3>& taps, size_t a, size_t axes) {
  if (a == axes) return double{*x};
  double sum = 0;
  for (int i = 0; i < taps[a].count; ++i)
    if (const Tap& tap = taps[a].tap[i]; tap.offset >= 0)
      sum += tap.weight * sampled(x + tap.offset, taps, a + 1, axes);
  return sum;
}

template <class T, class G>
void sample(const OpContext& ctx, const Sampling& sampling, const MutView& out) {
  const Shape& in = ctx.shape(0);
  size_t axes = in.size() - 2;
  std::vector<int64_t> strides = dense_strides(in);
  std::vector<AxisSampler> samplers;
  for (size_t a = 0; a < axes; ++a) samplers.emplace_back(sampling, in[a + 2], strides[a + 2]);
  int64_t channels = in[1], in_pixels = elements_between(in, 2, in.size());
  int64_t out_pixels = elements_between(out.shape(), 2, out.shape().size());
  const G* point = ctx.inputs[1].as<G>();
  for (int64_t n = 0; n < in[0]; ++n)
    for (int64_t p = 0; p < out_pixels; ++p, point += axes) {
      std::array<AxisTaps, 3> taps;
      for (size_t a = 0; a < axes; ++a) taps[a] = samplers[a].at(double{point[axes - 1 - a]});
      for (int64_t c = n * channels; c < (n + 1) * channels; ++c)
        out.as<T>()[c * out_pixels + p] = static_cast<T>(sampled(ctx.inputs[0].as<T>() + c * in_pixels, taps, 0, axes));
    }
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Sampling sampling, sampling_of(ctx));
  return dispatch_float(ctx.type(0).dtype, [&]<class T>(T) -> Status {
    if (ctx.type(1).dtype == DType::f64)
      sample<T, double>(ctx, sampling, out[0]);
    else
      sample<T, float>(ctx, sampling, out[0]);
    return {};
  });
}

}  // namespace

void append_grid_sample_ops(std::vector<OpDef>& defs) {
  defs.push_back({"GridSample", 2, 2, 1, "align_corners mode padding_mode", infer, with_half<eval>});
}

}  // namespace quadlane
