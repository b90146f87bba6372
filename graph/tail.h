// The tail of a model: everything behind the first operators whose output types depend on data (NonZero,
// NonMaxSuppression, a shape computed from them, a branch taken on them). The graph in front of it is typed, passed
// through all rewrites and compiled as any other; its outputs are what the model returns of it and what the tail
// reads. The tail itself has no types until the values are there: it runs node by node, inferring and evaluating.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/op_table.h"

namespace quadlane {

// Computes a node faster than its reference; null inputs are absent. False: it does not, for this node.
using HeavyNodes =
    std::function<Result<bool>(const Node&, std::span<const Tensor* const> inputs, std::span<const MutView> outputs)>;

class Tail {
 public:
  // One output of the model.
  struct Output {
    std::string name;
    DType dtype;                         // as the file declares it; a computed tensor says for itself
    std::optional<size_t> graph_output;  // it is this output of the graph; empty: the tail computes it
  };

  virtual ~Tail() = default;
  const std::vector<Output>& outputs() const { return outputs_; }
  // One line for each node, for people.
  const std::vector<std::string>& nodes() const { return nodes_; }

  // The model's outputs from the graph's, which are given in order; those that the graph computes stay empty.
  // Allocates; refuses what exceeds the limits of folding (LoadOptions). May be called from several threads.
  // `heavy` (may be empty) is asked before a reference runs.
  virtual Result<std::vector<Tensor>> run(std::span<const View> graph_outputs, const HeavyNodes& heavy = {}) const = 0;

 protected:
  Tail(std::vector<Output> outputs, std::vector<std::string> nodes)
      : outputs_(std::move(outputs)), nodes_(std::move(nodes)) {}

 private:
  std::vector<Output> outputs_;
  std::vector<std::string> nodes_;
};

}  // namespace quadlane
