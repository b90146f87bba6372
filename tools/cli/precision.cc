#include "tools/cli/precision.h"

#include <cstdio>

#include "engine/api/plan_model.h"
#include "graph/quant/quantize.h"
#include "ops/table.h"
#include "tools/cli/calibrate.h"
#include "tools/cli/inputs.h"
#include "tools/cli/model_prep.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

constexpr int kRandomSamples = 4;

std::vector<run::TensorInfo> input_infos(const Graph& graph) {
  std::vector<run::TensorInfo> infos;
  for (ValueId id : graph.inputs()) infos.push_back({graph.at(id).name, graph.at(id).type});
  return infos;
}

Result<Profile> profile_for(const Graph& graph, const std::string& path, const PrecisionArgs& args, bool& random) {
  if (!args.calib.empty()) {
    QL_TRY(CalibrationSource source, find_calibration(args.calib, graph, picture_reader(path, args.prep)));
    return calibrate(graph, source);
  }
  if (!args.own_samples) {
    random = true;
    std::fprintf(stderr, "note: '%s' is calibrated on random normal data: good for measuring speed, not for results\n",
                 path.c_str());
    return random_profile(graph);
  }
  QL_TRY(std::vector<Tensor> own, args.own_samples(input_infos(graph)));
  std::vector<std::vector<Tensor>> samples;
  for (Tensor& tensor : own) samples.push_back({std::move(tensor)});
  return calibrate(graph, samples);
}

}  // namespace

Result<Profile> random_profile(const Graph& graph) {
  std::vector<std::vector<Tensor>> samples(kRandomSamples);
  for (int i = 0; i < kRandomSamples; ++i)
    for (const run::TensorInfo& info : input_infos(graph)) {
      QL_TRY(Tensor tensor, random_tensor(info.type, static_cast<uint64_t>(100 + i)));
      samples[static_cast<size_t>(i)].push_back(std::move(tensor));
    }
  return calibrate(graph, samples);
}

void PrecisionArgs::add_to(CLI::App& app) {
  app.add_option("--precision", precision, "f32 or int8; default: as the model is")
      ->check(CLI::IsMember({"f32", "int8"}));
  app.add_option("--calib", calib,
                 "real inputs to quantize an fp32 model by: folders, tensors, images, saved statistics")
      ->take_all();
  app.add_option("--prep", prep, "how images become inputs; default: MODEL.prep.json, or what the model itself says");
}

Result<LoadedGraph> load_graph(const ModelArgs& model_args, const PrecisionArgs& args, std::span<const Tensor> inputs) {
  QL_TRY(ModelOptions options, model_args.options());
  QL_TRY(OnnxModel file, OnnxModel::read(model_args.path, options.load));
  bind_inputs(file.inputs(), inputs, options.load);
  QL_TRY(Graph graph, file.bind(op_table(), options.load));
  if (args.precision.empty() && args.calib.empty()) return LoadedGraph{std::move(graph), {}};
  bool quantized = has_quantizers(graph);
  if (quantized && args.precision == "f32")
    return invalid_argument("'", model_args.path, "' is quantized, it cannot run with --precision f32");
  if (quantized || args.precision == "f32") return LoadedGraph{std::move(graph), {}};

  QL_CHECK_OK(bring_to_quantizable_form(graph, options));
  bool random = false;
  QL_TRY(Profile profile, profile_for(graph, model_args.path, args, random));
  QL_TRY(Graph int8, quantize(graph, op_table(), profile));
  return LoadedGraph{std::move(int8), profile.to_text(), random};
}

Result<LoadedModel> load_model(const ModelArgs& model_args, const PrecisionArgs& args, std::span<const Tensor> inputs) {
  QL_TRY(ModelOptions options, model_args.options());
  if (is_plan_file(model_args.path)) {
    if (!args.precision.empty() || !args.calib.empty())
      return invalid_argument("'", model_args.path, "' is a plan: its precision was fixed when it was compiled");
    QL_TRY(Model plan, Model::load_plan(model_args.path, options));
    return LoadedModel{std::move(plan), {}};
  }
  QL_TRY(LoadedGraph loaded, load_graph(model_args, args, inputs));
  QL_TRY(Model model, Model::from_graph(std::move(loaded.graph), options));
  return LoadedModel{std::move(model), std::move(loaded.calibration), loaded.random_calibration};
}

}  // namespace quadlane::tools
