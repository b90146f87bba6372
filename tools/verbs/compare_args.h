// What `compare` is told, and the two of its ways that time nothing.
#pragma once

#include <string>
#include <vector>

#include "tools/cli/workload.h"

namespace quadlane::tools {

inline constexpr int kRegression = 3;  // exit code

struct CompareArgs {
  WorkloadArgs workload;
  std::vector<std::string> with, also;
  std::string newer, build, peer_model, ort, openvino, onednn, fail_over, json, html;
  int rounds = 7;
  bool layers = false, by_node = false;

  bool wants(const char* engine) const;
};

// Two results of bench, profile or compare. `share`: of --fail-over; negative: none.
Status compare_files(const CompareArgs&, double share, int& exit_code);
// Where the values of two models, or of two engines on one, lie apart.
Status compare_values(const CompareArgs&);

}  // namespace quadlane::tools
