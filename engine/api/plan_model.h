// Plan files (engine/run/plan_file.h) made of graphs.
#pragma once

#include "engine/api/engine.h"
#include "engine/compile/compile.h"
#include "engine/run/plan_file.h"

namespace quadlane {

struct PlanFileOptions {
  std::vector<Isa> isas;  // one plan for each; empty: the best this machine runs
  bool ahead = false;     // the machine code goes into the file
  bool graph = true;      // the graph does: without it a file without code is of no use
  run::PlanInfo about;    // names and hashes
  std::optional<Ed25519Key> signing_seed;
};

// Compiles a graph of standard operators, as load_onnx or quantize give it. An instruction set that this machine lacks
// is compiled for as well: schedules are then chosen by the model alone.
Result<std::vector<std::byte>> make_plan_file(Graph graph, const ModelOptions&, const PlanFileOptions&);

// What compiling takes over from the options of a model: its limits.
compile::CompileOptions limits(const ModelOptions&);

// Whether the file begins as plan files do.
bool is_plan_file(const std::string& path);

}  // namespace quadlane
