// A network that shows values inside it.
#pragma once

#include <memory>

#include "engine/api/engine.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {

class Exposed {
 public:
  // The graph with these values as its outputs, compiled for this machine.
  static Result<Exposed> make(const Graph&, const std::vector<std::string>& names);

  Status run(std::span<const Tensor> inputs);
  // Of the last run, as names[i].
  const Tensor& value(size_t i) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace quadlane::tools
