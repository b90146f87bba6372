// One kernel by itself, from a line of a profile:
//
//   kernel "Conv_7 | ql.Conv | conv u8u8 avx512_vnni pv3 no8 ... r3 wr pf256 | ql.Conv(u8[1,48,96,96], ...) ..."
//   kernel LINE [--schedule "pv2 no12 r2 wr pf256"|"1x14 o32"]... [--sweep] [--isa NAME] [--seconds S]
//
// times the step that the line names, with its schedule; or the node behind the last bar, which alone will do, with
// other schedules or every candidate of the model: then all its steps, since one tiling needs phases where another does
// not. Hot (its data where the run before left them) and cold (all caches swept in between). The columns of dots,
// instructions, L1 and L2 say how long each is busy with it at least (tools/profile/limits.h).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "graph/text_node.h"
#include "ops/table.h"
#include "tools/cli/listing.h"
#include "tools/cli/table.h"
#include "tools/compare/layer_case.h"
#include "tools/measure/statistics.h"
#include "tools/profile/limits.h"

namespace quadlane::bench {
namespace {

using measure::Spread;
using tools::fixed;
using tools::LayerCase;

struct Args {
  std::string line, isa;
  std::vector<std::string> schedules;
  bool sweep = false;
  double seconds = 0.3;
};

// How a convolution is tiled, in either family of kernels; neither: as the compiler chooses.
struct Tiling {
  std::optional<ConvSchedule> flat;
  std::optional<OconvSchedule> lanes;

  compile::ScheduleFilter filter() const {
    compile::ScheduleFilter filter;
    if (flat) filter.flat = [one = *flat](std::vector<ConvSchedule>& ranked) { ranked.assign(1, one); };
    if (lanes) filter.lanes = [one = *lanes](std::vector<OconvSchedule>& ranked) { ranked.assign(1, one); };
    return filter;
  }
  std::string text() const {
    if (lanes) return cat(lanes->rows, "x", lanes->columns, " o", 16 * lanes->vectors);
    if (!flat) return "as chosen";
    return cat("pv", flat->pv, " no", flat->no, " r", flat->pass_registers, flat->weight_registers ? " wr" : "",
               flat->prefetch ? cat(" pf", flat->prefetch) : "");
  }
};

// The number behind a prefix that makes up the whole word.
std::optional<int> number_behind(const char* prefix, const std::string& word) {
  const size_t n = std::strlen(prefix);
  if (word.compare(0, n, prefix) != 0 || word.size() == n) return {};
  if (word.find_first_not_of("0123456789", n) != std::string::npos) return {};
  return std::atoi(word.c_str() + n);
}

// "... pv3 no8 ... r3 wr pf256 ..." or "... 1x14 o32 ..."; words that are no part of it are passed over.
std::optional<Tiling> tiling_in(const std::string& text) {
  ConvSchedule flat;
  OconvSchedule lanes;
  int found_flat = 0, found_lanes = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (auto v = number_behind("pv", word)) flat.pv = *v, ++found_flat;
    if (auto v = number_behind("no", word)) flat.no = *v, ++found_flat;
    if (auto v = number_behind("r", word)) flat.pass_registers = *v;
    if (auto v = number_behind("pf", word)) flat.prefetch = *v;
    if (word == "wr") flat.weight_registers = true;
    if (auto v = number_behind("o", word)) lanes.vectors = (*v + 15) / 16, ++found_lanes;
    int rows = 0, columns = 0, used = 0;
    if (std::sscanf(word.c_str(), "%dx%d%n", &rows, &columns, &used) == 2 && static_cast<size_t>(used) == word.size())
      lanes.rows = rows, lanes.columns = columns, ++found_lanes;
  }
  if (found_lanes == 2) return Tiling{{}, lanes};
  return found_flat == 2 ? std::optional(Tiling{flat, {}}) : std::nullopt;
}

// "name | operator | kernel -- why | node", or its end.
struct Line {
  std::string op, kernel, node;
};
Result<Line> parse_line(const std::string& text) {
  std::vector<std::string> fields;
  for (size_t begin = 0, bar = 0; bar != text.npos; begin = bar + 3) {
    bar = text.find(" | ", begin);
    fields.push_back(text.substr(begin, bar == text.npos ? bar : bar - begin));
  }
  const size_t n = fields.size();
  Line line{n > 3 ? fields[n - 3] : "", n > 1 ? fields[n - 2] : "", fields.back()};
  if (line.node.find('(') == line.node.npos)
    return unsupported("the line ends with '", line.node, "', no node: such a step exists in whole networks only");
  return line;
}

// More bytes than any cache holds, written once before each cold run.
class Sweeper {
 public:
  Sweeper() : bytes_(std::min<size_t>(size_t{2} * detect_cpu().l3_bytes, size_t{256} << 20) + (size_t{8} << 20)) {}
  void sweep() {
    ++value_;
    std::memset(bytes_.data(), value_, bytes_.size());
  }

 private:
  std::vector<char> bytes_;
  char value_ = 0;
};

struct Timing {
  std::string schedule, kernel;
  Spread hot, cold;  // microseconds
  std::optional<double> loads_of_dot;
  tools::Limits limits;  // of the main step
  double gmac = 0;
  bool int8 = false;
};

// The step with the most work, or where none has any with the most bytes.
const run::StepInfo& main_step(const std::vector<const run::StepInfo*>& steps) {
  auto weight = [](const run::StepInfo* step) {
    return std::pair(step->gmac_executed, step->bytes_read + step->bytes_written);
  };
  return **std::max_element(steps.begin(), steps.end(),
                            [&](const auto* a, const auto* b) { return weight(a) < weight(b); });
}

Result<Timing> time_case(const Graph& graph, const ModelOptions& options, const std::string& only, std::string schedule,
                         double seconds, const tools::Machine& machine) {
  constexpr int kRounds = 9, kColdRuns = 7;
  QL_TRY(LayerCase layer, LayerCase::make(graph, options, only));
  QL_TRY(double once, layer.run());
  QL_TRY(once, layer.run());
  std::vector<double> hot, cold;
  const int runs = std::max(1, static_cast<int>(seconds / kRounds / std::max(once, 1e-7)));
  for (int round = 0; round < kRounds; ++round) {
    double sum = 0;
    for (int i = 0; i < runs; ++i) {
      QL_TRY(double t, layer.run());
      sum += t;
    }
    hot.push_back(1e6 * sum / runs);
  }
  Sweeper sweeper;
  for (int i = 0; i < kColdRuns; ++i) {
    QL_TRY(double t, layer.run_cold([&] { sweeper.sweep(); }));
    cold.push_back(1e6 * t);
  }
  Timing timing{std::move(schedule), layer.kernel(), measure::spread(hot), measure::spread(cold), {}, {}};
  const run::StepInfo& step = main_step(layer.steps());
  const std::optional<tools::HotLoop> loops = tools::hot_loop_of(layer.model().plan(), step);
  if (loops && loops->mix.dots > 0) timing.loads_of_dot = static_cast<double>(loops->mix.loads) / loops->mix.dots;
  timing.limits = tools::limits_of(step, loops, machine, {}, 0, 1);
  for (const run::StepInfo* counted : layer.steps())
    timing.gmac += counted->gmac_executed, timing.int8 |= counted->int8;
  return timing;
}

// The fastest first. Columns of a table end at the right: a bar brings the room behind it along.
void print(std::vector<Timing> all, double peak) {
  constexpr size_t kBar = 40;
  auto us = [](double ms) { return ms > 0 ? fixed(1e3 * ms, 2) : ""; };
  tools::Table table({"schedule", "hot us", "min to max", "cold us", "GMAC/s hot", "% peak", "loads a dot", "dots us",
                      "instr us", "L1 us", "L2 us", "time, hot"});
  std::stable_sort(all.begin(), all.end(),
                   [](const Timing& a, const Timing& b) { return a.hot.median < b.hot.median; });
  for (const Timing& t : all) {
    const double rate = t.gmac / t.hot.median * 1e6, share = t.hot.median / all.back().hot.median;
    std::string bar(static_cast<size_t>(std::lround(kBar * share)), '#');
    bar.resize(kBar, ' ');
    table.add({t.schedule, fixed(t.hot.median, 2), cat(fixed(t.hot.min, 2), " to ", fixed(t.hot.max, 2)),
               fixed(t.cold.median, 2), t.gmac > 0 ? fixed(rate, 1) : "", t.gmac > 0 ? fixed(100 * rate / peak, 1) : "",
               t.loads_of_dot ? fixed(*t.loads_of_dot, 2) : "", us(t.limits.dots), us(t.limits.instructions),
               us(t.limits.l1), us(t.limits.l2), bar});
  }
  std::printf("%s%s: %s\n", table.text().c_str(), all.size() > 1 ? "the fastest" : "kernels", all[0].kernel.c_str());
}

Status time_kernel(const Args& args) {
  QL_TRY(const Line line, parse_line(args.line));
  QL_TRY(Graph graph, parse_node_alone(line.node, op_table()).context("the node of the line"));
  ModelOptions options;
  if (line.kernel.starts_with("reference")) options.isa = Isa::reference;
  if (!args.isa.empty()) {
    QL_TRY(options.isa, parse_isa(args.isa));
  }
  std::vector<Tiling> wanted;
  if (args.sweep) {
    options.tune = false;
    options.schedule_filter.flat = [&](std::vector<ConvSchedule>& ranked) {
      for (const ConvSchedule& s : ranked) wanted.push_back({s, {}});
    };
    options.schedule_filter.lanes = [&](std::vector<OconvSchedule>& ranked) {
      for (const OconvSchedule& s : ranked) wanted.push_back({{}, s});
    };
    QL_TRY(LayerCase all, LayerCase::make(graph, options));
  }
  for (const std::string& text : args.schedules) {
    const auto tiling = tiling_in(text);
    if (!tiling)
      return invalid_argument("--schedule '", text, "' is neither like 'pv3 no8 r3 wr pf256' nor '1x14 o32'");
    wanted.push_back(*tiling);
  }
  const std::string only = wanted.empty() ? line.op : "";
  if (wanted.empty()) wanted.push_back(tiling_in(line.kernel).value_or(Tiling{}));

  std::vector<Timing> timings;
  QL_TRY(const tools::Machine machine, tools::measure_machine(options.isa.value_or(detect_cpu().best_isa())));
  for (const Tiling& tiling : wanted) {
    options.tune = true;
    options.schedule_filter = tiling.filter();
    auto timing = time_case(graph, options, only, tiling.text(), args.seconds, machine);
    if (!timing.ok()) {
      std::printf("%s: %s\n", tiling.text().c_str(), timing.error().text().c_str());
      continue;
    }
    timings.push_back(*std::move(timing));
  }
  if (timings.empty()) return unsupported("no schedule of these runs");
  const double peak = machine.peak(timings[0].int8);
  std::printf("%s\npeak %s GMAC/s\n", line.node.c_str(), fixed(peak, 1).c_str());
  print(timings, peak);
  return {};
}

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  quadlane::bench::Args args;
  CLI::App app("One kernel by itself, hot and cold, with any schedule.", "kernel");
  app.add_option("LINE", args.line, "a kernel's line of `quadlane profile`, or the node alone")->required();
  app.add_option("--schedule", args.schedules, "time this tiling of a convolution; repeatable")->take_all();
  app.add_flag("--sweep", args.sweep, "time every tiling that the model ranks");
  app.add_option("--isa", args.isa, "avx2, avx512 or avx512_vnni; default: the best this machine runs");
  app.add_option("--seconds", args.seconds, "for each schedule")->check(CLI::Range(0.001, 100.0));
  CLI11_PARSE(app, argc, argv);
  const quadlane::Status done = quadlane::bench::time_kernel(args);
  if (!done.ok()) std::fprintf(stderr, "kernel: %s\n", done.error().text().c_str());
  return done.ok() ? 0 : 1;
}
