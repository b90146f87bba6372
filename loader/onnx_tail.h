// The tail of a model (graph/tail.h) as nodes of the file: it runs by importing them with every value known, so that
// nothing is left but constants. Internal to loader/: sees protobuf.
#pragma once

#include "graph/tail.h"
#include "loader/load.h"
#include "loader/node_importer.h"

namespace quadlane {

struct TailSource {
  const onnx::ModelProto& model;
  const std::vector<int>& nodes;  // of the main graph, producers first
  std::vector<Tail::Output> outputs;
  const Opsets& opsets;
  const LoadOptions& options;
  const std::string& directory;  // of external data
};

// What the nodes read is bound in the emitter's scope: constants are taken along, other values become `graph_outputs`
// unless they are already.
Result<std::shared_ptr<const Tail>> make_tail(TailSource, const Emitter&, std::vector<ValueId>& graph_outputs);

// How a tail goes into a file, see save.h. The nodes are written as they were read, but for lists that became inputs,
// so the file's opset must give every operator the meaning it had: `opset_for_tail` is the one nearest to what is
// wanted, `oldest` or newer.
Result<int> opset_for_tail(const Tail&, int wanted, int oldest, int newest);
// Appends the nodes and what they read. `output_names`: of the graph in front, as written;
// `is_taken`: names of the file so far.
Status write_tail(const Tail&, int opset, std::span<const std::string> output_names,
                  const std::function<bool(const std::string&)>& is_taken, onnx::ModelProto* file);

}  // namespace quadlane
