// Launch code of the kernels that make whole rows of planes: quantize, dequantize, pools, resample, phases. The threads
// of a stream split the result rows of all images.
#pragma once

#include <optional>

#include "engine/base/abi/phases.h"
#include "engine/base/abi/pool.h"
#include "engine/base/abi/quantize.h"
#include "engine/base/abi/resample.h"
#include "engine/run/step.h"

namespace quadlane::run {

// Planes that a step writes.
struct Target {
  Geometry geometry;
  std::vector<int64_t> planes;  // arena offsets of pixel (0, 0) of image 0
  std::vector<uint32_t> pads;
  static constexpr auto kFields = std::tuple{&Target::geometry, &Target::planes, &Target::pads};

  std::byte* at(const RunContext& ctx, int64_t image, int64_t y) const {
    return ctx.arena + image * geometry.image_bytes() + y * row_bytes();
  }
  int64_t row_bytes() const { return int64_t{geometry.pitch} * kPixelBytes; }
};

// A set of f32 rows: a dense NCHW tensor, or f32 planes.
struct FloatRows {
  bool dense = true;
  DenseAddress address;  // dense
  int64_t image_bytes = 0, row_bytes = 0;
  std::vector<int64_t> channels;  // [4 * planes] byte offset of each channel's first float; 0 where a byte is none
  static constexpr auto kFields = std::tuple{&FloatRows::dense, &FloatRows::address, &FloatRows::image_bytes,
                                             &FloatRows::row_bytes, &FloatRows::channels};

  std::byte* at(const RunContext& ctx, int64_t image, int64_t y) const {
    auto* base = dense ? static_cast<std::byte*>(address.at(ctx)) : ctx.arena;
    return base + image * image_bytes + y * row_bytes;
  }
};

// Planes [first, first + count) that one kernel serves (quads with the same bytes in use).
struct PlaneGroup {
  KernelFn kernel;
  int64_t first, count;
  static constexpr auto kFields = std::tuple{&PlaneGroup::kernel, &PlaneGroup::first, &PlaneGroup::count};
};

class QuantizeStep final : public Step {
 public:
  FloatRows src;
  Target dst;
  std::vector<PlaneGroup> groups;
  DenseAddress inv_scale, zero;  // float and int32 [4 * planes]
  // u32 [planes] instead of dst.pads where only the run knows the padding.
  std::optional<DenseAddress> run_time_pads;
  static constexpr auto kFields =
      std::tuple{&QuantizeStep::src,       &QuantizeStep::dst,  &QuantizeStep::groups,
                 &QuantizeStep::inv_scale, &QuantizeStep::zero, &QuantizeStep::run_time_pads};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// The range of f32 rows: the least and the largest value of each plane of each image, 0 included.
class RangeStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  KernelFn kernel;
  DenseAddress ranges;  // float [image][plane][least, largest]
  static constexpr auto kFields =
      std::tuple{&RangeStep::src, &RangeStep::src_planes, &RangeStep::kernel, &RangeStep::ranges};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// What a DynamicQuantizeLinear makes of the ranges (engine/base/dynamic_scale.h). One thread: a few hundred floats.
class DynamicScaleStep final : public Step {
 public:
  DenseAddress ranges;
  int64_t range_count;
  DenseAddress scale, zero;          // f32 and u8 of one element
  DenseAddress scales, zeros, pads;  // the same for a QuantizeStep: float, int32 [4 * planes], u32 [pad_words]
  int64_t planes, pad_words;
  static constexpr auto kFields =
      std::tuple{&DynamicScaleStep::ranges, &DynamicScaleStep::range_count, &DynamicScaleStep::scale,
                 &DynamicScaleStep::zero,   &DynamicScaleStep::scales,      &DynamicScaleStep::zeros,
                 &DynamicScaleStep::pads,   &DynamicScaleStep::planes,      &DynamicScaleStep::pad_words};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// The pixels of each channel as floats, or (`kMeans`) the mean over each channel's whole map: then threads split the
// planes, of which every one is a reduction, and not the rows.
template <bool kMeans>
class DequantizingStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  FloatRows dst;
  std::vector<uint32_t> dst_pads;  // [4 * planes]
  Target dst_planes;               // planar results: for the padding; no planes otherwise
  std::vector<PlaneGroup> groups;
  size_t scale, zero;  // of means: divided by and times the number of pixels
  static constexpr auto kFields =
      std::tuple{&DequantizingStep::src,      &DequantizingStep::src_planes, &DequantizingStep::dst,
                 &DequantizingStep::dst_pads, &DequantizingStep::dst_planes, &DequantizingStep::groups,
                 &DequantizingStep::scale,    &DequantizingStep::zero};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  // The arguments for the planes of a group from p on, and rows from y on.
  DequantizeArgs arguments(const RunContext&, size_t p, int64_t image, int64_t y) const;
};
using DequantizeStep = DequantizingStep<false>;
using DequantizedMeanStep = DequantizingStep<true>;

class PoolStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  Target dst;
  KernelFn kernel;
  int64_t tap_row_bytes;
  size_t rows, factors;  // offsets in the weights
  float v_lo = 0, v_hi = 0;
  int32_t out_zero = 0;
  static constexpr auto kFields =
      std::tuple{&PoolStep::src,  &PoolStep::src_planes, &PoolStep::dst,  &PoolStep::kernel, &PoolStep::tap_row_bytes,
                 &PoolStep::rows, &PoolStep::factors,    &PoolStep::v_lo, &PoolStep::v_hi,   &PoolStep::out_zero};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// Threads split the planes: every plane is one reduction.
class GlobalPoolStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  Target dst;
  KernelFn kernel;
  float m = 1, v_lo = 0, v_hi = 0;
  int32_t bias = 0, out_zero = 0;
  static constexpr auto kFields =
      std::tuple{&GlobalPoolStep::src,    &GlobalPoolStep::src_planes, &GlobalPoolStep::dst,
                 &GlobalPoolStep::kernel, &GlobalPoolStep::m,          &GlobalPoolStep::v_lo,
                 &GlobalPoolStep::v_hi,   &GlobalPoolStep::bias,       &GlobalPoolStep::out_zero};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

class ResampleStep final : public Step {
 public:
  Geometry src;
  std::vector<int64_t> src_planes;
  Target dst;
  KernelFn kernel;
  size_t rows, columns;  // offsets in the weights
  static constexpr auto kFields = std::tuple{&ResampleStep::src,    &ResampleStep::src_planes, &ResampleStep::dst,
                                             &ResampleStep::kernel, &ResampleStep::rows,       &ResampleStep::columns};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

// One source plane becomes the wanted phases of one row phase.
class PhaseSplitStep final : public Step {
 public:
  struct RowPhase {
    KernelFn kernel;
    size_t src_rows;              // offset in the weights of int64[rows]
    std::vector<int64_t> planes;  // [source planes][wanted column phases]
    static constexpr auto kFields = std::tuple{&RowPhase::kernel, &RowPhase::src_rows, &RowPhase::planes};
  };
  Geometry src;
  std::vector<int64_t> src_planes;
  Target dst;                  // all phase planes, for the padding
  std::vector<uint32_t> pads;  // [source planes]
  std::vector<RowPhase> phases;
  std::optional<DenseAddress> run_time_pads;  // u32 [phase planes] instead of dst.pads and pads
  static constexpr auto kFields =
      std::tuple{&PhaseSplitStep::src,  &PhaseSplitStep::src_planes, &PhaseSplitStep::dst,
                 &PhaseSplitStep::pads, &PhaseSplitStep::phases,     &PhaseSplitStep::run_time_pads};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

class PhaseInterleaveStep final : public Step {
 public:
  Geometry src;                                  // of a phase
  std::vector<std::vector<int64_t>> src_planes;  // for each row phase: [planes][column phases]
  Target dst;
  KernelFn kernel;
  static constexpr auto kFields = std::tuple{&PhaseInterleaveStep::src, &PhaseInterleaveStep::src_planes,
                                             &PhaseInterleaveStep::dst, &PhaseInterleaveStep::kernel};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;
};

}  // namespace quadlane::run
