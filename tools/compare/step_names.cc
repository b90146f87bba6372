#include "tools/compare/step_names.h"

#include <algorithm>
#include <map>

namespace quadlane::tools {

std::vector<StepNames> names_of_steps(const Graph& file, std::span<const std::string> steps) {
  std::map<std::string, size_t> by_name;
  for (size_t i = 0; i < steps.size(); ++i) by_name[steps[i]] = i;  // the last of several: it does the work
  std::vector<StepNames> result(steps.size());
  std::map<ValueId, std::pair<size_t, size_t>> owners;  // when it was computed, and by which step
  size_t moment = 0;
  for (NodeId id : file.order()) {
    const Node& node = file.at(id);
    std::pair<size_t, size_t> owner{0, steps.size()};
    for (ValueId input : node.inputs)
      if (const auto found = owners.find(input); found != owners.end()) owner = std::max(owner, found->second);
    if (const auto own = by_name.find(node.name); own != by_name.end()) owner.second = own->second;
    if (owner.second == steps.size()) continue;
    StepNames& step = result[owner.second];
    step.names.push_back(node.name);
    ++moment;
    for (ValueId output : node.outputs) {
      if (output == kNoValue) continue;
      owners[output] = {moment, owner.second};
      step.names.push_back(file.at(output).name);
    }
    // Bytes and the reals they stand for are one value: the bytes leave the step. So they do beside what is made of a
    // scale that was found with them.
    const Node* bytes = step.value == kNoValue ? nullptr : file.producer(step.value);
    const bool beside_bytes = bytes && bytes->op == "DynamicQuantizeLinear";
    if (node.op != "DequantizeLinear" && !beside_bytes) step.value = node.outputs[0];
  }
  return result;
}

}  // namespace quadlane::tools
