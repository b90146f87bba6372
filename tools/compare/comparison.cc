#include "tools/compare/comparison.h"

#include <chrono>
#include <cmath>

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

// Over channels: how many pixels of [N,C,...] have their largest value in another channel.
int64_t labels_that_differ(const Tensor& a, const Tensor& b) {
  const Shape& s = a.shape();
  const int64_t pixels = elements(s) / (s[0] * s[1]);
  const float *x = a.as<float>(), *y = b.as<float>();
  int64_t changed = 0;
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t p = 0; p < pixels; ++p) {
      int64_t best_a = 0, best_b = 0;
      auto at = [&](const float* v, int64_t c) { return v[(n * s[1] + c) * pixels + p]; };
      for (int64_t c = 1; c < s[1]; ++c) {
        if (at(x, c) > at(x, best_a)) best_a = c;
        if (at(y, c) > at(y, best_b)) best_b = c;
      }
      changed += best_a != best_b;
    }
  return changed;
}

}  // namespace

Status run_in_turn(Comparison& comparison, double seconds) {
  constexpr size_t kLeastRounds = 6, kMostRounds = 2000;
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
  return {};
}

Result<Difference> difference(const Contender& reference, const Contender& other) {
  if (reference.outputs.empty() || other.outputs.size() != reference.outputs.size())
    return invalid_argument(reference.name, " has ", reference.outputs.size(), " outputs to compare, ", other.name, " ",
                            other.outputs.size());
  Difference d;
  double signal = 0, noise = 0;
  int64_t pixels = 0, changed = 0;
  for (size_t i = 0; i < reference.outputs.size(); ++i) {
    const Tensor &a = reference.outputs[i], &b = other.outputs[i];
    if (a.type() != b.type())
      return invalid_argument("output ", i, " is ", to_string(a.type()), " in ", reference.name, ", ",
                              to_string(b.type()), " in ", other.name);
    for (int64_t k = 0; k < a.count(); ++k) {
      const double x = element_as_double(a.view(), k), error = element_as_double(b.view(), k) - x;
      signal += x * x;
      noise += error * error;
      d.largest = std::max(d.largest, std::abs(error));
    }
    if (a.dtype() != DType::f32 || a.shape().size() < 2 || a.shape()[1] < 2) continue;
    pixels += a.count() / a.shape()[1];
    changed += labels_that_differ(a, b);
  }
  d.sqnr_db = noise > 0 ? 10 * std::log10(signal / noise) : 200;
  d.labels_changed = pixels ? static_cast<double>(changed) / static_cast<double>(pixels) : 0;
  return d;
}

std::string comparison_table(const Comparison& c) {
  Table table({"engine", "runs", "ms", "min to max", "images/s", "load ms", "first ms", "MB", "ours is faster by", "p",
               "largest difference", "SQNR dB", "labels changed %"});
  const Contender& ours = c.engines[0];
  for (const Contender& e : c.engines) {
    const measure::Spread s = measure::spread(e.ms);
    std::vector<std::string> cells = {cat(e.name, " ", e.detail),
                                      cat(e.ms.size()),
                                      fixed(s.median, 3),
                                      cat(fixed(s.min, 3), " to ", fixed(s.max, 3)),
                                      fixed(1e3 * c.images / s.median, 2),
                                      fixed(e.load_ms, 1),
                                      fixed(e.first_ms, 2),
                                      fixed(static_cast<double>(e.memory_bytes) * 1e-6, 1)};
    if (&e == &ours) {
      cells.resize(13);
    } else {
      const double p = measure::rank_test(ours.ms, e.ms);
      cells.push_back(cat(fixed(s.median / measure::median(ours.ms), 2), "x"));
      cells.push_back(p < 1e-4 ? "<0.0001" : fixed(p, 4));
      auto d = difference(ours, e);
      cells.push_back(d.ok() ? fixed(d->largest, 5) : "-");
      cells.push_back(d.ok() ? fixed(d->sqnr_db, 1) : "-");
      cells.push_back(d.ok() ? fixed(100 * d->labels_changed, 3) : "-");
    }
    table.add(std::move(cells));
  }
  std::string text = table.text();
  if (!c.layers.empty()) {
    Table layers({cat("convolution, one thread"), "Quadlane us", cat("oneDNN ", c.onednn_version, " us"), "speedup",
                  "oneDNN's implementation"});
    double our_sum = 0, their_sum = 0;
    std::vector<double> speedups;
    for (const LayerPair& l : c.layers) {
      layers.add({cat(l.layer.layer.text(), l.layer.count > 1 ? cat("  x", l.layer.count) : ""),
                  fixed(l.ours().median, 1), fixed(l.theirs().median, 1), fixed(l.speedup(), 2), l.implementation});
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
      if (auto d = difference(ours, e); d.ok())
        json["difference"] = {{"largest", d->largest}, {"sqnr_db", d->sqnr_db}, {"labels_changed", d->labels_changed}};
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
                      {"onednn_implementation", l.implementation}});
  return {
      {"kind", "comparison"}, {"model", c.model},   {"streams", c.settings.streams}, {"threads", c.settings.threads},
      {"engines", engines},   {"layers", layers},   {"nodes", node_json(c.nodes)},   {"onednn", c.onednn_version},
      {"remarks", c.remarks}, {"host", host_json()}};
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
