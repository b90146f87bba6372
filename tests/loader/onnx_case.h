// One of ONNX's backend tests: a directory with model.onnx and test_data_set_*/{input,output}_*.pb.
#pragma once

#include <filesystem>
#include <string>

#include "graph/op_table.h"

namespace quadlane::testing {

struct CaseResult {
  enum class Kind { passed, failed, refused, not_ours } kind;
  std::string op;      // the operator, or "(several)"
  std::string reason;  // unless passed
};

// Loads, interprets and compares every data set. What a model takes as an input although the engine needs it while
// loading (shapes, axes, scales) is turned into an initializer, as it is in real models: first as is, then all inputs
// but the first, then all. Half-precision models that are refused as they are run widened to f32.
CaseResult run_onnx_case(const std::filesystem::path& directory, const OpTable&, double rtol = 1e-3,
                         double atol = 1e-7);

}  // namespace quadlane::testing
