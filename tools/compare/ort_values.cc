#include "tools/compare/ort_values.h"

#include "loader/save.h"
#include "tools/accuracy/exposed.h"
#include "tools/compare/difference.h"
#include "tools/compare/step_names.h"

namespace quadlane::tools {
namespace {

// Of the graph's inputs, by name.
Result<std::vector<Tensor>> inputs_for(const Graph& graph, const Workload& w, Lane& lane) {
  std::vector<Tensor> inputs;
  for (ValueId input : graph.inputs()) {
    size_t i = 0;
    while (i < lane.inputs.size() && w.model.inputs()[i].name != graph.at(input).name) ++i;
    if (i == lane.inputs.size())
      return invalid_argument("the other engine's file has an input '", graph.at(input).name, "', the model none");
    inputs.push_back(std::move(lane.inputs[i]));
  }
  return inputs;
}

std::vector<run::TensorInfo> infos(const Graph& graph, std::span<const ValueId> values) {
  std::vector<run::TensorInfo> list;
  for (ValueId v : values) list.push_back({graph.at(v).name, graph.at(v).type});
  return list;
}

}  // namespace

Result<std::vector<LayerDifference>> ort_values(const peers::Ort& ort, const WorkloadArgs& args, const Workload& w,
                                                const std::string& file) {
  QL_TRY(PeerModel model, peer_model(args, w, file));
  QL_TRY(Graph graph, peer_graph(model, w));
  std::vector<std::string> steps, names;
  for (const auto& step : w.model.plan().steps) steps.push_back(step->info.name);
  std::vector<LayerDifference> layers;
  std::vector<ValueId> values;
  const std::vector<StepNames> named = names_of_steps(graph, steps);
  for (size_t i = 0; i < named.size(); ++i) {
    if (named[i].value == kNoValue || graph.at(named[i].value).constant) continue;
    values.push_back(named[i].value);
    names.push_back(graph.at(values.back()).name);
    layers.push_back({steps[i], names.back(), w.model.plan().steps[i]->info.op});
  }
  QL_TRY(Lane lane, Lane::make(w.model, w.given, 1));
  QL_TRY(std::vector<Tensor> inputs, inputs_for(graph, w, lane));
  QL_TRY(Exposed ours, Exposed::make(graph, names));
  QL_CHECK_OK(ours.run(inputs));

  QL_TRY(auto scratch, TemporaryFolder::make());
  graph.set_outputs(values);
  graph.tail = nullptr;
  QL_CHECK_OK(save_onnx(graph, scratch->path("values.onnx")));
  QL_TRY(peers::OrtSession session, peers::OrtSession::load(ort, scratch->path("values.onnx"), w.settings.threads));
  const std::vector<run::TensorInfo> outputs = infos(graph, values);
  QL_TRY(Outputs theirs, Outputs::allocate(outputs));
  QL_CHECK_OK(session.bind(infos(graph, graph.inputs()), inputs, outputs, theirs.views()));
  QL_CHECK_OK(session.run());
  for (size_t i = 0; i < layers.size(); ++i) {
    add_elements(theirs[i], ours.value(i), layers[i].deviation);
    layers[i].levels.add(theirs[i], ours.value(i));
  }
  return layers;
}

}  // namespace quadlane::tools
