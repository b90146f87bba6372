// Where the pixels of a resized image come from. Axes are independent: each output coordinate has a source coordinate,
// and from it an index (nearest) or weights for two (linear) or four (cubic) indices. Source coordinates are float32,
// computed in the order of the formulas below (the symmetric ones in double): the references, ql.Resize and its kernels
// share them.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

enum class ResizeMode : uint8_t { nearest, linear, cubic };
enum class CoordinateMode : uint8_t {
  half_pixel,            // (x + 0.5) / scale - 0.5
  half_pixel_symmetric,  // half_pixel around the centre when scale * in is not whole
  pytorch_half_pixel,    // half_pixel, 0 for an output of one pixel
  align_corners,         // x * (in - 1) / (out - 1), 0 for an output of one pixel
  asymmetric,            // x / scale
  tf_half_pixel_for_nn,  // (x + 0.5) / scale
  tf_crop_and_resize,    // from roi_start to roi_end, both relative to in - 1
};
enum class NearestMode : uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };

struct ResizeOptions {
  ResizeMode mode = ResizeMode::nearest;
  CoordinateMode coordinates = CoordinateMode::half_pixel;
  NearestMode nearest = NearestMode::round_prefer_floor;
  float cubic_a = -0.75f;
  bool exclude_outside = false;
  bool antialias = false;   // linear and cubic: the kernel is as much wider as the axis shrinks
  float extrapolation = 0;  // value of output pixels whose source is outside, for tf_crop_and_resize
};
// mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, exclude_outside, antialias, extrapolation_value.
Result<ResizeOptions> resize_options(const Attrs&);

struct ResizeAxis {
  int64_t in = 1, out = 1;
  float scale = 1;
  float roi_start = 0, roi_end = 1;

  // Every mode but tf_crop_and_resize copies the axis as it is.
  bool is_identity(CoordinateMode mode) const {
    return in == out && scale == 1 && mode != CoordinateMode::tf_crop_and_resize;
  }
};

// From a scale: out = floor(in * scale), in float32. From a size: scale = out / in.
Result<ResizeAxis> axis_by_scale(int64_t in, float scale);
Result<ResizeAxis> axis_by_size(int64_t in, int64_t out);

// Of a Resize node, one for each axis of its input.
Result<std::vector<ResizeAxis>> resize_axes(const OpContext&, CoordinateMode);

float source_coordinate(const ResizeAxis&, CoordinateMode, int64_t out);
// Whether tf_crop_and_resize puts the extrapolation value there.
bool is_outside(const ResizeAxis&, float source);

int32_t nearest_index(const ResizeAxis&, NearestMode, float source);  // clamped to the input

// y = (1 - fraction) * x[first] + fraction * x[second], the source clamped to the input first.
struct LinearTap {
  int32_t first = 0, second = 0;
  float fraction = 0;
};
LinearTap linear_tap(const ResizeAxis&, float source);

// Everything at once: output o of the axis is the sum of weight * x[index] over `taps` entries from o * taps.
struct ResizeTaps {
  int64_t taps = 1;
  std::vector<int32_t> index;
  std::vector<double> weight;
  std::vector<bool> outside;  // by output coordinate; empty when nothing is
};
ResizeTaps resize_taps(const ResizeAxis&, const ResizeOptions&);

}  // namespace quadlane
