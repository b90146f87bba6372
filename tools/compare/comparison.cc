#include "tools/compare/comparison.h"

#include <chrono>

#include "tools/cli/page.h"
#include "tools/cli/progress.h"
#include "tools/cli/table.h"
#include "tools/load/fingerprint.h"
#include "tools/measure/statistics.h"

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

void remark_other_load(const measure::CpuTime& before, Comparison& comparison) {
  constexpr double kMuch = 0.05;
  comparison.other_load = measure::other_load(before, measure::CpuTime::now());
  if (comparison.other_load > kMuch)
    comparison.remarks.push_back(cat("others used ", fixed(100 * comparison.other_load, 0),
                                     " % of the processors meanwhile: times are theirs, too"));
}

Status run_in_turn(Comparison& comparison, double seconds) {
  constexpr size_t kLeastRounds = 6, kMostRounds = 2000;
  const measure::CpuTime before = measure::CpuTime::now();
  Progress progress("measuring", static_cast<int64_t>(seconds), "s");
  const Clock::time_point start = Clock::now();
  for (size_t round = 0; round < kMostRounds && (ms_since(start) < 1e3 * seconds || round < kLeastRounds); ++round) {
    for (Contender& c : comparison.engines) {
      QL_CHECK_OK(c.run().context(c.name));
      const Clock::time_point begin = Clock::now();
      QL_CHECK_OK(c.run().context(c.name));
      c.ms.push_back(ms_since(begin));
    }
    progress.set(static_cast<int64_t>(ms_since(start) / 1e3));
  }
  remark_other_load(before, comparison);
  return {};
}

std::string comparison_table(const Comparison& c) {
  Table table({"engine", "runs", "ms", "min to max", "images/s", "load ms", "first ms", "MB", "ours is faster by", "p",
               "largest difference", "SQNR dB", "labels changed %"});
  const Contender& ours = c.engines[0];
  for (const Contender& e : c.engines) {
    const measure::Spread s = measure::spread(e.ms);
    std::vector<std::string> cells = {cat(e.name, " ", e.detail),
                                      cat(e.ms.size()),
                                      figure(s.median),
                                      cat(figure(s.min), " to ", figure(s.max)),
                                      fixed(1e3 * c.images / s.median, 2),
                                      fixed(e.load_ms, 1),
                                      figure(e.first_ms),
                                      fixed(static_cast<double>(e.memory_bytes) * 1e-6, 1)};
    if (&e == &ours) {
      cells.resize(13);
    } else {
      const double p = measure::rank_test(ours.ms, e.ms);
      cells.push_back(cat(fixed(s.median / measure::median(ours.ms), 2), "x"));
      cells.push_back(p < 1e-4 ? "<0.0001" : fixed(p, 4));
      auto d = difference(ours.outputs, e.outputs);
      cells.push_back(d.ok() ? largest_text(d->values) : "-");
      cells.push_back(d.ok() ? sqnr_text(d->values) : "-");
      cells.push_back(d.ok() ? fixed(100 * d->labels_changed, 3) : "-");
    }
    table.add(std::move(cells));
  }
  std::string text = table.text();
  if (!c.layers.empty()) {
    Table layers({cat("convolution, one thread"), "Quadlane us", cat("oneDNN ", c.onednn_version, " us"), "speedup",
                  "largest difference", "SQNR dB", "oneDNN's implementation"});
    double our_sum = 0, their_sum = 0;
    std::vector<double> speedups;
    for (const LayerPair& l : c.layers) {
      layers.add({cat(l.layer.layer.text(), l.layer.count > 1 ? cat("  x", l.layer.count) : ""),
                  fixed(l.ours().median, 1), fixed(l.theirs().median, 1), fixed(l.speedup(), 2),
                  largest_text(l.deviation), sqnr_text(l.deviation), l.implementation});
      our_sum += l.layer.count * l.ours().median;
      their_sum += l.layer.count * l.theirs().median;
      speedups.push_back(l.speedup());
    }
    text += cat("\n", layers.text(), "all convolutions: ", fixed(our_sum / 1e3, 3), " ms against ",
                fixed(their_sum / 1e3, 3), " ms; geometric mean of the layers ",
                fixed(measure::geometric_mean(speedups), 3), "\n");
  }
  if (!c.nodes.empty()) text += cat("\n", node_table(c.nodes));
  for (const std::string& remark : c.remarks) text += remark + "\n";
  return text;
}

Json comparison_json(const Comparison& c) {
  Json engines = Json::array(), layers = Json::array();
  const Contender& ours = c.engines[0];
  for (const Contender& e : c.engines) {
    const measure::Spread s = measure::spread(e.ms);
    Json json = {{"name", e.name},
                 {"detail", e.detail},
                 {"latency_ms", {{"median", s.median}, {"min", s.min}, {"max", s.max}}},
                 {"throughput_fps", 1e3 * c.images / s.median},
                 {"load_ms", e.load_ms},
                 {"first_inference_ms", e.first_ms},
                 {"memory_bytes", e.memory_bytes},
                 {"runs_ms", e.ms}};
    if (&e != &ours) {
      json["ratio"] = s.median / measure::median(ours.ms);
      json["p_value"] = measure::rank_test(ours.ms, e.ms);
      if (auto d = difference(ours.outputs, e.outputs); d.ok())
        json["difference"] = {{"largest", d->values.largest_error()},
                              {"sqnr_db", d->values.sqnr_db()},
                              {"not_alike", d->values.unlike},
                              {"labels_changed", d->labels_changed}};
    }
    engines.push_back(std::move(json));
  }
  for (const LayerPair& l : c.layers)
    layers.push_back({{"layer", l.layer.layer.text()},
                      {"node", l.layer.name},
                      {"count", l.layer.count},
                      {"gmac", l.layer.layer.gmac()},
                      {"kernel", l.kernel},
                      {"quadlane_us", l.ours().median},
                      {"onednn_us", l.theirs().median},
                      {"largest_difference", l.deviation.largest_error()},
                      {"sqnr_db", l.deviation.sqnr_db()},
                      {"onednn_implementation", l.implementation}});
  return {{"kind", "comparison"},
          {"model", c.model},
          {"model_sha256", c.model_sha256},
          {"other_load", c.other_load},
          {"streams", c.settings.streams},
          {"threads", c.settings.threads},
          {"engines", engines},
          {"layers", layers},
          {"nodes", node_json(c.nodes)},
          {"onednn", c.onednn_version},
          {"remarks", c.remarks},
          {"host", host_json()}};
}

Status check_regression(const Comparison& c, double share) {
  auto check = [&](const std::string& what, const std::string& than, const std::vector<double>& ours,
                   const std::vector<double>& theirs) -> Status {
    const double slower = measure::median(ours) / measure::median(theirs) - 1;
    if (slower <= share || measure::rank_test(ours, theirs) >= measure::kSureBelow) return {};
    return invalid_argument(what, " is ", fixed(100 * slower, 1), " % slower than ", than, ", the limit is ",
                            fixed(100 * share, 1), " %");
  };
  const Contender& ours = c.engines[0];
  for (size_t i = 1; i < c.engines.size(); ++i)
    QL_CHECK_OK(check(ours.name, c.engines[i].name, ours.ms, c.engines[i].ms));
  for (const LayerPair& l : c.layers)
    QL_CHECK_OK(check(cat("layer '", l.layer.name, "'"), cat("oneDNN ", c.onednn_version), l.our_us, l.their_us));
  return {};
}

extern const char kComparePage[];  // compare_page.html, as the build embeds it

std::string comparison_page(const Json& json) { return page_with_data(kComparePage, json); }

}  // namespace quadlane::tools
