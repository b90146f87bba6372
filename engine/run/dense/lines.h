// A dense f32 tensor seen along one axis (or several neighbouring ones): [outer, extent, inner]. Operators that combine
// the elements of a line: softmax, reductions, arg max. Where inner is 1 a line is contiguous and summed in 32 strands,
// else neighbouring lines are walked together, up to kLineGroup at a time; short contiguous lines are transposed and
// then are neighbours. Each order is fixed: results depend neither on the threads nor on the instruction set.
#pragma once

#include "engine/base/cpu.h"
#include "engine/run/step.h"

namespace quadlane::run {

struct Lines {
  int64_t outer, extent, inner;
  static constexpr auto kFields = std::tuple{&Lines::outer, &Lines::extent, &Lines::inner};
};
inline constexpr int64_t kLineGroup = 256, kShortLine = 64;

enum class Reduction : uint8_t { sum, mean, max, min, l1, l2, sum_square, product };
}  // namespace quadlane::run
template <>
inline constexpr quadlane::run::Reduction quadlane::kLastOf<quadlane::run::Reduction> =
    quadlane::run::Reduction::product;
namespace quadlane::run {

// Neighbouring lines, or a single one.
struct LineGroup {
  const float* x;  // element e of line c is x[e * step + c]
  float* y;        // the same place in a result of the lines' shape
  int64_t step, columns;
  int64_t first;  // which line the first one is, of outer * inner
};

class LinesStep : public Step {
 public:
  Isa isa = Isa::avx2;
  Lines lines{};
  DenseAddress from{}, to{};
  static constexpr auto kFields = std::tuple{&LinesStep::isa, &LinesStep::lines, &LinesStep::from, &LinesStep::to};
  void run(const RunContext&, int part, int parts) const noexcept final;

 protected:
  void check_lines(Checker&) const;
  virtual void group(const RunContext&, const LineGroup&) const = 0;
  // Whether the result has the lines' shape, or is something for each line that group() stores itself.
  virtual bool keeps_shape() const { return false; }

 private:
  void short_lines(const RunContext&, int part, int parts) const;
};

class SoftmaxStep final : public LinesStep {
 public:
  bool log = false;
  static constexpr auto kFields = std::tuple_cat(LinesStep::kFields, std::tuple{&SoftmaxStep::log});
  void check(Checker&) const;

 private:
  bool keeps_shape() const override { return true; }
  void group(const RunContext&, const LineGroup&) const override;
};

class ReduceStep final : public LinesStep {
 public:
  Reduction op = Reduction::sum;
  static constexpr auto kFields = std::tuple_cat(LinesStep::kFields, std::tuple{&ReduceStep::op});
  void check(Checker&) const;

 private:
  void group(const RunContext&, const LineGroup&) const override;
};

// Layer normalization: y = (x - mean) / sqrt(variance + epsilon) * scale + bias along contiguous lines; without
// centring the mean is 0 (RMSNormalization). Scale and bias lie along the line.
class LayerNormStep final : public LinesStep {
 public:
  bool centred = true, has_bias = false;
  float epsilon = 1e-5f;
  DenseAddress scale{}, bias{};
  static constexpr auto kFields = std::tuple_cat(
      LinesStep::kFields, std::tuple{&LayerNormStep::centred, &LayerNormStep::has_bias, &LayerNormStep::epsilon,
                                     &LayerNormStep::scale, &LayerNormStep::bias});
  void check(Checker&) const;

 private:
  bool keeps_shape() const override { return true; }
  void group(const RunContext&, const LineGroup&) const override;
};

// Indices as s64. The first NaN of a line wins; of equal ones the first or the last.
class ArgStep final : public LinesStep {
 public:
  bool max = true, last = false;
  static constexpr auto kFields = std::tuple_cat(LinesStep::kFields, std::tuple{&ArgStep::max, &ArgStep::last});
  void check(Checker&) const;

 private:
  void group(const RunContext&, const LineGroup&) const override;
};

// The k best of each line, best first, and their indices; NaN counts as the largest, of equal ones the first is better.
class TopKStep final : public LinesStep {
 public:
  static constexpr int64_t kMost = 512;
  int64_t k = 1;
  bool largest = true;
  DenseAddress indices{};  // s64
  static constexpr auto kFields =
      std::tuple_cat(LinesStep::kFields, std::tuple{&TopKStep::k, &TopKStep::largest, &TopKStep::indices});
  void check(Checker&) const;

 private:
  void group(const RunContext&, const LineGroup&) const override;
};

// y[e] = sum of x[0..e], without x[e] when exclusive, from the end when reverse; in the order of the line.
class CumSumStep final : public LinesStep {
 public:
  bool exclusive = false, reverse = false;
  static constexpr auto kFields =
      std::tuple_cat(LinesStep::kFields, std::tuple{&CumSumStep::exclusive, &CumSumStep::reverse});
  void check(Checker&) const;

 private:
  bool keeps_shape() const override { return true; }
  void group(const RunContext&, const LineGroup&) const override;
};

}  // namespace quadlane::run
