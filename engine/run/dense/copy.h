// Copies between strided views of dense tensors: Transpose, Slice, Concat, Split, Expand, Tile, Pad, ...
//
//   dst[dst_offset + sum(index * axis.dst)] = src[src_offset + sum(index * axis.src)]
//
// Axes are merged and ordered when the copy is made; the two innermost ones choose the loop:
//
//   rows       both sides walk the innermost axis by 1                       memcpy
//   fill       the source stands still
//   transpose  the source walks by 1 along one axis, the destination along   8 x 8 blocks in registers
//              the other
//   steps      anything else
#pragma once

#include <vector>

#include "engine/base/tensor.h"
#include "engine/run/step.h"

namespace quadlane::run {

struct CopyAxis {
  int64_t extent, src, dst;  // steps in elements; src may be 0 or negative
  static constexpr auto kFields = std::tuple{&CopyAxis::extent, &CopyAxis::src, &CopyAxis::dst};
};

class StridedCopy {
 public:
  StridedCopy() = default;  // to be read
  // No two elements of the destination are the same. Extents may be 0.
  StridedCopy(size_t element_bytes, std::vector<CopyAxis> axes, int64_t src_offset = 0, int64_t dst_offset = 0);
  void run(const void* src, void* dst, int part, int parts) const noexcept;
  const char* kind() const;
  size_t element_bytes() const { return element_bytes_; }
  enum class Kind : uint8_t { rows, fill, transpose, steps };
  // Whether all elements lie within so many bytes, and no loop is one that its kind does not allow.
  bool fits(size_t src_bytes, size_t dst_bytes) const;

 private:
  template <class T>
  void run_as(const T* src, T* dst, int part, int parts) const;
  template <class T>
  void tile(const T* src, T* dst, int64_t outer, int64_t inner) const;

  size_t element_bytes_ = 1;
  std::vector<CopyAxis> outer_;  // outermost first
  CopyAxis rows_{1, 0, 0}, inner_{1, 1, 1};
  int64_t src_offset_ = 0, dst_offset_ = 0;
  int64_t row_chunk_ = 1, inner_chunk_ = 1;  // what one tile of work covers
  Kind kind_ = Kind::rows;
  bool empty_ = false;

 public:
  static constexpr auto kFields = std::tuple{
      &StridedCopy::element_bytes_, &StridedCopy::outer_,      &StridedCopy::rows_,      &StridedCopy::inner_,
      &StridedCopy::src_offset_,    &StridedCopy::dst_offset_, &StridedCopy::row_chunk_, &StridedCopy::inner_chunk_,
      &StridedCopy::kind_,          &StridedCopy::empty_};
};

// Copies that do not depend on each other.
class CopiesStep final : public Step {
 public:
  struct Job {
    DenseAddress from, to;
    StridedCopy copy;
    static constexpr auto kFields = std::tuple{&Job::from, &Job::to, &Job::copy};
  };
  CopiesStep() = default;
  explicit CopiesStep(std::vector<Job> jobs) : jobs_(std::move(jobs)) {}
  void run(const RunContext& ctx, int part, int parts) const noexcept override {
    for (const Job& job : jobs_) job.copy.run(job.from.at(ctx), job.to.at(ctx), part, parts);
  }

 private:
  std::vector<Job> jobs_;

 public:
  static constexpr auto kFields = std::tuple{&CopiesStep::jobs_};
  void check(Checker&) const;
};

}  // namespace quadlane::run
template <>
inline constexpr auto quadlane::kLastOf<quadlane::run::StridedCopy::Kind> = quadlane::run::StridedCopy::Kind::steps;
