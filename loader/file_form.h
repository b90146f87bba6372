// The canonical form of a node (opset 21) in the form that a file's opset has: the reverse of upgrade.h.
#pragma once

#include <functional>
#include <optional>

#include "graph/graph.h"

namespace quadlane {

inline constexpr int kOldestWritten = 13, kNewestWritten = 24;  // opsets

// A node as it goes into the file: inputs by name, "" where absent.
struct FileNode {
  std::string op;
  Attrs attrs;
  std::vector<std::string> inputs;

  void set_input(size_t i, std::string name) {
    if (inputs.size() <= i) inputs.resize(i + 1);
    inputs[i] = std::move(name);
  }
};

// The oldest opset that can express the node, 13 or later.
Result<int> required_opset(const Graph&, const Node&);

// `add_initializer` stores a tensor under a name made from the hint and returns the name.
using AddInitializer = std::function<std::string(const std::string& hint, const Tensor&)>;
Result<FileNode> file_form(const Graph&, const Node&, int opset, const AddInitializer& add_initializer);

}  // namespace quadlane
