// Calibration: running a graph on samples and recording every activation.
#pragma once

#include "graph/op_table.h"
#include "graph/quant/products.h"
#include "graph/quant/profile.h"

namespace quadlane {

// Runs the graph once and shows every value it computes, graph inputs included: interpret(), or an engine.
using Evaluate =
    std::function<Status(std::span<const Tensor> inputs, const std::function<void(ValueId, const Tensor&)>& observe)>;
// interpret() as an Evaluate. The graph must outlive it.
Evaluate reference_evaluator(const Graph&, const OpTable&);

// Takes samples one by one. The profile is keyed by the names of the graph's values: calibrate the graph that will be
// quantized, that is, the simplified one.
class Calibrator {
 public:
  // `histograms`: kept beside the extremes; every method but minmax and average needs them.
  Calibrator(const Graph& graph, Evaluate evaluate, bool histograms = false, ParallelFor parallel = one_by_one)
      : graph_(graph),
        evaluate_(std::move(evaluate)),
        parallel_(std::move(parallel)),
        columns_(read_by_columns(graph)),
        profile_(histograms) {}

  Status add(std::span<const Tensor> inputs);
  const Profile& profile() const { return profile_; }

 private:
  const Graph& graph_;
  Evaluate evaluate_;
  ParallelFor parallel_;
  std::set<ValueId> columns_;
  Profile profile_;
};

}  // namespace quadlane
