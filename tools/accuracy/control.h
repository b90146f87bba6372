// --max-drop: quantizes so that a task loses no more than a bound.
#pragma once

#include <map>
#include <optional>

#include "graph/quant/quantize.h"
#include "tools/accuracy/evaluator.h"

namespace quadlane::tools {

struct DropBound {
  double max_drop = 0;
  Metric metric = Metric::sqnr;
  std::string labels;      // folder; empty: fp32 is right
  size_t most = SIZE_MAX;  // convolutions that may stay in fp32
};

// The samples in three: statistics are taken of the first part, layers are chosen on the second, the third checks.
struct SampleParts {
  CalibrationSource statistics;
  std::vector<Sample> tuning, held_out;
  bool apart = true;  // false: too few to hold any out, all three are all of them
  std::string note;   // then
};
SampleParts split_in_three(const CalibrationSource&, Metric);

struct ControlResult {
  KeptLayers layers;
  double fp32_score = 1, fp32_held_out = 1;
  size_t tuning = 0, held_out = 0;  // inputs
  bool apart = true;                // as in SampleParts
  // Of all inputs, where ranges that count those that chose and checked meet the bound, too: few inputs show too little
  // to be left out of what is written. The losses above are from before.
  std::optional<Profile> all;
  std::optional<DropInterval> interval;  // of what is written, on other inputs; none where all were chosen on
  // One run, untuned; measured after the choice, which depends on no time.
  double fp32_ms = 0, int8_ms = 0, ms = 0;  // ms: with the layers kept; 0: nothing was kept
  std::map<std::string, double> cost_ms;    // of each kept layer alone over int8

  // What the inputs that check are, for people.
  const char* checked_on() const { return apart ? "held-out inputs" : "the same inputs: too few to hold any out"; }
};

// `policy`: everything but the layers to keep.
Result<ControlResult> control_accuracy(const Graph& fp32, const Profile&, const QuantPolicy& policy, const SampleParts&,
                                       const DropBound&);

}  // namespace quadlane::tools
