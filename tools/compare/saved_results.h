// Two JSON results of bench, profile or compare, an older and a newer one.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace quadlane::tools {

struct SavedChange {
  std::string what;              // "latency_ms.median", "layer '/stem/Conv'", "ONNX Runtime 1.30.0"
  double before = 0, after = 0;  // NaN: a layer or an engine that the other alone has
  bool more_is_better = false;
  bool counts = false;      // a regression of it fails a check; the others are shown only
  std::optional<double> p;  // the chance that only noise made the difference, where the results tell
  double least_p = 0;       // that they could give
  bool layer = false;       // of a profile

  double change() const { return after / before - 1; }
  // How much worse, as a share: positive is worse.
  double worse() const { return more_is_better ? before / after - 1 : change(); }
};

Result<std::vector<SavedChange>> compare_saved(const nlohmann::json& before, const nlohmann::json& after);
// What else differs: "threads: 1 before, 2 after". The model, the load, the machine; of what both results tell.
std::vector<std::string> other_conditions(const nlohmann::json& before, const nlohmann::json& after);

// What it is, before, after, change in percent, p: of each.
std::vector<std::vector<std::string>> changes_rows(const std::vector<SavedChange>&);
std::string changes_table(const std::vector<SavedChange>&);
nlohmann::ordered_json changes_json(const std::vector<SavedChange>&);
// An error where the results hold too few runs for any change that counts to be sure.
Status check_enough(const std::vector<SavedChange>&);
// An error for the first that counts and is worse by more than this share, unless noise explains it.
Status check_changes(const std::vector<SavedChange>&, double share);

}  // namespace quadlane::tools
