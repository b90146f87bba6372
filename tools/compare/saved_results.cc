#include "tools/compare/saved_results.h"

#include <algorithm>
#include <cmath>

#include "tools/cli/table.h"
#include "tools/measure/statistics.h"

namespace quadlane::tools {
namespace {

using nlohmann::json;

enum class Kind { bench, profile, comparison, unknown };
Kind kind_of(const json& j) {
  if (!j.is_object()) return Kind::unknown;
  if (j.value("kind", "") == "comparison" && j.contains("engines")) return Kind::comparison;
  if (j.contains("layers") && j.contains("instrumented_ms")) return Kind::profile;
  return j.contains("throughput_fps") && j.contains("latency_ms") ? Kind::bench : Kind::unknown;
}

// The chance of such a difference of means by noise alone, from deviations and counts.
std::optional<double> p_of_means(const json& before, const json& after) {
  auto error = [](const json& j) {
    const double mean = j["latency_ms"].value("mean", 0.0), n = j.value("requests", 0.0);
    return n > 1 ? j.value("latency_variation", 0.0) * mean / std::sqrt(n) : 0;
  };
  const double noise = std::hypot(error(before), error(after));
  const double change = after["latency_ms"].value("mean", 0.0) - before["latency_ms"].value("mean", 0.0);
  if (noise <= 0) return std::nullopt;
  return std::erfc(std::abs(change) / noise / std::sqrt(2.0));
}

std::vector<SavedChange> bench_changes(const json& a, const json& b) {
  std::vector<SavedChange> changes;
  auto add = [&](std::string what, const json& before, const json& after, bool more, bool counts,
                 std::optional<double> p = {}) {
    if (before.is_number() && after.is_number())
      changes.push_back({std::move(what), before.get<double>(), after.get<double>(), more, counts, p});
  };
  const json none;
  auto at = [&](const json& j, const char* key) -> const json& { return j.contains(key) ? j[key] : none; };
  const std::optional<double> p = p_of_means(a, b);
  for (const char* q : {"median", "p90", "p95", "p99", "max"})
    add(cat("latency_ms.", q), at(a["latency_ms"], q), at(b["latency_ms"], q), false, std::string(q) == "median", p);
  add("throughput_fps", a["throughput_fps"], b["throughput_fps"], true, true, p);
  for (const char* key : {"first_inference_ms", "compile_ms", "arena_bytes", "weight_bytes", "resident_bytes"})
    add(key, at(a, key), at(b, key), false, false);
  add("percent_of_peak", at(a, "percent_of_peak"), at(b, "percent_of_peak"), true, false);
  return changes;
}

std::vector<SavedChange> profile_changes(const json& a, const json& b) {
  std::vector<SavedChange> changes = {{"a run, ms", a["ms"].get<double>(), b["ms"].get<double>(), false, true}};
  for (const json& before : a["layers"])
    for (const json& after : b["layers"])
      if (before["name"] == after["name"] && before["op"] == after["op"])
        changes.push_back({cat("layer '", before["name"].get<std::string>(), "', ms"),
                           before["ms"].get<double>(),
                           after["ms"].get<double>(),
                           false,
                           false,
                           {},
                           0,
                           true});
  return changes;
}

std::vector<SavedChange> comparison_changes(const json& a, const json& b) {
  std::vector<SavedChange> changes;
  for (size_t i = 0; i < a["engines"].size(); ++i)
    for (const json& after : b["engines"]) {
      const json& before = a["engines"][i];
      const bool ours = i == 0 && &after == &b["engines"][0];  // whatever its version
      if (before["name"] != after["name"] && !ours) continue;
      const auto old_runs = before["runs_ms"].get<std::vector<double>>();
      const auto new_runs = after["runs_ms"].get<std::vector<double>>();
      changes.push_back({cat(after["name"].get<std::string>(), ", ms"), before["latency_ms"]["median"].get<double>(),
                         after["latency_ms"]["median"].get<double>(), false, ours,
                         measure::rank_test(old_runs, new_runs),
                         measure::least_rank_p(old_runs.size(), new_runs.size())});
    }
  return changes;
}

}  // namespace

Result<std::vector<SavedChange>> compare_saved(const json& before, const json& after) {
  const Kind kind = kind_of(before);
  if (kind == Kind::unknown || kind_of(after) == Kind::unknown)
    return invalid_argument("the ", kind == Kind::unknown ? "first" : "second",
                            " file is no result of bench, profile or compare");
  if (kind != kind_of(after)) return invalid_argument("the files are results of different verbs");
  try {
    return kind == Kind::bench     ? bench_changes(before, after)
           : kind == Kind::profile ? profile_changes(before, after)
                                   : comparison_changes(before, after);
  } catch (const json::exception& error) {
    return invalid_argument("a result lacks something: ", std::string(error.what()));
  }
}

std::string changes_table(const std::vector<SavedChange>& changes) {
  Table table({"", "before", "after", "change %", "p"});
  for (const SavedChange& c : changes)
    table.add({c.what, fixed(c.before, 4), fixed(c.after, 4), fixed(100 * (c.after / c.before - 1), 2),
               !c.p          ? ""
               : *c.p < 1e-4 ? "<0.0001"
                             : fixed(*c.p, 4)});
  return table.text();
}

// Where a profile's loss is, if it has layers that lost.
std::string greatest_loss(const std::vector<SavedChange>& changes) {
  const auto greatest =
      std::max_element(changes.begin(), changes.end(), [](const SavedChange& a, const SavedChange& b) {
        return a.layer < b.layer || (a.layer == b.layer && a.after - a.before < b.after - b.before);
      });
  if (!greatest->layer || greatest->after <= greatest->before) return "";
  return cat("; the most is lost in ", greatest->what, ": ", fixed(greatest->before, 4), " before, ",
             fixed(greatest->after, 4), " after");
}

Status check_enough(const std::vector<SavedChange>& changes) {
  for (const SavedChange& c : changes)
    if (c.counts && c.least_p >= measure::kSureBelow)
      return invalid_argument("'", c.what, "' has too few runs for --fail-over: no difference gives p below ",
                              fixed(c.least_p, 4), ", ", measure::kSureBelow, " is sure; measure five or more of each");
  return {};
}

Status check_changes(const std::vector<SavedChange>& changes, double share) {
  for (const SavedChange& c : changes)
    if (c.counts && c.worse() > share && (!c.p || *c.p < measure::kSureBelow))
      return invalid_argument(c.what, " is worse by ", fixed(100 * c.worse(), 1), " % (", fixed(c.before, 3),
                              " before, ", fixed(c.after, 3), " after), the limit is ", fixed(100 * share, 1), " %",
                              greatest_loss(changes));
  return {};
}

}  // namespace quadlane::tools
