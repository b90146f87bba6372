// Steps that move dense tensors: to and from planes, from place to place.
#pragma once

#include "engine/base/tensor.h"
#include "engine/run/step.h"

namespace quadlane::run {

class CopyStep final : public Step {
 public:
  CopyStep() = default;  // to be read
  CopyStep(DenseAddress from, DenseAddress to, size_t bytes) : from_(from), to_(to), bytes_(bytes) {}
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  DenseAddress from_, to_;
  size_t bytes_;

 public:
  static constexpr auto kFields = std::tuple{&CopyStep::from_, &CopyStep::to_, &CopyStep::bytes_};
  void check(Checker&) const;
};

// Which channel of the dense tensor each lane of a plane holds; -1: none. f32 planes use lane 0.
struct PlaneLanes {
  int64_t plane;  // arena offset of pixel (0, 0) of image 0
  int32_t channels[4];
  uint32_t pad;  // bits of the padding lanes (packing only)
  static constexpr auto kFields = std::tuple{&PlaneLanes::plane, &PlaneLanes::channels, &PlaneLanes::pad};
};

// Dense NCHW (f32 or u8) -> planes, padding included.
class PackStep final : public Step {
 public:
  PackStep() = default;
  PackStep(DenseAddress from, DType dtype, int64_t channels, const Geometry& g, std::vector<PlaneLanes> planes)
      : from_(from), dtype_(dtype), channels_(channels), geometry_(g), planes_(std::move(planes)) {
    for (const PlaneLanes& p : planes_) offsets_.push_back(p.plane), pads_.push_back(p.pad);
  }
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  DenseAddress from_;
  DType dtype_;
  int64_t channels_;
  Geometry geometry_;
  std::vector<PlaneLanes> planes_;
  std::vector<int64_t> offsets_;
  std::vector<uint32_t> pads_;

 public:
  static constexpr auto kFields =
      std::tuple{&PackStep::from_,   &PackStep::dtype_,   &PackStep::channels_, &PackStep::geometry_,
                 &PackStep::planes_, &PackStep::offsets_, &PackStep::pads_};
  void check(Checker&) const;
};

// Planes -> dense NCHW.
class UnpackStep final : public Step {
 public:
  UnpackStep() = default;
  UnpackStep(std::vector<PlaneLanes> planes, const Geometry& g, DType dtype, int64_t channels, DenseAddress to)
      : planes_(std::move(planes)), geometry_(g), dtype_(dtype), channels_(channels), to_(to) {}
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  std::vector<PlaneLanes> planes_;
  Geometry geometry_;
  DType dtype_;
  int64_t channels_;
  DenseAddress to_;

 public:
  static constexpr auto kFields = std::tuple{&UnpackStep::planes_, &UnpackStep::geometry_, &UnpackStep::dtype_,
                                             &UnpackStep::channels_, &UnpackStep::to_};
  void check(Checker&) const;
};

}  // namespace quadlane::run
