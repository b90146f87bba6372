// What a network's answers are worth by a metric. Scores of single inputs add up to that of all of them, or of any
// selection.
#pragma once

#include "tools/accuracy/class_margins.h"
#include "tools/accuracy/detections.h"
#include "tools/accuracy/task_score.h"

namespace quadlane::tools {

// Of floats against those of fp32.
struct Power {
  double signal = 0, noise = 0;
  void add(const Tensor& wanted, const Tensor& got);
  double share() const;  // noise / signal
};

struct Score {
  Metric metric;
  TaskScore task;
  ClassMargins margins;  // top1 against fp32
  BoxScore boxes;
  std::vector<Power> powers;  // of each output

  explicit Score(Metric m) : metric(m), task(m) {}
  Score& operator+=(const Score&);
  double value() const;  // of the task; sqnr: 1 - noise()
  double noise() const;  // of the output that has most
};

}  // namespace quadlane::tools
