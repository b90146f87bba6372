// What computing a node on constants costs, so that a small file cannot ask for much: its outputs may be huge, and
// convolutions and products take far more steps than they have operands.
#pragma once

#include "graph/graph.h"

namespace quadlane {

// Elementary steps of the scalar reference, as a rule of thumb: elements read and written, or multiply-adds.
double evaluation_work(const Node&, std::span<const TensorType> inputs, std::span<const TensorType> outputs);

// The part of it that inferring its types takes already, where the inputs are known: NonMaxSuppression has to search.
double inference_work(const Node&, std::span<const TensorType> inputs);

inline constexpr double kInferenceWork = 1e9, kUnlimitedWork = 1e30;

// What may be spent on all nodes together.
struct FoldBudget {
  int64_t elements;  // of one value
  size_t bytes;      // of all values
  double work = 1e9;

  bool allows(const Node&, std::span<const TensorType> inputs, std::span<const TensorType> outputs) const;
  void spend(const Node&, std::span<const TensorType> inputs, std::span<const TensorType> outputs);
};

}  // namespace quadlane
