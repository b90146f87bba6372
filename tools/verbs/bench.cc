// quadlane bench: throughput and latency of a model on N streams x T threads.
//
//   gmac            MACs of Conv, ConvTranspose, Gemm and MatMul of one request in the original graph, in 1e9
//   gmac_executed   the same after rewrites
//   gmac_per_s      gmac * requests per second
//   percent_of_peak smaller of the two * requests per second / peak_gmac_per_s
//   peak_gmac_per_s a register-only loop of dot products on one core, times the cores used
//   cpu_ms          processor time of the whole program for one request
//   fallbacks       share of the time in steps that run the scalar reference, and these steps
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/run/profile.h"
#include "engine/run/topology.h"
#include "jit/peak.h"
#include "tools/cli/inputs.h"
#include "tools/cli/model_prep.h"
#include "tools/cli/precision.h"
#include "tools/cli/progress.h"
#include "tools/cli/streams.h"
#include "tools/cli/table.h"
#include "tools/cli/tensors.h"
#include "tools/io/file.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchArgs {
  ModelArgs model;
  PrecisionArgs precision;
  std::vector<std::string> inputs;
  std::string streams = "1", threads = "1", pin = "off", json, csv;
  double seconds = 3;
};

double ms_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double, std::milli>(b - a).count();
}

// Of all threads of the program.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Lane {  // what one stream works on, and what came out
  std::vector<Tensor> inputs;
  Outputs outputs;
  std::vector<double> latencies_ms;
  double requests_per_s = 0;
};

Result<Lane> make_lane(const Model& model, std::span<const Tensor> given, int seed) {
  Lane lane;
  lane.inputs.assign(given.begin(), given.end());
  for (const run::TensorInfo& info : std::span(model.inputs()).subspan(given.size())) {
    QL_TRY(Tensor tensor, random_tensor(info.type, static_cast<uint64_t>(seed)));
    lane.inputs.push_back(std::move(tensor));
  }
  QL_TRY(lane.outputs, Outputs::allocate(model.outputs()));
  return lane;
}

// Runs until `seconds` have passed, at least five times.
Status drive(Lane& lane, run::Stream& stream, double seconds, Progress* progress) {
  std::vector<View> inputs = views_of(lane.inputs);
  for (int i = 0; i < 2; ++i) QL_CHECK_OK(stream.run(inputs, lane.outputs.views()));
  lane.latencies_ms.clear();
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  do {
    QL_CHECK_OK(stream.run(inputs, lane.outputs.views()));
    Clock::time_point now = Clock::now();
    lane.latencies_ms.push_back(ms_between(before, now));
    if (progress) progress->set(static_cast<int64_t>(ms_between(start, now) / 1000));
    before = Clock::now();
  } while (ms_between(start, before) < seconds * 1000 || lane.latencies_ms.size() < 5);
  lane.requests_per_s = static_cast<double>(lane.latencies_ms.size()) * 1000 / ms_between(start, before);
  return {};
}

struct Figures {
  double throughput_fps = 0, requests_per_s = 0;
  double median = 0, p90 = 0, p99 = 0, least = 0;
  double first_inference_ms = 0, cpu_ms = 0;
  double gmac_per_s = 0, peak_gmac_per_s = 0, percent_of_peak = 0;
  size_t requests = 0, arena_bytes = 0;
  std::vector<run::StepTime> fallbacks;
};

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(q * static_cast<double>(sorted.size())))];
}

int64_t images_per_request(const Model& model) {
  const Shape& shape = model.inputs().empty() ? Shape{} : model.inputs()[0].type.shape;
  return shape.size() == 4 ? shape[0] : 1;
}

// Peak of one core for the precision that does the model's work, in GMAC/s; 0 where no generated code runs.
Result<double> core_peak(const Model& model) {
  if (model.isa() == Isa::reference) return 0.0;
  return measure_peak_gmacs(model.isa(), model.is_int8() ? DType::u8 : DType::f32);
}

Result<Figures> measure(const Model& model, std::span<const Tensor> inputs, const StreamSettings& settings,
                        double seconds, int usable_cores) {
  QL_TRY(StreamGroup group, StreamGroup::open(model, settings));
  std::vector<Lane> lanes;
  for (int i = 0; i < group.size(); ++i) {
    QL_TRY(Lane lane, make_lane(model, inputs, i + 1));
    lanes.push_back(std::move(lane));
  }
  Figures f;
  QL_CHECK_OK(group.run([&](int i, run::Stream& stream) -> Status {
    if (i > 0) return {};
    Clock::time_point start = Clock::now();
    QL_CHECK_OK(stream.run(views_of(lanes[0].inputs), lanes[0].outputs.views()));
    f.first_inference_ms = ms_between(start, Clock::now());
    f.arena_bytes = stream.arena_bytes();
    QL_TRY(auto times, run::profile_run(stream, views_of(lanes[0].inputs), lanes[0].outputs.views()));
    f.fallbacks = run::fallbacks(model.plan(), times);
    return {};
  }));
  QL_TRY(double peak_before, core_peak(model));
  const double cpu_before = cpu_seconds();
  {
    Progress progress("measuring", static_cast<int64_t>(seconds), "s");
    QL_CHECK_OK(group.run([&](int i, run::Stream& stream) {
      return drive(lanes[static_cast<size_t>(i)], stream, seconds, i == 0 ? &progress : nullptr);
    }));
  }
  const double cpu_used = cpu_seconds() - cpu_before;
  std::vector<double> all;
  for (const Lane& lane : lanes) {
    all.insert(all.end(), lane.latencies_ms.begin(), lane.latencies_ms.end());
    f.requests_per_s += lane.requests_per_s;
  }
  std::sort(all.begin(), all.end());
  f.requests = all.size();
  f.cpu_ms = 1000 * cpu_used / static_cast<double>(all.size() + 2 * lanes.size());  // two runs of each are not timed
  f.median = quantile(all, 0.5), f.p90 = quantile(all, 0.9), f.p99 = quantile(all, 0.99), f.least = all.front();
  f.throughput_fps = f.requests_per_s * static_cast<double>(images_per_request(model));
  f.gmac_per_s = f.requests_per_s * model.gmac();
  int cores = std::min(settings.streams * settings.threads, usable_cores);
  QL_TRY(double peak_after, core_peak(model));
  f.peak_gmac_per_s = std::max(peak_before, peak_after) * cores;
  double counted = f.requests_per_s * std::min(model.gmac(), model.gmac_executed());
  f.percent_of_peak = f.peak_gmac_per_s > 0 ? 100 * counted / f.peak_gmac_per_s : NAN;
  return f;
}

nlohmann::ordered_json fallback_report(const Model& model, const Figures& f) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const run::StepTime& time : f.fallbacks) {
    const run::StepInfo& info = model.plan().steps[time.step]->info;
    steps.push_back({{"name", info.name}, {"op", info.op}, {"share", time.share}, {"ms", time.seconds * 1000}});
  }
  return {{"share", run::total_share(f.fallbacks)}, {"steps", steps}};
}

nlohmann::ordered_json report(const BenchArgs& args, const Model& model, const StreamSettings& s, const Figures& f) {
  CpuInfo cpu = detect_cpu();
  run::Topology topology = run::detect_topology();
  nlohmann::ordered_json json = {
      {"model", args.model.path},
      {"precision", model.is_int8() ? "int8" : "f32"},
      {"isa", to_string(model.isa())},
      {"streams", s.streams},
      {"threads", s.threads},
      {"pinned", s.pin},
      {"batch", images_per_request(model)},
      {"seconds", args.seconds},
      {"requests", f.requests},
      {"throughput_fps", f.throughput_fps},
      {"latency_ms", {{"median", f.median}, {"p90", f.p90}, {"p99", f.p99}, {"min", f.least}}},
      {"cpu_ms", f.cpu_ms},
      {"first_inference_ms", f.first_inference_ms},
      {"compile_ms", model.plan().compile_ms},
      {"gmac", model.gmac()},
      {"gmac_executed", model.gmac_executed()},
      {"gmac_per_s", f.gmac_per_s},
      {"peak_gmac_per_s", f.peak_gmac_per_s},
      {"percent_of_peak", f.percent_of_peak},
      {"arena_bytes", f.arena_bytes},
      {"weight_bytes", model.plan().weights.size()},
      {"fallbacks", fallback_report(model, f)},
      {"host", {{"cpu", cpu.name}, {"cores", topology.usable_threads()}, {"best_isa", to_string(cpu.best_isa())}}}};
  return json;
}

std::string csv(const nlohmann::ordered_json& json) {
  Table table({"model", "precision", "isa", "streams", "threads", "batch", "throughput_fps", "latency_median_ms",
               "latency_p90_ms", "latency_p99_ms", "latency_min_ms", "first_inference_ms", "compile_ms", "gmac",
               "gmac_executed", "gmac_per_s", "peak_gmac_per_s", "percent_of_peak", "cpu"});
  auto text = [&](const char* key) { return json[key].is_string() ? json[key].get<std::string>() : json[key].dump(); };
  const auto& latency = json["latency_ms"];
  table.add({text("model"), text("precision"), text("isa"), text("streams"), text("threads"), text("batch"),
             text("throughput_fps"), latency["median"].dump(), latency["p90"].dump(), latency["p99"].dump(),
             latency["min"].dump(), text("first_inference_ms"), text("compile_ms"), text("gmac"), text("gmac_executed"),
             text("gmac_per_s"), text("peak_gmac_per_s"), text("percent_of_peak"),
             json["host"]["cpu"].get<std::string>()});
  return table.csv();
}

void print(const Model& model, const StreamSettings& s, const Figures& f) {
  std::printf("%s, %s kernels, %d stream%s x %d thread%s, %zu requests\n", model.is_int8() ? "int8" : "f32",
              to_string(model.isa()), s.streams, s.streams == 1 ? "" : "s", s.threads, s.threads == 1 ? "" : "s",
              f.requests);
  std::printf("throughput       %10.2f images/s\n", f.throughput_fps);
  std::printf("latency          %10.2f ms median, %.2f p90, %.2f p99, %.2f min\n", f.median, f.p90, f.p99, f.least);
  std::printf("first inference  %10.2f ms after %.0f ms of compiling\n", f.first_inference_ms, model.plan().compile_ms);
  std::printf("work             %10.3f GMAC a request, %.3f executed\n", model.gmac(), model.gmac_executed());
  std::printf("rate             %10.1f GMAC/s, %s %% of the measured peak of %.1f\n", f.gmac_per_s,
              fixed(f.percent_of_peak, 1).c_str(), f.peak_gmac_per_s);
}

// One line when steps without a kernel cost more than they may, the dearest by name.
void warn_of_fallbacks(const Model& model, const Figures& f) {
  constexpr double kTolerated = 0.02;
  constexpr size_t kNamed = 5;
  const double share = run::total_share(f.fallbacks);
  if (share <= kTolerated) return;
  std::string steps;
  for (size_t i = 0; i < std::min(kNamed, f.fallbacks.size()); ++i) {
    const run::StepInfo& info = model.plan().steps[f.fallbacks[i].step]->info;
    steps += cat(i == 0 ? ": " : ", ", info.op, " '", info.name, "' ", fixed(100 * f.fallbacks[i].share, 1), " %");
  }
  if (f.fallbacks.size() > kNamed) steps += cat(", and ", f.fallbacks.size() - kNamed, " more");
  std::fprintf(stderr, "warning: %s %% of the time goes to steps that no kernel exists for%s\n",
               fixed(100 * share, 1).c_str(), steps.c_str());
}

// Tensors for the model's inputs where --input is given.
Result<std::vector<Tensor>> given_inputs(const BenchArgs& args) {
  if (args.inputs.empty()) return std::vector<Tensor>();
  QL_TRY(ModelOptions options, args.model.options());
  QL_TRY(DynamicModel model, DynamicModel::load(args.model.path, {options}));
  QL_TRY(std::vector<std::string> files, assign_inputs(model.inputs(), args.inputs));
  return read_inputs(model.inputs(), files, *picture_reader(args.model.path, args.precision.prep));
}

Status bench(const BenchArgs& args) {
  for (const std::string& path : {args.json, args.csv})
    if (!path.empty()) QL_CHECK_OK(prepare_output_file(path));
  StreamSettings settings;
  QL_TRY(settings.streams, parse_count(args.streams, "--streams"));
  QL_TRY(settings.threads, parse_count(args.threads, "--threads"));
  settings.pin = args.pin == "on";
  run::Topology topology = run::detect_topology();
  settings = resolve(settings, topology.usable_threads());
  for (const std::string& note : topology.notes) std::fprintf(stderr, "note: %s\n", note.c_str());

  QL_TRY(std::vector<Tensor> inputs, given_inputs(args));
  QL_TRY(Model model, load_model(args.model, args.precision, inputs));
  if (std::string remark = isa_remark(model); !remark.empty()) std::fprintf(stderr, "note: %s\n", remark.c_str());
  QL_TRY(Figures figures, measure(model, inputs, settings, args.seconds, topology.usable_threads()));
  print(model, settings, figures);
  warn_of_fallbacks(model, figures);
  nlohmann::ordered_json json = report(args, model, settings, figures);
  if (!args.json.empty()) QL_CHECK_OK(write_file(args.json, json.dump(1) + "\n"));
  if (!args.csv.empty()) QL_CHECK_OK(write_file(args.csv, csv(json)));
  return {};
}

}  // namespace

Verb add_bench(CLI::App& root) {
  CLI::App* app = root.add_subcommand("bench", "Measure throughput and latency");
  auto args = std::make_shared<BenchArgs>();
  args->model.add_to(*app);
  args->precision.add_to(*app);
  app->add_option("--input", args->inputs, "FILE or NAME=FILE, .npy or .pb, for each input; default: random values")
      ->take_all();
  app->add_option("--streams", args->streams, "requests in flight, or auto")->capture_default_str();
  app->add_option("--threads", args->threads, "threads for each stream, or auto")->capture_default_str();
  app->add_option("--pin", args->pin, "bind the threads to cores")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  app->add_option("--seconds", args->seconds, "how long to measure")
      ->check(CLI::Range(0.05, 3600.0))
      ->capture_default_str();
  app->add_option("--json", args->json, "write the figures to this file");
  app->add_option("--csv", args->csv, "write the figures to this file, one row");
  return {app, [args] { return bench(*args); }};
}

}  // namespace quadlane::tools
