// From a picture as a file stores it to a network's input: a list of steps that travels with the model, as
// MODEL.prep.json beside it or in its metadata. PREPROCESSING.md describes the file.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "engine/base/tensor.h"
#include "tools/io/raster.h"

namespace quadlane::tools {

enum class Color : uint8_t { grey, rgb, bgr };
enum class Fit : uint8_t { stretch, inside, cover };
enum class Filter : uint8_t { nearest, linear, area };

struct ResizeStep {
  int rows, columns;
  Fit fit = Fit::stretch;
  Filter filter = Filter::linear;
};
// About the centre: where n pixels become `rows`, the cut starts at (n - rows) / 2; shorter sides stay.
struct CropStep {
  int rows, columns;
};
// A shorter side is placed at (rows - n) / 2, or at the top left corner; longer sides stay.
struct PadStep {
  int rows, columns;
  float value = 0;
  bool corner = false;
};
// The percentiles, by rank rounded down over all channels, become 0 and 1; beyond is clamped. Flat pictures become 0.
struct PercentileStep {
  int low, high;
};
// Mean 0 and deviation 1 over all channels; `nonzero`: of the elements that are not 0, which stay 0.
struct ZScoreStep {
  bool nonzero = false;
};
struct ClipStep {
  float low, high;
};
struct ScaleStep {
  float factor;
};
// (x - mean) / deviation for each channel.
struct NormalizeStep {
  std::vector<float> mean, deviation;
};
using PrepStep =
    std::variant<ResizeStep, CropStep, PadStep, PercentileStep, ZScoreStep, ClipStep, ScaleStep, NormalizeStep>;

struct Preprocessing {
  Color color = Color::rgb;
  std::vector<PrepStep> steps;
  std::string text;  // the JSON it was read from

  static Result<Preprocessing> parse(const std::string& json);
  static Result<Preprocessing> read(const std::string& path);

  Result<Raster> apply(Raster) const;
  // The same places without the values: for labels. Resizing takes the nearest pixel, padding is 0.
  Preprocessing geometry() const;
};

// A prepared picture as a tensor [1, channels, rows, columns], or [1, rows, columns, channels] where that is what
// `wanted` has; u8 where `wanted` is u8. An extent of `wanted` below 1 is open.
Result<Tensor> to_tensor(const Raster&, const TensorType& wanted);

}  // namespace quadlane::tools
