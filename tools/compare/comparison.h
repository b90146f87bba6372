// Engines side by side on one model: times in turn, how sure a difference is, how far the outputs lie apart.
#pragma once

#include <nlohmann/json.hpp>

#include "tools/compare/contender.h"
#include "tools/compare/difference.h"
#include "tools/compare/layer_pair.h"
#include "tools/compare/ort_nodes.h"
#include "tools/measure/machine.h"

namespace quadlane::tools {

struct Comparison {
  std::string model, model_sha256;
  StreamSettings settings;
  double images = 1;               // in a run: of one request on every stream
  std::vector<Contender> engines;  // the first is ours
  std::vector<LayerPair> layers;   // beside oneDNN; empty when not asked for
  std::string onednn_version;
  std::vector<NodePair> nodes;       // beside ONNX Runtime's; empty when not asked for
  std::vector<std::string> remarks;  // engines left out, and why; what makes the figures doubtful
  double other_load = 0;             // share of the processors that others used meanwhile
};

// Since `before`, when the measurement began.
void remark_other_load(const measure::CpuTime& before, Comparison&);

// Timed runs of all engines in turn, each behind an untimed one of its own, for so many seconds; at least six rounds,
// of which two neighbours may change places and the difference is sure.
Status run_in_turn(Comparison&, double seconds);

std::string comparison_table(const Comparison&);
nlohmann::ordered_json comparison_json(const Comparison&);
std::string comparison_page(const nlohmann::ordered_json&);

// A regression of the first engine, or of a layer beside oneDNN: slower by more than this share, and surely so.
Status check_regression(const Comparison&, double share);

}  // namespace quadlane::tools
