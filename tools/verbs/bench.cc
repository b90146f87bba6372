// quadlane bench: throughput and latency of a model on N streams x T threads.
//
//   gmac            MACs of Conv, ConvTranspose, Gemm and MatMul of one request in the original graph, in 1e9
//   gmac_executed   the same after rewrites
//   gmac_per_s      gmac * requests per second
//   percent_of_peak smaller of the two * requests per second / peak_gmac_per_s
//   peak_gmac_per_s a register-only loop of dot products on one core, times the cores used
//   cpu_ms          processor time of the whole program for one request
//   fallbacks       share of the time in steps that run the scalar reference, and these steps
//   warnings        why the figures may mislead
#include <cmath>
#include <memory>

#include "tools/cli/output_files.h"
#include "tools/cli/table.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/load/fingerprint.h"
#include "tools/load/load_figures.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kBoundNotKept = 3;

struct BenchArgs {
  WorkloadArgs workload;
  std::string scenario = "closed", json, csv;
  double warm_up = 0, rate = 0, latency_bound = 0;
};

Json percentiles_json(const Percentiles& p) {
  return {{"median", p.median}, {"p90", p.p90}, {"p95", p.p95},  {"p99", p.p99},
          {"max", p.max},       {"min", p.min}, {"mean", p.mean}};
}

Json fallback_report(const Model& model, const LoadFigures& f) {
  Json steps = Json::array();
  for (const run::StepTime& time : f.fallbacks) {
    const run::StepInfo& info = model.plan().steps[time.step]->info;
    steps.push_back({{"name", info.name}, {"op", info.op}, {"share", time.share}, {"ms", time.seconds * 1000}});
  }
  return {{"share", run::total_share(f.fallbacks)}, {"steps", steps}};
}

Json report(const BenchArgs& args, const Workload& w, const LoadFigures& f, const std::string& sha256,
            const std::vector<std::string>& warnings) {
  const Model& model = w.model;
  Json streams = Json::array();
  for (const Percentiles& p : f.of_stream) streams.push_back(percentiles_json(p));
  Json json = {{"model", args.workload.model.path},
               {"model_sha256", sha256},
               {"precision", model.is_int8() ? "int8" : "f32"},
               {"isa", to_string(model.isa())},
               {"scenario", args.scenario},
               {"streams", w.settings.streams},
               {"threads", w.settings.threads},
               {"pinned", w.settings.pin},
               {"batch", w.images_per_request()},
               {"seconds", args.workload.seconds},
               {"requests", f.requests},
               {"throughput_fps", f.throughput_fps},
               {"throughput_fps_confidence95", f.confidence_fps},
               {"latency_ms", percentiles_json(f.latency)},
               {"latency_variation", f.variation},
               {"latency_ms_of_streams", streams},
               {"cpu_ms", f.cpu_ms},
               {"first_inference_ms", f.first_inference_ms},
               {"compile_ms", model.plan().compile_ms},
               {"open_ms", model.open_ms()},
               {"gmac", model.gmac()},
               {"gmac_executed", model.gmac_executed()},
               {"gmac_per_s", f.gmac_per_s},
               {"peak_gmac_per_s", f.peak_gmac_per_s},
               {"percent_of_peak", f.percent_of_peak},
               {"copy_gb_per_s", {{"l1", f.copy.l1}, {"l2", f.copy.l2}, {"l3", f.copy.l3}, {"memory", f.copy.memory}}},
               {"clock_ghz", {{"before", f.clock_before}, {"after", f.clock_after}}},
               {"other_load", f.others},
               {"arena_bytes", f.arena_bytes},
               {"weight_bytes", model.plan().weights.size()},
               {"resident_bytes", f.resident_bytes},
               {"added_bytes", f.added_bytes},
               {"fallbacks", fallback_report(model, f)},
               {"warnings", warnings},
               {"host", host_json()}};
  if (f.served.rate > 0) json["arrivals_per_s"] = f.served.rate;
  if (args.latency_bound > 0) {
    json["latency_bound_ms"] = args.latency_bound;
    json["bound_kept"] = f.served.bound_kept;
  }
  return json;
}

// One row; `stream_..._ms` hold the figure of every stream.
std::string csv(const Json& json) {
  static const std::pair<const char*, const char*> kColumns[] = {
      {"model", "/model"},
      {"model_sha256", "/model_sha256"},
      {"precision", "/precision"},
      {"isa", "/isa"},
      {"scenario", "/scenario"},
      {"streams", "/streams"},
      {"threads", "/threads"},
      {"pinned", "/pinned"},
      {"batch", "/batch"},
      {"requests", "/requests"},
      {"throughput_fps", "/throughput_fps"},
      {"throughput_fps_confidence95", "/throughput_fps_confidence95"},
      {"latency_median_ms", "/latency_ms/median"},
      {"latency_p90_ms", "/latency_ms/p90"},
      {"latency_p95_ms", "/latency_ms/p95"},
      {"latency_p99_ms", "/latency_ms/p99"},
      {"latency_max_ms", "/latency_ms/max"},
      {"latency_min_ms", "/latency_ms/min"},
      {"latency_mean_ms", "/latency_ms/mean"},
      {"latency_variation", "/latency_variation"},
      {"cpu_ms", "/cpu_ms"},
      {"first_inference_ms", "/first_inference_ms"},
      {"compile_ms", "/compile_ms"},
      {"open_ms", "/open_ms"},
      {"gmac", "/gmac"},
      {"gmac_executed", "/gmac_executed"},
      {"gmac_per_s", "/gmac_per_s"},
      {"peak_gmac_per_s", "/peak_gmac_per_s"},
      {"percent_of_peak", "/percent_of_peak"},
      {"copy_l1_gb_per_s", "/copy_gb_per_s/l1"},
      {"copy_l2_gb_per_s", "/copy_gb_per_s/l2"},
      {"copy_l3_gb_per_s", "/copy_gb_per_s/l3"},
      {"copy_memory_gb_per_s", "/copy_gb_per_s/memory"},
      {"clock_before_ghz", "/clock_ghz/before"},
      {"clock_after_ghz", "/clock_ghz/after"},
      {"other_load", "/other_load"},
      {"arena_bytes", "/arena_bytes"},
      {"weight_bytes", "/weight_bytes"},
      {"resident_bytes", "/resident_bytes"},
      {"added_bytes", "/added_bytes"},
      {"fallback_share", "/fallbacks/share"},
      {"cpu", "/host/cpu"},
      {"system", "/host/system"},
      {"build", "/host/build"},
      {"build_id", "/host/build_id"}};
  std::vector<std::string> names, values;
  auto text = [](const Json& j) { return j.is_string() ? j.get<std::string>() : j.dump(); };
  auto add = [&](std::string name, std::string value) {
    names.push_back(std::move(name));
    values.push_back(std::move(value));
  };
  auto joined = [&](const Json& list, const char* key) {
    std::string all;
    for (const Json& item : list) all += cat(all.empty() ? "" : "; ", text(key ? item[key] : item));
    return all;
  };
  for (const auto& [name, place] : kColumns) add(name, text(json[Json::json_pointer(place)]));
  for (const char* key : {"median", "p90", "p95", "p99", "max"})
    add(cat("stream_", key, "_ms"), joined(json["latency_ms_of_streams"], key));
  add("warnings", joined(json["warnings"], nullptr));
  Table table(std::move(names));
  table.add(std::move(values));
  return table.csv();
}

std::string counted(int n, const char* what) { return cat(n, " ", what, n == 1 ? "" : "s"); }

std::string latency_line(const Percentiles& p) {
  return cat(figure(p.median), " ms median, ", figure(p.p90), " p90, ", figure(p.p95), " p95, ", figure(p.p99),
             " p99, ", figure(p.max), " max, ", figure(p.min), " min");
}

void print_latencies(const LoadFigures& f) {
  std::printf("latency          %s\n", latency_line(f.latency).c_str());
  for (size_t i = 0; f.of_stream.size() > 1 && i < f.of_stream.size(); ++i)
    std::printf("  stream %-8zu %s\n", i, latency_line(f.of_stream[i]).c_str());
}

// Of the machine and the build.
void print_host(const LoadFigures& f, const std::string& sha256) {
  const Json host = host_json();
  auto count = [&](const char* key) { return host[key].get<int>(); };
  const std::string quota =
      host["quota"].is_number() ? cat("quota ", fixed(host["quota"].get<double>(), 2)) : "no quota";
  std::printf("machine          %s, %s, SMT %d, %s, %s%s, about %.2f GHz\n", host["cpu"].get<std::string>().c_str(),
              counted(count("physical_cores"), "core").c_str(), count("threads_per_core"),
              counted(count("numa_nodes"), "NUMA node").c_str(), quota.c_str(),
              host["virtual_machine"].get<bool>() ? ", virtual" : "", f.clock_after);
  std::printf("                 copying %.0f GB/s in L1, %.0f L2, %.0f L3, %.0f memory\n", f.copy.l1, f.copy.l2,
              f.copy.l3, f.copy.memory);
  std::printf("build            %s, id %.12s, model sha256 %.12s\n", host["build"].get<std::string>().c_str(),
              host["build_id"].get<std::string>().c_str(), sha256.c_str());
}

void print(const BenchArgs& args, const Workload& w, const LoadFigures& f, const std::string& sha256) {
  const Model& model = w.model;
  std::printf("%s, %s kernels, %s x %s, %s, %zu requests\n", model.is_int8() ? "int8" : "f32", to_string(model.isa()),
              counted(w.settings.streams, "stream").c_str(), counted(w.settings.threads, "thread").c_str(),
              args.scenario.c_str(), f.requests);
  if (f.served.rate > 0) std::printf("arrivals         %10.2f requests/s, Poisson\n", f.served.rate);
  std::printf("throughput       %10.2f images/s", f.throughput_fps);
  if (f.confidence_fps > 0) std::printf(" +- %.2f (95 %%)", f.confidence_fps);
  std::printf("\n");
  if (f.scenario != Scenario::offline) print_latencies(f);
  if (args.latency_bound > 0 && f.scenario == Scenario::server)
    std::printf("latency bound    %10.2f ms for 99 of 100 requests from their arrival on: %s\n", args.latency_bound,
                f.served.bound_kept ? "kept" : "NOT KEPT");
  if (model.open_ms() > 0)
    std::printf("first inference  %10.2f ms after %.2f ms of opening the plan, code %s\n", f.first_inference_ms,
                model.open_ms(), model.plan().code_method.c_str());
  else
    std::printf("first inference  %10.2f ms after %.0f ms of compiling\n", f.first_inference_ms,
                model.plan().compile_ms);
  std::printf("work             %10.3f GMAC a request, %.3f executed\n", model.gmac(), model.gmac_executed());
  std::printf("rate             %10.1f GMAC/s, %s %% of the measured peak of %.1f\n", f.gmac_per_s,
              fixed(f.percent_of_peak, 1).c_str(), f.peak_gmac_per_s);
  std::printf(
      "memory           %10.1f MB arena a stream, %.1f weights, at most %.1f more from opening to the first result, "
      "%.1f resident\n",
      static_cast<double>(f.arena_bytes) * 1e-6, static_cast<double>(model.plan().weights.size()) * 1e-6,
      static_cast<double>(f.added_bytes) * 1e-6, static_cast<double>(f.resident_bytes) * 1e-6);
  print_host(f, sha256);
}

Status bench(const BenchArgs& args, int& exit_code) {
  QL_CHECK_OK(prepare_outputs({{args.json, args.csv}}));
  ScenarioOptions options{Scenario::closed, args.workload.seconds, args.warm_up, args.rate, args.latency_bound};
  QL_TRY(options.scenario, parse_scenario(args.scenario));
  if (options.scenario != Scenario::server && (args.rate > 0 || args.latency_bound > 0))
    return invalid_argument("--rate and --latency-bound belong to --scenario server, not to ", args.scenario);
  WorkloadArgs workload_args = args.workload;
  if (options.scenario == Scenario::single) workload_args.streams = "1";
  measure::forget_peak_memory();
  const size_t resident = measure::resident_memory();
  QL_TRY(Workload workload, prepare(workload_args));
  QL_TRY(std::string sha256, model_sha256(args.workload.model.path));
  QL_TRY(LoadFigures figures, measure_load(workload, options));
  figures.added_bytes = figures.peak_bytes - std::min(resident, figures.peak_bytes);
  print(args, workload, figures, sha256);
  const std::vector<std::string> warnings = doubts(figures, workload);
  for (const std::string& line : warnings) std::fprintf(stderr, "warning: %s\n", line.c_str());
  const Json json = report(args, workload, figures, sha256, warnings);
  if (!args.json.empty()) QL_CHECK_OK(write_json(args.json, json));
  if (!args.csv.empty()) QL_CHECK_OK(write_file(args.csv, csv(json)));
  if (figures.served.bound_kept) return {};
  exit_code = kBoundNotKept;
  return invalid_argument("99 of 100 requests took up to ", fixed(figures.latency.p99, 2), " ms at ",
                          fixed(figures.served.rate, 1), " requests a second, the bound is ", args.latency_bound,
                          " ms");
}

}  // namespace

Verb add_bench(CLI::App& root) {
  CLI::App* app = root.add_subcommand("bench", "Measure throughput and latency");
  auto args = std::make_shared<BenchArgs>();
  args->workload.add_to(*app);
  app->add_option(
         "--scenario", args->scenario,
         "synchronous callers: closed, one for each stream; single, one on one stream; multi, all streams start "
         "together, and the latency of such a round is its slowest's. "
         "Asynchronous, from a queue to whichever stream is free: server, Poisson arrivals; offline, all at once")
      ->check(CLI::IsMember({"closed", "single", "multi", "server", "offline"}))
      ->capture_default_str();
  app->add_option("--warm-up", args->warm_up,
                  "seconds of runs before the measurement; every stream runs twice at least")
      ->check(CLI::Range(0.0, 3600.0));
  app->add_option("--rate", args->rate, "server: requests a second; default: the most that keep --latency-bound")
      ->check(CLI::Range(1e-3, 1e9));
  app->add_option("--latency-bound", args->latency_bound,
                  "server: ms that 99 of 100 requests must keep, waiting included; exit with 3 when they do not")
      ->check(CLI::Range(1e-3, 1e9));
  add_output(*app, "--json", args->json, "write the figures to this file");
  add_output(*app, "--csv", args->csv, "write the figures to this file, one row");
  auto exit_code = std::make_shared<int>(1);
  return {app, [args, exit_code] { return bench(*args, *exit_code); }, exit_code};
}

}  // namespace quadlane::tools
