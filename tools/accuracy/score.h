// What a network's answers are worth by a metric. Scores of single inputs add up to that of all of them, or of any
// selection.
#pragma once

#include "tools/accuracy/detections.h"
#include "tools/accuracy/task_score.h"

namespace quadlane::tools {

// Of floats against those of fp32.
struct Power {
  double signal = 0, noise = 0;
  void add(const Tensor& wanted, const Tensor& got);
  double share() const;  // noise / signal
};

class Score {
 public:
  explicit Score(Metric metric) : metric_(metric), task(metric) {}
  Score& operator+=(const Score&);

  double value() const;  // of the task; sqnr: 1 - noise()
  double noise() const;  // of the output that has most
  Metric metric() const { return metric_; }

 private:
  Metric metric_;

 public:
  TaskScore task;
  BoxScore boxes;
  std::vector<Power> powers;  // of each output
};

}  // namespace quadlane::tools
