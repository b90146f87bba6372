// Whole networks side by side, one thread, in turn: Quadlane in int8 and fp32, ONNX Runtime in int8 and fp32, and the
// sum of the network's convolutions alone as primitives of oneDNN.
//
//   networks [--only NAME] [--quick] [--rounds N] [--models DIR] [--ort LIBRARY] [--json F]
//   networks --scale [--only NAME]     int8 over image size, batch, threads and streams (bench/scale.h)
//
// Quadlane's int8 is the fp32 file quantized as `quadlane quantize --for quadlane` does, on random inputs (a time, no
// results). ONNX Runtime's int8 is the .qdq.onnx beside the model, or what `--for any` writes. Every timed run follows
// an untimed one of the same engine, so that nobody starts from caches that another engine filled.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/network_files.h"
#include "bench/scale.h"
#include "jit/peak.h"
#include "tools/cli/table.h"
#include "tools/compare/contender.h"
#include "tools/io/file.h"
#include "tools/measure/machine.h"
#include "tools/measure/statistics.h"
#include "tools/peers/onednn.h"

namespace quadlane::bench {
namespace {

using measure::Spread;
using tools::fixed;

struct Args {
  std::string only, models, ort, json;
  bool quick = false, scale = false;
  int rounds = 11;
};

// What is wanted of Quadlane's int8 on a machine with AVX-512 VNNI.
struct Network {
  const char* name;
  double share, ort_int8, ort_f32, onednn;
};
constexpr Network kNetworks[] = {{"dense_unet_post_224", 80, 4.5, 8, 0.75},
                                 {"dense_unet_pre_224", 75, 7, 8, 0.65},
                                 {"fc_densenet56_288", 70, 9, 7, 0.6},
                                 {"showcase", 75, 5, 8, 0.8},
                                 {"resnet50", 75, 1.5, 4, 1.1}};

struct Contender {
  std::string name;
  std::function<Result<double>()> run_warm;  // milliseconds of a run that follows another one
  std::vector<double> ms = {};
  double median() const { return measure::median(ms); }
};

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

template <class Run>
std::function<Result<double>()> twice(Run run) {
  return [run]() -> Result<double> {
    QL_CHECK_OK(run());
    const auto start = Clock::now();
    QL_CHECK_OK(run());
    return ms_since(start);
  };
}

struct Figures {
  Network network;
  double gmac = 0, peak_int8 = 0, peak_f32 = 0;
  std::vector<Contender> contenders;
  std::vector<std::string> missing;
  double others = 0;  // share of the processors that others used meanwhile

  double ms(const std::string& name) const {
    for (const Contender& c : contenders)
      if (c.name == name) return c.median();
    return NAN;
  }
};

constexpr const char *kInt8 = "Quadlane int8", *kF32 = "Quadlane fp32", *kOrtInt8 = "ONNX Runtime int8",
                     *kOrtF32 = "ONNX Runtime fp32", *kOneDnn = "oneDNN int8 convolutions";

Contender named(const char* name, tools::Contender engine) { return {name, twice(std::move(engine.run))}; }

// Each by itself, as often as the network has it: what it reads is where its own last run left it.
Result<Contender> onednn(const peers::OneDnn& library, const std::string& path) {
  QL_TRY(Graph graph, load_simplified(path));
  auto convs = std::make_shared<std::vector<std::pair<peers::OneDnnConv, int>>>();
  for (const peers::CountedLayer& layer : peers::conv_layers(graph, DType::u8)) {
    QL_TRY(peers::OneDnnConv conv, peers::OneDnnConv::make(library, layer.layer));
    convs->push_back({std::move(conv), layer.count});
  }
  return Contender{kOneDnn, [convs]() -> Result<double> {
                     double sum = 0;
                     for (auto& [conv, count] : *convs) {
                       auto timed = twice([&conv = conv] { return conv.run(); });
                       for (int i = 0; i < count; ++i) {
                         QL_TRY(double ms, timed());
                         sum += ms;
                       }
                     }
                     return sum;
                   }};
}

struct Engines {
  Result<peers::Ort> ort;
  Result<peers::OneDnn> onednn;
};

Result<std::vector<Contender>> gather(const Network& network, const NetworkFiles& files, const Engines& engines,
                                      Figures& figures) {
  std::vector<Contender> all;
  QL_TRY(std::string path, files.fp32(network.name));
  auto add = [&](const char* name, Result<tools::Contender> made) {
    if (made.ok())
      all.push_back(named(name, *std::move(made)));
    else
      figures.missing.push_back(cat(name, ": ", made.error().text()));
  };
  tools::WorkloadArgs args;
  args.model.path = path;
  for (const bool int8 : {true, false}) {
    args.precision.precision = int8 ? "int8" : "f32";
    QL_TRY(tools::Workload workload, tools::prepare(args));
    QL_TRY(tools::Contender ours, tools::our_contender(workload, 0, 0));
    all.push_back(named(int8 ? kInt8 : kF32, std::move(ours)));
    if (int8) figures.gmac = std::min(workload.model.gmac(), workload.model.gmac_executed());
    if (engines.ort.ok())
      add(int8 ? kOrtInt8 : kOrtF32,
          tools::ort_contender(*engines.ort, args, workload, int8 ? files.quantized(network.name) : path));
  }
  if (!engines.onednn.ok()) return all;
  auto convolutions = onednn(*engines.onednn, path);
  if (convolutions.ok())
    all.push_back(*std::move(convolutions));
  else
    figures.missing.push_back(cat(kOneDnn, ": ", convolutions.error().text()));
  return all;
}

Result<Figures> measure_network(const Network& network, const NetworkFiles& files, const Engines& engines, int rounds) {
  Figures figures{network};
  QL_TRY(figures.contenders, gather(network, files, engines, figures));
  const measure::CpuTime before = measure::CpuTime::now();
  for (int round = 0; round < rounds; ++round)
    for (Contender& c : figures.contenders) {
      QL_TRY(double ms, c.run_warm());
      c.ms.push_back(ms);
    }
  figures.others = measure::other_load(before, measure::CpuTime::now());
  return figures;
}

bool is_int8(const std::string& contender) { return contender.find("int8") != std::string::npos; }

void print_times(const std::vector<Figures>& all) {
  tools::Table table({"network", "engine", "ms", "min to max", "GMAC/s", "% of peak"});
  for (const Figures& f : all)
    for (const Contender& c : f.contenders) {
      const Spread s = measure::spread(c.ms);
      const double rate = f.gmac / s.median * 1000;
      table.add({&c == &f.contenders[0] ? cat(f.network.name, ", ", fixed(f.gmac, 2), " GMAC") : "", c.name,
                 fixed(s.median, 2), cat(fixed(s.min, 2), " to ", fixed(s.max, 2)), fixed(rate, 1),
                 fixed(100 * rate / (is_int8(c.name) ? f.peak_int8 : f.peak_f32), 1)});
    }
  std::printf("%s\n", table.text().c_str());
  for (const Figures& f : all)
    if (f.others > 0.05)
      std::printf("warning: others used %.0f %% of the processors while %s ran\n", 100 * f.others, f.network.name);
  for (const Figures& f : all)
    for (const std::string& line : f.missing) std::printf("%s without %s\n", f.network.name, line.c_str());
}

void print_ratios(const std::vector<Figures>& all) {
  tools::Table table({"int8 one thread: measured (wanted)", "% of peak", "x ORT int8", "x ORT fp32", "of oneDNN-conv",
                      "our fp32 x ORT fp32"});
  for (const Figures& f : all) {
    const double ours = f.ms(kInt8);
    auto cell = [](double value, const char* relation, double wanted) {
      return cat(fixed(value, 2), " (", relation, fixed(wanted, 2), ")");
    };
    table.add({f.network.name,
               cat(fixed(100 * f.gmac / ours * 1000 / f.peak_int8, 1), " (>= ", fixed(f.network.share, 0), ")"),
               cell(f.ms(kOrtInt8) / ours, ">= ", f.network.ort_int8),
               cell(f.ms(kOrtF32) / ours, ">= ", f.network.ort_f32),
               cell(ours / f.ms(kOneDnn), "<= ", f.network.onednn), fixed(f.ms(kOrtF32) / f.ms(kF32), 2)});
  }
  std::printf("%s", table.text().c_str());
}

nlohmann::ordered_json json_of(const Figures& f) {
  nlohmann::ordered_json engines = nlohmann::ordered_json::array();
  for (const Contender& c : f.contenders) {
    const Spread s = measure::spread(c.ms);
    engines.push_back(
        {{"engine", c.name}, {"ms", {{"median", s.median}, {"min", s.min}, {"max", s.max}}}, {"runs", c.ms}});
  }
  return {{"network", f.network.name}, {"gmac", f.gmac}, {"other_load", f.others}, {"engines", engines}};
}

Status compare_networks(const Args& args) {
  if (!args.json.empty()) QL_CHECK_OK(tools::prepare_output_file(args.json));
  NetworkFiles files = default_network_files();
  if (!args.models.empty()) files.models = args.models;
  const Engines engines{peers::Ort::open(args.ort), peers::OneDnn::open()};
  if (!engines.ort.ok()) std::printf("%s\n", engines.ort.error().text().c_str());
  if (!engines.onednn.ok()) std::printf("%s\n", engines.onednn.error().text().c_str());
  if (args.scale) {
    QL_TRY(std::string path, files.fp32(args.only.empty() ? "showcase" : args.only));
    return print_scale(path, engines.ort.ok() ? &*engines.ort : nullptr, args.quick);
  }
  const Isa isa = detect_cpu().best_isa();
  std::vector<Figures> all;
  std::vector<double> peaks_int8, peaks_f32;
  auto note_peaks = [&]() -> Status {
    QL_TRY(double int8, measure_peak_gmacs(isa, DType::u8));
    QL_TRY(double f32, measure_peak_gmacs(isa, DType::f32));
    peaks_int8.push_back(int8);
    peaks_f32.push_back(f32);
    return {};
  };
  QL_CHECK_OK(note_peaks());
  for (const Network& network : kNetworks) {
    if (std::string(network.name).find(args.only) == std::string::npos) continue;
    auto figures = measure_network(network, files, engines, args.rounds);
    if (figures.ok())
      all.push_back(*std::move(figures));
    else
      std::printf("%s is left out: %s\n", network.name, figures.error().text().c_str());
  }
  QL_CHECK_OK(note_peaks());
  std::printf("%s, %s, one thread; ONNX Runtime %s, oneDNN %s; medians of %d interleaved rounds\n",
              detect_cpu().name.c_str(), to_string(isa), engines.ort.ok() ? engines.ort->version().c_str() : "none",
              engines.onednn.ok() ? engines.onednn->version().c_str() : "none", args.rounds);
  std::printf("peak GMAC/s: int8 %s before, %s after; fp32 %s before, %s after\n\n", fixed(peaks_int8[0], 1).c_str(),
              fixed(peaks_int8[1], 1).c_str(), fixed(peaks_f32[0], 1).c_str(), fixed(peaks_f32[1], 1).c_str());
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (Figures& f : all) {
    f.peak_int8 = std::max(peaks_int8[0], peaks_int8[1]);
    f.peak_f32 = std::max(peaks_f32[0], peaks_f32[1]);
    list.push_back(json_of(f));
  }
  print_times(all);
  print_ratios(all);
  if (args.json.empty()) return {};
  const nlohmann::ordered_json json = {{"cpu", detect_cpu().name},
                                       {"isa", to_string(isa)},
                                       {"rounds", args.rounds},
                                       {"peak_int8_gmac_per_s", peaks_int8},
                                       {"peak_f32_gmac_per_s", peaks_f32},
                                       {"networks", list}};
  return tools::write_file(args.json, json.dump(1) + "\n");
}

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  quadlane::bench::Args args;
  CLI::App app("Whole networks in Quadlane, ONNX Runtime and oneDNN, one thread, side by side.", "networks");
  app.add_option("--only", args.only, "networks whose name contains this");
  app.add_flag("--quick", args.quick, "three rounds: to see that it works");
  app.add_flag("--scale", args.scale, "one network over image size, batch, threads and streams (--only: its name)");
  auto* rounds = app.add_option("--rounds", args.rounds, "timed runs of each engine")->check(CLI::Range(1, 10000));
  app.add_option("--models", args.models, "folder of the dense networks: NAME.onnx and NAME.qdq.onnx");
  app.add_option("--ort", args.ort, "path of libonnxruntime.so.1; default: what tools/setup --peers installs");
  app.add_option("--json", args.json, "write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  if (args.quick && !rounds->count()) args.rounds = 3;
  const quadlane::Status done = quadlane::bench::compare_networks(args);
  if (!done.ok()) std::fprintf(stderr, "networks: %s\n", done.error().text().c_str());
  return done.ok() ? 0 : 1;
}
