#include "tools/compare/figures_page.h"
#include "tools/compare/layers.h"
#include "tools/compare/ort_values.h"
#include "tools/io/file.h"
#include "tools/io/json.h"
#include "tools/verbs/compare_args.h"

namespace quadlane::tools {
namespace {

constexpr double kLowDb = 20;

// Values of both models on the given inputs, or on random ones.
Result<std::vector<LayerDifference>> values_of_models(const CompareArgs& args, const Workload& workload) {
  QL_TRY(Lane lane, Lane::make(workload.model, workload.given, 0));
  QL_TRY(ModelOptions options, args.workload.model.options());
  for (const run::TensorInfo& input : workload.model.inputs())
    options.load.shapes.try_emplace(input.name, input.type.shape);
  QL_TRY(Graph first, load_for_layers(args.workload.model.path, options));
  QL_TRY(Graph second, load_for_layers(args.also[0], options));
  const std::vector<std::vector<Tensor>> inputs{std::move(lane.inputs)};
  return compare_layers(first, second, inputs);
}

}  // namespace

Status compare_values(const CompareArgs& args) {
  const bool ort = args.with == std::vector<std::string>{"ort"};
  if (args.also.size() + args.with.size() != 1 || (!ort && args.also.empty()))
    return invalid_argument("--layers compares with one --also or with --with ort");
  QL_TRY(Workload workload, prepare(args.workload));
  std::vector<LayerDifference> layers;
  if (ort) {
    QL_TRY(peers::Ort library, peers::Ort::open(args.ort));
    QL_TRY(layers, ort_values(library, args.workload, workload, args.peer_model));
  } else {
    QL_TRY(layers, values_of_models(args, workload));
  }
  const char* headings[] = {ort ? "layer" : "value", ort ? "value" : "in the second"};
  std::fputs(layers_table(layers, headings[0], headings[1]).c_str(), stdout);
  const std::string other = ort ? "ONNX Runtime" : args.also[0];
  if (!args.json.empty()) {
    nlohmann::ordered_json json = {
        {"model", args.workload.model.path}, {"other", other}, {"layers", layer_differences_json(layers)}};
    if (const Levels all = levels_of(layers); all.values) json["levels"] = levels_json(all);
    QL_CHECK_OK(write_json(args.json, json));
  }
  if (args.html.empty()) return {};
  FiguresPage page{"Values layer by layer", cat(args.workload.model.path, " and ", other)};
  page.columns = {headings[0],     headings[1],       "operator",       "SQNR dB",
                  "largest error", kLevelHeadings[0], kLevelHeadings[1]};
  page.bars = "SQNR";
  for (const LayerDifference& layer : layers)
    page.rows.push_back({layer_cells(layer), layer.deviation.sqnr_db(), !(layer.deviation.sqnr_db() >= kLowDb)});
  return write_file(args.html, page.html());
}

}  // namespace quadlane::tools
