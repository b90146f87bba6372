// An exam through the streams of a model: every slice of every phase prepared, run, and its classes put back in place.
#pragma once

#include "engine/api/engine.h"
#include "tools/cli/streams.h"
#include "tools/heart/exam.h"

namespace quadlane::tools {

struct Segmentation {
  std::vector<uint8_t> labels;  // of the exam's shape
  double seconds = 0;           // from the first slice's preparation to the last label
};

// The model takes f32 [1,1,S,S] and gives scores f32 [1,4,S,S]; anything else is an error that shows both.
Status check_segmentation_model(const Model&);
Result<Segmentation> segment_exam(const Exam&, const Model&, const StreamSettings&, const std::string& label);

// `count` slices spread evenly over the exam, prepared for the model: calibration inputs.
Result<std::vector<Tensor>> prepared_slices(const Exam&, int size, int count);

}  // namespace quadlane::tools
