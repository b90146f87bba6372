#include "ops/resize_axis.h"

#include <cmath>

#include "ops/attr.h"

namespace quadlane {

namespace {

template <class E>
struct Named {
  const char* name;
  E value;
};

template <class E, size_t N>
Result<E> choose(const Attrs& attrs, const std::string& attr, const char* otherwise, const Named<E> (&options)[N]) {
  QL_TRY(std::string name, string_attr(attrs, attr, otherwise));
  for (const Named<E>& option : options)
    if (name == option.name) return option.value;
  return unsupported(attr, " is '", name, "', which is not known");
}

constexpr Named<ResizeMode> kModes[] = {
    {"nearest", ResizeMode::nearest}, {"linear", ResizeMode::linear}, {"cubic", ResizeMode::cubic}};
constexpr Named<CoordinateMode> kCoordinates[] = {{"half_pixel", CoordinateMode::half_pixel},
                                                  {"half_pixel_symmetric", CoordinateMode::half_pixel_symmetric},
                                                  {"pytorch_half_pixel", CoordinateMode::pytorch_half_pixel},
                                                  {"align_corners", CoordinateMode::align_corners},
                                                  {"asymmetric", CoordinateMode::asymmetric},
                                                  {"tf_half_pixel_for_nn", CoordinateMode::tf_half_pixel_for_nn},
                                                  {"tf_crop_and_resize", CoordinateMode::tf_crop_and_resize}};
constexpr Named<NearestMode> kNearest[] = {{"round_prefer_floor", NearestMode::round_prefer_floor},
                                           {"round_prefer_ceil", NearestMode::round_prefer_ceil},
                                           {"floor", NearestMode::floor},
                                           {"ceil", NearestMode::ceil}};

int32_t clamp_index(double index, int64_t in) {
  return index > 0 ? static_cast<int32_t>(std::min(index, static_cast<double>(in - 1))) : 0;  // NaN too is 0
}

// Keys' cubic kernel at distance d: the weights of the pixels at floor - 1 .. floor + 2, where d = 1 + fraction, ...
double cubic_weight(double d, double a) {
  d = std::abs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

void append_cubic(const ResizeAxis& axis, const ResizeOptions& options, float source, ResizeTaps& t) {
  double base = std::floor(static_cast<double>(source)), fraction = source - base, weights[4], sum = 0;
  for (int i = 0; i < 4; ++i) {
    double at = base - 1 + i;
    weights[i] = cubic_weight(fraction + 1 - i, options.cubic_a);
    if (options.exclude_outside && (at < 0 || at >= static_cast<double>(axis.in))) weights[i] = 0;
    sum += weights[i];
    t.index.push_back(clamp_index(at, axis.in));
  }
  for (double weight : weights) t.weight.push_back(options.exclude_outside && sum != 0 ? weight / sum : weight);
}

// Antialiasing: the kernel stretched over 1 / scale pixels, its weights brought to a sum of 1. `reach` pixels on both
// sides of the source cover it.
int64_t antialias_reach(const ResizeAxis& axis, const ResizeOptions& options) {
  double support = options.mode == ResizeMode::linear ? 1 : 2;
  return static_cast<int64_t>(std::ceil(support / static_cast<double>(axis.scale)));
}
void append_antialiased(const ResizeAxis& axis, const ResizeOptions& options, float source, ResizeTaps& t) {
  int64_t reach = antialias_reach(axis, options);
  double base = std::floor(static_cast<double>(source)), sum = 0;
  size_t first = t.weight.size();
  for (int64_t i = -reach; i <= reach; ++i) {
    double at = base + static_cast<double>(i), d = (at - source) * static_cast<double>(axis.scale);
    double weight =
        options.mode == ResizeMode::linear ? std::max(0.0, 1 - std::abs(d)) : cubic_weight(d, options.cubic_a);
    if (options.exclude_outside && (at < 0 || at >= static_cast<double>(axis.in))) weight = 0;
    sum += weight;
    t.index.push_back(clamp_index(at, axis.in));
    t.weight.push_back(weight);
  }
  for (size_t k = first; sum != 0 && k < t.weight.size(); ++k) t.weight[k] /= sum;
}

}  // namespace

Result<ResizeOptions> resize_options(const Attrs& attrs) {
  ResizeOptions o;
  QL_TRY(o.mode, choose(attrs, "mode", "nearest", kModes));
  QL_TRY(o.coordinates, choose(attrs, "coordinate_transformation_mode", "half_pixel", kCoordinates));
  QL_TRY(o.nearest, choose(attrs, "nearest_mode", "round_prefer_floor", kNearest));
  QL_TRY(o.cubic_a, float_attr(attrs, "cubic_coeff_a", -0.75f));
  QL_TRY(o.exclude_outside, bool_attr(attrs, "exclude_outside", false));
  QL_TRY(o.antialias, bool_attr(attrs, "antialias", false));
  QL_TRY(o.extrapolation, float_attr(attrs, "extrapolation_value", 0));
  return o;
}

Result<ResizeAxis> axis_by_scale(int64_t in, float scale) {
  if (!(scale > 0) || !std::isfinite(scale)) return invalid_model("scale is ", scale, ", expected a positive number");
  float out = std::floor(static_cast<float>(in) * scale);
  if (out > static_cast<float>(kMaxElements)) return unsupported("extent ", in, " scaled by ", scale, " is too large");
  return ResizeAxis{in, static_cast<int64_t>(out), scale};
}

Result<ResizeAxis> axis_by_size(int64_t in, int64_t out) {
  if (out < 0 || out > kMaxElements) return invalid_model("size is ", out, ", expected 0 to ", kMaxElements);
  if (in == 0 && out > 0) return invalid_model("extent 0 cannot be resized to ", out);
  return ResizeAxis{in, out, in == 0 ? 1.0f : static_cast<float>(out) / static_cast<float>(in)};
}

float source_coordinate(const ResizeAxis& axis, CoordinateMode mode, int64_t out) {
  float x = static_cast<float>(out), scale = axis.scale;
  if (axis.is_identity(mode)) return x;
  float last_in = static_cast<float>(axis.in - 1), last_out = static_cast<float>(axis.out - 1);
  switch (mode) {
    case CoordinateMode::half_pixel: return (x + 0.5f) / scale - 0.5f;
    case CoordinateMode::half_pixel_symmetric: {
      float exact = scale * static_cast<float>(axis.in), centre = static_cast<float>(axis.in) / 2;
      float offset = centre * (1 - static_cast<float>(axis.out) / exact);
      return static_cast<float>(offset + (static_cast<double>(x) + 0.5) / scale - 0.5);  // as ONNX Runtime rounds
    }
    case CoordinateMode::pytorch_half_pixel: return axis.out > 1 ? (x + 0.5f) / scale - 0.5f : 0.0f;
    case CoordinateMode::align_corners: return axis.out > 1 ? x * last_in / last_out : 0.0f;
    case CoordinateMode::asymmetric: return x / scale;
    case CoordinateMode::tf_half_pixel_for_nn: return (x + 0.5f) / scale;
    case CoordinateMode::tf_crop_and_resize:
      return axis.out > 1 ? axis.roi_start * last_in + x * (axis.roi_end - axis.roi_start) * last_in / last_out
                          : 0.5f * (axis.roi_start + axis.roi_end) * last_in;
  }
  return 0;
}

bool is_outside(const ResizeAxis& axis, float source) {
  return !(source >= 0 && source <= static_cast<float>(axis.in - 1));
}

int32_t nearest_index(const ResizeAxis& axis, NearestMode mode, float source) {
  double s = source;  // s +- 0.5 is exact in double
  switch (mode) {
    case NearestMode::round_prefer_floor: return clamp_index(std::ceil(s - 0.5), axis.in);
    case NearestMode::round_prefer_ceil: return clamp_index(std::floor(s + 0.5), axis.in);
    case NearestMode::floor: return clamp_index(std::floor(s), axis.in);
    case NearestMode::ceil: return clamp_index(std::ceil(s), axis.in);
  }
  return 0;
}

LinearTap linear_tap(const ResizeAxis& axis, float source) {
  float last = static_cast<float>(axis.in - 1), clamped = source > 0 ? std::min(source, last) : 0;
  int32_t first = std::min(static_cast<int32_t>(clamped), static_cast<int32_t>(axis.in - 1));
  return {first, std::min(first + 1, static_cast<int32_t>(axis.in - 1)), clamped - static_cast<float>(first)};
}

ResizeTaps resize_taps(const ResizeAxis& axis, const ResizeOptions& options) {
  ResizeTaps t;
  t.taps = options.mode == ResizeMode::nearest ? 1 : options.mode == ResizeMode::linear ? 2 : 4;
  bool wide = options.antialias && options.mode != ResizeMode::nearest && axis.scale < 1 && axis.out > 0;
  if (wide) t.taps = 2 * antialias_reach(axis, options) + 1;
  bool crop = options.coordinates == CoordinateMode::tf_crop_and_resize;
  for (int64_t o = 0; o < axis.out; ++o) {
    float source = source_coordinate(axis, options.coordinates, o);
    if (crop) t.outside.push_back(is_outside(axis, source));
    if (wide) {
      append_antialiased(axis, options, source, t);
      continue;
    }
    switch (options.mode) {
      case ResizeMode::nearest:
        t.index.push_back(nearest_index(axis, options.nearest, source));
        t.weight.push_back(1);
        break;
      case ResizeMode::linear: {
        LinearTap tap = linear_tap(axis, source);
        t.index.insert(t.index.end(), {tap.first, tap.second});
        t.weight.insert(t.weight.end(), {1 - double{tap.fraction}, double{tap.fraction}});
        break;
      }
      case ResizeMode::cubic: append_cubic(axis, options, source, t); break;
    }
  }
  return t;
}

}  // namespace quadlane
