// How well outputs answer a task, against labels or against what fp32 answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/tensor.h"

namespace quadlane::tools {

enum class Metric : uint8_t { dice, miou, top1, sqnr, map };
std::optional<Metric> metric_of(std::string_view name);

// [N,H,W,C], as networks from TensorFlow have it: fewer channels than rows and columns.
bool channels_last(const Shape&);

// The class of every pixel, or of every picture of a batch (top1).
using Classes = std::vector<int32_t>;

// From an output: the largest of the channels (axis 1, or the last of [N, H, W, C]) or, of one channel, whether it
// exceeds `threshold`; integers are classes already. top1: of each row of the outermost extent, integers' first
// element.
Result<Classes> classes_of(Metric, const Tensor& output, float threshold);
// What labels of an output have to look like.
struct LabelForm {
  Shape shape;  // a class for each element; extents of 1 do not matter
  int64_t classes = 0;
};
Result<LabelForm> label_form(Metric, const Tensor& output);
// 0.5 where every element lies in [0, 1], as behind a sigmoid, else 0.
float threshold_of(const Tensor& output);

// Counts over all samples. The score is 1 where everything agrees:
//   dice  mean over the classes but 0 of 2 |a and b| / (|a| + |b|)      miou  mean over all classes of |a and b| / |a
//   or b| top1  share of the pictures whose class is right
class TaskScore {
 public:
  explicit TaskScore(Metric metric) : metric_(metric) {}
  // `wanted` may hold kAnyClass where nothing is known. A class that `got` lacks is wrong (top1) or does not count.
  void add(const Classes& got, const Classes& wanted);
  TaskScore& operator+=(const TaskScore&);
  double value() const;
  double right() const { return right_; }  // top1: answers
  double answers() const { return all_; }

  static constexpr int32_t kAnyClass = -1, kLastClass = 65535;

 private:
  struct Count {
    double both = 0, got = 0, wanted = 0;
  };
  Metric metric_;
  std::vector<Count> counts_;
  double right_ = 0, all_ = 0;
};

}  // namespace quadlane::tools
