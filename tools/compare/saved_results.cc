#include "tools/compare/saved_results.h"

#include <algorithm>
#include <cmath>
#include <map>

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
  for (const char* q : {"mean", "median", "p90", "p95", "p99", "max"}) {
    const bool median = std::string(q) == "median", middle = median || std::string(q) == "mean";
    add(cat("latency_ms.", q), at(a["latency_ms"], q), at(b["latency_ms"], q), false, median,
        middle ? p : std::nullopt);  // of the tail it says nothing
  }
  add("throughput_fps", a["throughput_fps"], b["throughput_fps"], true, true, p);
  for (const char* key : {"first_inference_ms", "compile_ms", "arena_bytes", "weight_bytes", "resident_bytes"})
    add(key, at(a, key), at(b, key), false, false);
  add("percent_of_peak", at(a, "percent_of_peak"), at(b, "percent_of_peak"), true, false);
  return changes;
}

// The chance that noise alone made the difference of two lists of runs, where both results hold them.
void tell_apart(const json& before, const json& after, SavedChange& change) {
  if (!before.contains("runs_ms") || !after.contains("runs_ms")) return;
  const auto a = before["runs_ms"].get<std::vector<double>>(), b = after["runs_ms"].get<std::vector<double>>();
  change.p = measure::rank_test(a, b);
  change.least_p = measure::least_rank_p(a.size(), b.size());
}

// By name and operator; of several such steps of one node each with the one at its place.
std::map<std::string, double> layers_of(const json& profile, std::vector<std::string>& names) {
  std::map<std::string, double> layers;
  for (const json& layer : profile["layers"]) {
    const std::string name = cat("layer '", layer["name"].get<std::string>(), "' ", layer["op"].get<std::string>());
    int place = 1;
    while (layers.count(place == 1 ? name : cat(name, " ", place))) ++place;
    const std::string unique = place == 1 ? name : cat(name, " ", place);
    layers[unique] = layer["ms"].get<double>();
    if (std::find(names.begin(), names.end(), unique) == names.end()) names.push_back(unique);
  }
  return layers;
}

Result<std::vector<SavedChange>> profile_changes(const json& a, const json& b) {
  std::vector<SavedChange> changes = {{"a run, ms", a["ms"].get<double>(), b["ms"].get<double>(), false, true}};
  tell_apart(a, b, changes[0]);
  std::vector<std::string> names;
  const auto before = layers_of(a, names), after = layers_of(b, names);
  auto ms = [](const auto& layers, const std::string& name) {
    const auto found = layers.find(name);
    return found == layers.end() ? std::nan("") : found->second;
  };
  bool common = false;
  for (const std::string& name : names) {
    SavedChange change{name + ", ms", ms(before, name), ms(after, name)};
    change.layer = true;
    common |= std::isfinite(change.before) && std::isfinite(change.after);
    changes.push_back(std::move(change));
  }
  if (!common) return invalid_argument("the two profiles have no layer in common: they are of different networks");
  return changes;
}

std::vector<SavedChange> comparison_changes(const json& a, const json& b) {
  std::vector<SavedChange> changes;
  const json &before = a["engines"], &after = b["engines"];
  auto label = [](const json& engine) { return cat(engine["name"].get<std::string>(), ", ms"); };
  auto ms = [](const json& engine) { return engine["latency_ms"]["median"].get<double>(); };
  std::vector<bool> paired(after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    size_t k = 0;  // the first engine is ours, whatever its version
    while (k < after.size() && (i == 0 ? k > 0 : k == 0 || paired[k] || before[i]["name"] != after[k]["name"])) ++k;
    if (k == after.size()) {
      changes.push_back({label(before[i]), ms(before[i]), std::nan("")});
      continue;
    }
    paired[k] = true;
    SavedChange change{label(after[k]), ms(before[i]), ms(after[k]), false, i == 0};
    tell_apart(before[i], after[k], change);
    changes.push_back(std::move(change));
  }
  for (size_t k = 0; k < after.size(); ++k)
    if (!paired[k]) changes.push_back({label(after[k]), std::nan(""), ms(after[k])});
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
    if (kind == Kind::profile) return profile_changes(before, after);
    return kind == Kind::bench ? bench_changes(before, after) : comparison_changes(before, after);
  } catch (const json::exception& error) {
    return invalid_argument("a result lacks something: ", std::string(error.what()));
  }
}

std::vector<std::string> other_conditions(const json& before, const json& after) {
  static const std::pair<const char*, const char*> kConditions[] = {
      {"model", "/model"},           {"model's sha256", "/model_sha256"},
      {"precision", "/precision"},   {"ISA", "/isa"},
      {"ISA", "/machine/isa"},       {"scenario", "/scenario"},
      {"streams", "/streams"},       {"threads", "/threads"},
      {"pinned", "/pinned"},         {"batch", "/batch"},
      {"processor", "/host/cpu"},    {"cores", "/host/cores"},
      {"quota", "/host/quota"},      {"system", "/host/system"},
      {"best ISA", "/host/best_isa"}};
  std::vector<std::string> lines;
  for (const auto& [name, place] : kConditions) {
    const json::json_pointer at(place);
    if (!before.contains(at) || !after.contains(at) || before[at] == after[at]) continue;
    auto text = [&](const json& j) { return j[at].is_string() ? j[at].get<std::string>() : j[at].dump(); };
    lines.push_back(cat(name, ": ", text(before), " before, ", text(after), " after"));
  }
  return lines;
}

std::vector<std::vector<std::string>> changes_rows(const std::vector<SavedChange>& changes) {
  auto figure = [](double v) { return fixed(v, v >= 1000 && v == std::floor(v) ? 0 : 4); };  // counts of bytes
  std::vector<std::vector<std::string>> rows;
  for (const SavedChange& c : changes)
    rows.push_back({c.what, figure(c.before), figure(c.after), fixed(100 * c.change(), 2),
                    !c.p          ? ""
                    : *c.p < 1e-4 ? "<0.0001"
                                  : fixed(*c.p, 4)});
  return rows;
}

std::string changes_table(const std::vector<SavedChange>& changes) {
  Table table({"", "before", "after", "change %", "p"});
  for (std::vector<std::string>& row : changes_rows(changes)) table.add(std::move(row));
  return table.text();
}

nlohmann::ordered_json changes_json(const std::vector<SavedChange>& changes) {
  auto list = nlohmann::ordered_json::array();
  for (const SavedChange& c : changes)
    list.push_back({{"what", c.what},
                    {"before", c.before},
                    {"after", c.after},
                    {"change", c.change()},
                    {"worse", c.worse() > 0},
                    {"p_value", c.p ? nlohmann::ordered_json(*c.p) : nlohmann::ordered_json()},
                    {"counts", c.counts}});
  return list;
}

// Where a profile's loss is, if it has layers that lost.
std::string greatest_loss(const std::vector<SavedChange>& changes) {
  const SavedChange* greatest = nullptr;
  for (const SavedChange& c : changes)
    if (c.layer && c.after > c.before && (!greatest || c.after - c.before > greatest->after - greatest->before))
      greatest = &c;
  if (!greatest) return "";
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
