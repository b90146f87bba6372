// A pass is a rewrite with a name: before -> after in the header of its file, switchable, counted, timed, and the graph
// is verified after it. The pipelines are ordered lists of passes in pipeline.cc.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <set>

#include "graph/op_table.h"

namespace quadlane {

struct Pass {
  const char* name;                            // "fold_batch_norm"
  const char* summary;                         // "Conv -> BatchNormalization  =>  Conv"
  Result<int> (*run)(Graph&, const OpTable&);  // rewrites made
};

struct PassReport {
  const char* name;
  int rewrites;
  double ms;
};

struct PassOptions {
  std::set<std::string> disabled;                             // by name
  std::function<void(const char* pass, const Graph&)> after;  // dump hook; called with "load" before the first
  std::vector<PassReport>* report = nullptr;
  std::optional<std::chrono::steady_clock::time_point> deadline = {};  // looked at in front of each pass
};

// Runs the list in order, repeating it while anything changes (at most 16 times). An unknown disabled name is an error.
Status run_passes(Graph&, const OpTable&, std::span<const Pass> passes, const PassOptions& = {});

// Standard operators in, standard operators out: constants folded, batch norms folded into convolutions before them,
// identities, dropouts and dead nodes removed, pads merged into convolutions, ...  Runs before calibration.
std::span<const Pass> simplify_passes();
// Behind the former, for a graph that will be quantized: fully connected layers are convolutions. Before calibration
// too.
std::span<const Pass> quantizable_passes();
// For fp32 execution: activations, residual adds and BN-ReLU before a convolution merged into ql.Conv.
std::span<const Pass> fuse_f32_passes();
// For int8 execution of a QDQ graph: Q/DQ patterns become ql.* integer operators.
std::span<const Pass> fuse_int8_passes();
// Every pass of these lists, for --after, --disable and the docs.
std::vector<Pass> all_passes();

}  // namespace quadlane
