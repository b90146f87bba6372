#include <algorithm>
#include <cmath>

#include "tools/prep/preprocessing.h"
#include "tools/prep/resample.h"

namespace quadlane::tools {
namespace {

Result<Raster> with_color(Raster in, Color color) {
  const size_t plane = in.plane();
  if (in.channels != 1 && in.channels != 3) return unsupported("pictures of ", in.channels, " channels");
  if (color == Color::grey && in.channels == 3) {  // ITU-R BT.601
    for (size_t i = 0; i < plane; ++i)
      in.values[i] = 0.299f * in.values[i] + 0.587f * in.values[plane + i] + 0.114f * in.values[2 * plane + i];
    in.channels = 1;
    in.values.resize(plane);
  } else if (color != Color::grey && in.channels == 1) {
    in.channels = 3;
    in.values.resize(3 * plane);
    std::copy_n(in.values.begin(), plane, in.values.begin() + static_cast<ptrdiff_t>(plane));
    std::copy_n(in.values.begin(), plane, in.values.begin() + static_cast<ptrdiff_t>(2 * plane));
  } else if (color == Color::bgr) {
    std::swap_ranges(in.values.begin(), in.values.begin() + static_cast<ptrdiff_t>(plane),
                     in.values.begin() + static_cast<ptrdiff_t>(2 * plane));
  }
  return in;
}

// `rows` x `columns` pixels from (from_y, from_x) on of a picture, at (y, x) of one of `value`.
struct Placement {
  int from_y = 0, from_x = 0, y = 0, x = 0, rows, columns;
};
Raster placed(const Raster& in, int rows, int columns, const Placement& at, float value) {
  Raster out{in.channels, rows, columns, {}};
  out.values.assign(static_cast<size_t>(out.channels) * out.plane(), value);
  for (int c = 0; c < in.channels; ++c)
    for (int r = 0; r < at.rows; ++r) {
      size_t source = static_cast<size_t>(c) * in.plane() + static_cast<size_t>(at.from_y + r) * in.columns + at.from_x;
      size_t target = static_cast<size_t>(c) * out.plane() + static_cast<size_t>(at.y + r) * columns + at.x;
      std::copy_n(in.values.data() + source, at.columns, out.values.data() + target);
    }
  return out;
}

// A deviation this small, relative to the mean, is what resizing a flat picture leaves.
constexpr double kFlat = 1e-6;

struct Apply {
  Raster raster;

  Status operator()(const ResizeStep& s) {
    double y = static_cast<double>(s.rows) / raster.rows, x = static_cast<double>(s.columns) / raster.columns;
    int rows = s.rows, columns = s.columns;
    if (s.fit != Fit::stretch) {
      double factor = s.fit == Fit::inside ? std::min(y, x) : std::max(y, x);
      rows = std::max(1, static_cast<int>(std::lround(raster.rows * factor)));
      columns = std::max(1, static_cast<int>(std::lround(raster.columns * factor)));
    }
    const auto height = static_cast<size_t>(rows), width = static_cast<size_t>(std::max(columns, raster.columns));
    if (is_too_large(raster.channels, height, width))
      return unsupported("resizing ", raster.rows, "x", raster.columns, " gives ", rows, "x", columns, " pixels");
    raster = resample(raster, rows, columns, s.filter);
    return {};
  }
  Status operator()(const CropStep& s) {
    int rows = std::min(raster.rows, s.rows), columns = std::min(raster.columns, s.columns);
    raster = placed(raster, rows, columns,
                    {(raster.rows - rows) / 2, (raster.columns - columns) / 2, 0, 0, rows, columns}, 0);
    return {};
  }
  Status operator()(const PadStep& s) {
    int rows = std::max(raster.rows, s.rows), columns = std::max(raster.columns, s.columns);
    if (is_too_large(raster.channels, static_cast<size_t>(rows), static_cast<size_t>(columns)))
      return unsupported("padding ", raster.rows, "x", raster.columns, " gives ", rows, "x", columns, " pixels");
    int y = s.corner ? 0 : (rows - raster.rows) / 2, x = s.corner ? 0 : (columns - raster.columns) / 2;
    raster = placed(raster, rows, columns, {0, 0, y, x, raster.rows, raster.columns}, s.value);
    return {};
  }
  Status operator()(const PercentileStep& s) {
    std::vector<float> ordered = raster.values;
    auto at = [&](int percent) {
      auto it = ordered.begin() + static_cast<ptrdiff_t>((ordered.size() - 1) * static_cast<size_t>(percent) / 100);
      std::nth_element(ordered.begin(), it, ordered.end());
      return *it;
    };
    const float low = at(s.low), high = at(s.high), width = high - low;
    for (float& v : raster.values) v = high > low ? std::clamp((v - low) / width, 0.0f, 1.0f) : 0.0f;
    return {};
  }
  Status operator()(const ZScoreStep& s) {
    double n = 0, sum = 0, square = 0;
    for (float v : raster.values)
      if (!s.nonzero || v != 0) n += 1, sum += v;
    const double mean = n > 0 ? sum / n : 0;
    for (float v : raster.values)
      if (!s.nonzero || v != 0) square += (v - mean) * (v - mean);
    const double deviation = n > 0 ? std::sqrt(square / n) : 0;
    const bool flat = deviation <= kFlat * std::abs(mean);
    for (float& v : raster.values)
      if (!s.nonzero || v != 0) v = !flat ? static_cast<float>((v - mean) / deviation) : 0.0f;
    return {};
  }
  Status operator()(const ClipStep& s) {
    for (float& v : raster.values) v = std::clamp(v, s.low, s.high);
    return {};
  }
  Status operator()(const ScaleStep& s) {
    for (float& v : raster.values) v *= s.factor;
    return {};
  }
  Status operator()(const NormalizeStep& s) {
    if (s.mean.size() != 1 && s.mean.size() != static_cast<size_t>(raster.channels))
      return invalid_argument("mean has ", s.mean.size(), " elements, the picture has ", raster.channels, " channels");
    for (size_t i = 0; i < raster.values.size(); ++i) {
      size_t c = s.mean.size() == 1 ? 0 : i / raster.plane();
      raster.values[i] = (raster.values[i] - s.mean[c]) / s.deviation[c];
    }
    return {};
  }
};

// Percentiles cannot be had of values that are no numbers, and no network makes sense of them.
Status check_finite(const Raster& raster) {
  for (size_t i = 0; i < raster.values.size(); ++i)
    if (!std::isfinite(raster.values[i]))
      return invalid_argument("pixel ", i % raster.plane() % static_cast<size_t>(raster.columns), ",",
                              i % raster.plane() / static_cast<size_t>(raster.columns), " is ", raster.values[i]);
  return {};
}

}  // namespace

Result<Raster> Preprocessing::apply(Raster raster) const {
  QL_CHECK_OK(check_finite(raster));
  QL_TRY(raster, with_color(std::move(raster), color));
  Apply apply{std::move(raster)};
  for (size_t i = 0; i < steps.size(); ++i) {
    QL_CHECK_OK(std::visit(apply, steps[i]).context(cat("step ", i)));
    QL_CHECK_OK(check_finite(apply.raster).context(cat("behind step ", i)));
  }
  return std::move(apply.raster);
}

Preprocessing Preprocessing::geometry() const {
  Preprocessing places;
  places.color = Color::grey;
  for (PrepStep step : steps) {
    if (auto* resize = std::get_if<ResizeStep>(&step)) resize->filter = Filter::nearest;
    if (auto* pad = std::get_if<PadStep>(&step)) pad->value = 0;
    const bool moves = std::holds_alternative<ResizeStep>(step) || std::holds_alternative<CropStep>(step) ||
                       std::holds_alternative<PadStep>(step);
    if (moves) places.steps.push_back(std::move(step));
  }
  return places;
}

Result<Tensor> to_tensor(const Raster& raster, const TensorType& wanted) {
  const Shape& s = wanted.shape;
  auto fits = [](int64_t extent, int found) { return extent < 1 || extent == found; };
  const bool rank = s.size() == 4 && fits(s[0], 1);
  const bool first = rank && fits(s[1], raster.channels) && fits(s[2], raster.rows) && fits(s[3], raster.columns);
  const bool last = rank && fits(s[1], raster.rows) && fits(s[2], raster.columns) && fits(s[3], raster.channels);
  if (!first && !last)
    return invalid_argument("preprocessing leaves ", raster.channels, " channels of ", raster.rows, "x", raster.columns,
                            " pixels, the input is ", to_string(wanted));
  if (wanted.dtype != DType::f32 && wanted.dtype != DType::u8)
    return unsupported("pictures become f32 or u8, the input is ", to_string(wanted));
  const Shape planar{1, raster.channels, raster.rows, raster.columns};
  const Shape mixed{1, raster.rows, raster.columns, raster.channels};
  QL_TRY(Tensor tensor, Tensor::allocate({wanted.dtype, first ? planar : mixed}));
  const size_t channels = static_cast<size_t>(raster.channels);
  for (size_t i = 0; i < raster.values.size(); ++i) {
    const float v = first ? raster.values[i] : raster.values[i % channels * raster.plane() + i / channels];
    if (wanted.dtype == DType::f32)
      tensor.mutate<float>()[i] = v;
    else
      tensor.mutate<uint8_t>()[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(v), 0.0f, 255.0f));
  }
  return tensor;
}

}  // namespace quadlane::tools
