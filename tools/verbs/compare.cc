// quadlane compare: one model in several engines, in turn on the same inputs; or two saved results.
//
//   compare MODEL --with ort --with onednn          engines in this process
//   compare MODEL --build OTHER/quadlane            another build of this command
//   compare MODEL --also OTHER_MODEL                another file in this engine: another plan, another quantization
//   compare MODEL --also OTHER_MODEL --layers       where the two diverge, layer by layer; or --with ort
//   compare OLDER.json NEWER.json                   results of bench, profile or compare
//
// Exit code 3: --fail-over is given and a regression is larger.
#include <chrono>
#include <memory>

#include "engine/api/plan_model.h"
#include "tools/cli/output_files.h"
#include "tools/compare/comparison.h"
#include "tools/compare/other_build.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/load/fingerprint.h"
#include "tools/measure/machine.h"
#include "tools/measure/statistics.h"
#include "tools/verbs/compare_args.h"
#include "tools/verbs/verb.h"

namespace quadlane::tools {
namespace {

// "5%" or "5" -> 0.05; negative when not given.
Result<double> fail_over_share(const std::string& text) {
  if (text.empty()) return -1.0;
  char* end = nullptr;
  const double percent = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || (*end && std::string(end) != "%") || !(percent >= 0))
    return invalid_argument("--fail-over '", text, "' is no share like 5%");
  return percent / 100;
}

struct Loaded {
  Workload workload;
  double ms;
  int64_t bytes;
};
Result<Loaded> load_timed(const WorkloadArgs& args) {
  const int64_t before = static_cast<int64_t>(measure::resident_memory());
  const auto start = std::chrono::steady_clock::now();
  QL_TRY(Workload workload, prepare(args));
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return Loaded{std::move(workload), ms, static_cast<int64_t>(measure::resident_memory()) - before};
}

// Kept alive while their contenders run.
struct Engines {
  std::vector<Loaded> models;
  std::optional<peers::Ort> ort;
};

Status gather(const CompareArgs& args, Engines& engines, Comparison& comparison) {
  QL_TRY(Loaded first, load_timed(args.workload));
  engines.models.push_back(std::move(first));
  for (const std::string& path : args.also) {
    WorkloadArgs other = args.workload;
    other.model.path = path;
    QL_TRY(Loaded loaded, load_timed(other));
    engines.models.push_back(std::move(loaded));
  }
  for (size_t i = 0; i < engines.models.size(); ++i) {
    const Loaded& loaded = engines.models[i];
    QL_TRY(Contender ours, our_contender(loaded.workload, loaded.ms, loaded.bytes));
    if (i > 0) ours.detail = args.also[i - 1];
    comparison.engines.push_back(std::move(ours));
  }
  const Workload& w = engines.models[0].workload;
  if (w.given.empty() && w.model.is_int8())
    comparison.remarks.push_back(
        "random inputs: what differs between quantized networks says little, give real ones with --input");
  comparison.images = static_cast<double>(w.images_per_request() * w.settings.streams);
  comparison.settings = w.settings;
  if (args.wants("ort")) {
    QL_TRY(engines.ort, peers::Ort::open(args.ort));
    QL_TRY(Contender ort, ort_contender(*engines.ort, args.workload, w, args.peer_model));
    comparison.engines.push_back(std::move(ort));
  }
  if (args.wants("openvino")) {
    QL_TRY(Contender openvino, openvino_contender(args.openvino, args.workload, w, args.peer_model));
    comparison.engines.push_back(std::move(openvino));
  }
  return {};
}

Status gather_layers(const CompareArgs& args, const Workload& w, Comparison& comparison) {
  QL_TRY(peers::OneDnn onednn, peers::OneDnn::open(args.onednn));
  comparison.onednn_version = onednn.version();
  QL_TRY(ModelOptions options, args.workload.model.options());
  const std::string& path = args.peer_model.empty() ? args.workload.model.path : args.peer_model;
  if (is_plan_file(path))
    return invalid_argument("'", path,
                            "' is a plan and holds no convolutions for oneDNN: name the .onnx with --peer-model");
  for (const run::TensorInfo& input : w.model.inputs()) options.load.shapes.try_emplace(input.name, input.type.shape);
  QL_TRY(Graph graph, load_simplified(path, options));
  for (const peers::CountedLayer& layer : peers::conv_layers(graph, w.model.is_int8() ? DType::u8 : DType::f32)) {
    auto pair = time_layer_pair(layer, &onednn, args.rounds, 0.005);
    if (pair.ok())
      comparison.layers.push_back(*std::move(pair));
    else
      comparison.remarks.push_back(cat(layer.layer.text(), " is left out: ", pair.error().text()));
  }
  return {};
}

// What --fail-over needs: something to be slower than, and enough measurements to be sure of it.
Status check_can_fail(const CompareArgs& args) {
  if (args.layers || (args.newer.empty() && args.build.empty() && args.with.empty() && args.also.empty()))
    return invalid_argument(
        "--fail-over compares times: it needs --with, --also or --build, or a second result, and not --layers");
  const auto rounds = static_cast<size_t>(args.rounds);
  if ((!args.build.empty() || args.wants("onednn")) && measure::least_rank_p(rounds, rounds) >= measure::kSureBelow)
    return invalid_argument("--fail-over needs --rounds 5 or more: ", args.rounds, " against ", args.rounds,
                            " measurements make no difference sure");
  return {};
}

Status compare(const CompareArgs& args, int& exit_code) {
  QL_CHECK_OK(prepare_outputs({{args.json, args.html}}));
  QL_TRY(double share, fail_over_share(args.fail_over));
  if (share >= 0) QL_CHECK_OK(check_can_fail(args));
  if (args.by_node && !args.wants("ort")) return invalid_argument("--by-node needs --with ort");
  if (args.layers) return compare_values(args);
  if (!args.newer.empty()) return compare_files(args, share, exit_code);
  if (ends_with(args.workload.model.path, ".json"))
    return invalid_argument("'", args.workload.model.path,
                            "' is a result, no model: name a second one to compare with");
  Comparison comparison;
  comparison.model = args.workload.model.path;
  QL_TRY(comparison.model_sha256, model_sha256(comparison.model));
  Engines engines;
  if (!args.build.empty()) {
    QL_CHECK_OK(builds_in_turn(args.build, args.workload, args.rounds, args.workload.seconds, comparison));
  } else {
    QL_CHECK_OK(gather(args, engines, comparison));
    if (args.wants("onednn")) QL_CHECK_OK(gather_layers(args, engines.models[0].workload, comparison));
    QL_CHECK_OK(run_in_turn(comparison, args.workload.seconds));
    if (args.by_node && engines.ort) {
      QL_TRY(comparison.nodes, ort_nodes(*engines.ort, args.workload, engines.models[0].workload, args.peer_model));
    }
  }
  std::fputs(comparison_table(comparison).c_str(), stdout);
  const nlohmann::ordered_json json = comparison_json(comparison);
  if (!args.json.empty()) QL_CHECK_OK(write_json(args.json, json));
  if (!args.html.empty()) QL_CHECK_OK(write_file(args.html, comparison_page(json)));
  if (share < 0) return {};
  exit_code = kRegression;
  return check_regression(comparison, share);
}

}  // namespace

bool CompareArgs::wants(const char* engine) const { return std::find(with.begin(), with.end(), engine) != with.end(); }

Verb add_compare(CLI::App& root) {
  CLI::App* app = root.add_subcommand("compare", "Put engines, builds or saved results side by side");
  auto args = std::make_shared<CompareArgs>();
  args->workload.add_to(*app);
  app->add_option("NEWER", args->newer,
                  "a second result: MODEL and NEWER are then JSON files of bench, profile or compare");
  app->add_option("--with", args->with, "ort, onednn (layer by layer) or openvino; repeatable")
      ->check(CLI::IsMember({"ort", "onednn", "openvino"}))
      ->take_all();
  app->add_option("--also", args->also, "another model file in this engine; repeatable")->take_all();
  app->add_flag("--layers", args->layers, "with one --also, or with ort: where the values diverge, layer by layer");
  app->add_flag("--by-node", args->by_node, "with ort: its nodes' times beside our layers'");
  app->add_option("--build", args->build, "another build's quadlane, run in turn with this one")
      ->excludes("--with", "--also");
  app->add_option("--peer-model", args->peer_model,
                  "the file that other engines load instead of MODEL, as they must where that is a plan");
  app->add_option("--ort", args->ort, "path of libonnxruntime.so.1; default: what tools/setup --peers installs");
  app->add_option("--onednn", args->onednn, "path of libdnnl.so.2; default: the system's");
  app->add_option("--openvino", args->openvino, "path of libopenvino_c.so");
  app->add_option("--rounds", args->rounds, "for --build and layers: measurements of each")->check(CLI::Range(1, 1000));
  app->add_option(
      "--fail-over", args->fail_over,
      "exit with 3 when we, or with onednn one of our layers, are surely slower by more than this, as in 5%");
  add_output(*app, "--json", args->json, "write the figures to this file");
  add_output(*app, "--html", args->html, "write a page with plots to this file");
  auto exit_code = std::make_shared<int>(1);
  return {app, [args, exit_code] { return compare(*args, *exit_code); }, exit_code};
}

}  // namespace quadlane::tools
