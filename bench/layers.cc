// Convolution layers side by side: every different convolution of the networks in Quadlane and as a primitive of
// oneDNN, one thread, in turn.
//
//   layers [--only TEXT] [--f32] [--quick] [--rounds N] [--models DIR] [--json F]
//
// A figure is the median over rounds of the mean over the runs of a round; in brackets the least and the most. Both
// find their input where the run before left it. oneDNN's time is the primitive alone, in layouts of its own choice.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/network_files.h"
#include "engine/api/engine.h"
#include "jit/peak.h"
#include "tools/cli/table.h"
#include "tools/compare/layer_pair.h"
#include "tools/io/file.h"
#include "tools/measure/machine.h"
#include "tools/measure/statistics.h"

namespace quadlane::bench {
namespace {

using measure::Spread;
using tools::fixed;

const std::vector<std::string> kNetworks = {"resnet50", "mobilenet_v2", "dense_unet_post_224", "dense_unet_pre_224",
                                            "fc_densenet56_288"};

struct Args {
  std::string only, models, json;
  bool f32 = false, quick = false;
  int rounds = 9;
};

struct Row : tools::LayerPair {
  std::string network;
};

std::string range(const Spread& s) { return cat(fixed(s.min, 1), " to ", fixed(s.max, 1)); }

std::vector<std::string> cells(const Row& row, double peak) {
  const Spread ours = row.ours(), theirs = row.theirs();
  const double rate = row.layer.layer.gmac() / ours.median * 1e6;
  return {cat(row.layer.layer.text(), row.layer.count > 1 ? cat("  x", row.layer.count) : ""),
          fixed(row.layer.layer.gmac() * 1000, 1),
          fixed(ours.median, 1),
          range(ours),
          fixed(100 * rate / peak, 1),
          fixed(theirs.median, 1),
          range(theirs),
          fixed(row.speedup(), 2),
          row.implementation};
}

nlohmann::ordered_json json_of(const Row& row, double peak) {
  auto spread = [](const Spread& s) {
    return nlohmann::ordered_json{{"median", s.median}, {"min", s.min}, {"max", s.max}};
  };
  const peers::ConvLayer& layer = row.layer.layer;
  return {{"network", row.network},
          {"layer", layer.text()},
          {"node", row.layer.name},
          {"count", row.layer.count},
          {"gmac", layer.gmac()},
          {"kernel", row.kernel},
          {"quadlane_us", spread(row.ours())},
          {"percent_of_peak", 100 * layer.gmac() / row.ours().median * 1e6 / peak},
          {"onednn_us", spread(row.theirs())},
          {"onednn_implementation", row.implementation},
          {"speedup", row.speedup()}};
}

void print_network(const std::string& network, const std::vector<Row>& rows, double peak) {
  tools::Table table({network, "MMAC", "Quadlane us", "min to max", "% peak", "oneDNN us", "min to max", "speedup",
                      "oneDNN's implementation"});
  std::vector<double> speedups;
  for (const Row& row : rows) {
    if (row.network != network) continue;
    table.add(cells(row, peak));
    speedups.push_back(row.speedup());
  }
  if (speedups.empty()) return;
  std::printf("%s%s: geometric mean of %zu layers %s\n\n", table.text().c_str(), network.c_str(), speedups.size(),
              fixed(measure::geometric_mean(speedups), 3).c_str());
}

void print_slowest(std::vector<Row> rows) {
  std::erase_if(rows, [](const Row& row) { return !(row.speedup() < 0.9); });
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.speedup() < b.speedup(); });
  std::printf("slower than 0.9x oneDNN: %zu\n", rows.size());
  for (const Row& row : rows)
    std::printf("  %s  %s  %s\n", fixed(row.speedup(), 2).c_str(), row.layer.layer.text().c_str(), row.kernel.c_str());
}

// The layers of all networks; one that several have belongs to the first.
std::vector<std::pair<std::string, peers::CountedLayer>> collect(const Args& args) {
  NetworkFiles files = default_network_files();
  if (!args.models.empty()) files.models = args.models;
  std::vector<std::pair<std::string, peers::CountedLayer>> all;
  for (const std::string& network : kNetworks) {
    auto add = [&]() -> Status {
      QL_TRY(std::string path, files.fp32(network));
      QL_TRY(Graph graph, load_simplified(path));
      for (const peers::CountedLayer& layer : peers::conv_layers(graph, args.f32 ? DType::f32 : DType::u8)) {
        auto same = [&](const auto& entry) { return entry.second.layer == layer.layer; };
        if (std::none_of(all.begin(), all.end(), same)) all.push_back({network, layer});
      }
      return {};
    };
    if (Status added = add(); !added.ok())
      std::printf("%s is left out: %s\n", network.c_str(), added.error().text().c_str());
  }
  std::erase_if(all, [&](const auto& entry) {
    return (entry.first + " " + entry.second.layer.text()).find(args.only) == std::string::npos;
  });
  return all;
}

Status compare_layers(const Args& args) {
  if (!args.json.empty()) QL_CHECK_OK(tools::prepare_output_file(args.json));
  const Isa isa = detect_cpu().best_isa();
  const DType type = args.f32 ? DType::f32 : DType::u8;
  QL_TRY(double before, measure_peak_gmacs(isa, type));
  const Result<peers::OneDnn> peer = peers::OneDnn::open();
  if (!peer.ok()) std::printf("%s\n", peer.error().text().c_str());
  std::vector<Row> rows;
  const auto layers = collect(args);
  const measure::CpuTime before_load = measure::CpuTime::now();
  for (const auto& [network, layer] : layers) {
    if (isatty(2)) std::fprintf(stderr, "\r%zu/%zu layers ", rows.size(), layers.size());
    auto pair = tools::time_layer_pair(layer, peer.ok() ? &*peer : nullptr, args.rounds, args.quick ? 0.002 : 0.008);
    if (pair.ok())
      rows.push_back({*std::move(pair), network});
    else
      std::printf("%s is left out: %s\n", layer.layer.text().c_str(), pair.error().text().c_str());
  }
  if (isatty(2)) std::fprintf(stderr, "\r                    \r");
  QL_TRY(double after, measure_peak_gmacs(isa, type));
  const double peak = std::max(before, after), others = measure::other_load(before_load, measure::CpuTime::now());
  if (others > 0.05) std::printf("warning: others used %.0f %% of the processors meanwhile\n", 100 * others);
  std::printf("%s, %s, one thread, %s; oneDNN %s; %d rounds\npeak %s GMAC/s before, %s after\n\n",
              detect_cpu().name.c_str(), to_string(isa), to_string(type), peer.ok() ? peer->version().c_str() : "none",
              args.rounds, fixed(before, 1).c_str(), fixed(after, 1).c_str());
  for (const std::string& network : kNetworks) print_network(network, rows, peak);
  std::vector<double> speedups;
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    speedups.push_back(row.speedup());
    list.push_back(json_of(row, peak));
  }
  if (peer.ok() && !rows.empty()) {
    std::printf("all: geometric mean of %zu layers %s (wanted: at least 1.15)\n", rows.size(),
                fixed(measure::geometric_mean(speedups), 3).c_str());
    print_slowest(rows);
  }
  if (args.json.empty()) return {};
  const nlohmann::ordered_json json = {{"cpu", detect_cpu().name},
                                       {"isa", to_string(isa)},
                                       {"type", to_string(type)},
                                       {"peak_gmac_per_s", {{"before", before}, {"after", after}}},
                                       {"layers", list}};
  return tools::write_file(args.json, json.dump(1) + "\n");
}

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  quadlane::bench::Args args;
  CLI::App app("Convolution layers in Quadlane and oneDNN, one thread, side by side.", "layers");
  app.add_option("--only", args.only, "layers whose network and text contain this, as in 'resnet50' or '3x3 s2'");
  app.add_flag("--f32", args.f32, "fp32 layers");
  app.add_flag("--quick", args.quick, "short measurements: to see that it works");
  auto* rounds = app.add_option("--rounds", args.rounds, "measurements of each layer")->check(CLI::Range(1, 1000));
  app.add_option("--models", args.models, "folder of the dense networks");
  app.add_option("--json", args.json, "write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  if (args.quick && !rounds->count()) args.rounds = 3;
  const quadlane::Status done = quadlane::bench::compare_layers(args);
  if (!done.ok()) std::fprintf(stderr, "layers: %s\n", done.error().text().c_str());
  return done.ok() ? 0 : 1;
}
