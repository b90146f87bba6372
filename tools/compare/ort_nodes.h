// Quadlane and ONNX Runtime layer by layer: the times of our steps beside those of its nodes, as its profiler reports
// them.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/compare/contender.h"

namespace quadlane::tools {

struct NodePair {
  std::string name, op;            // of our step; empty: nodes that belong to no step
  double ms = 0;                   // the least of some runs
  double ort_ms = 0;               // likewise, of the nodes that belong to the step
  std::string ort_operators;       // "QLinearConv, QuantizeLinear"
  std::vector<std::string> names;  // further ones: of what is fused into the step, and of the values it computes
};

// One stream. A node belongs to the step with the longest name that its own name begins with, followed by nothing or by
// no letter or digit: engines that fuse call what remains by one of the names, or by that of the value it computes
// ("131_nchwc").
Result<std::vector<NodePair>> ort_nodes(const peers::Ort&, const WorkloadArgs&, const Workload&,
                                        const std::string& file);

std::string node_table(const std::vector<NodePair>&);
nlohmann::ordered_json node_json(const std::vector<NodePair>&);

// The nodes of a profile: name, operator, least milliseconds of a run.
struct NodeTime {
  std::string name, op;
  double ms = 0;
};
Result<std::vector<NodeTime>> parse_ort_profile(const std::string& text);
std::vector<NodePair> pair_nodes(std::vector<NodePair> steps, const std::vector<NodeTime>& nodes);

}  // namespace quadlane::tools
