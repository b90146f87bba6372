#include "tools/accuracy/exposed.h"

#include "engine/run/topology.h"

namespace quadlane::tools {

struct Exposed::State {
  run::Stream stream;
  Outputs outputs;
  std::vector<std::optional<size_t>> input;  // names[i] is an input of the network
  std::vector<size_t> output;
  std::vector<Tensor> inputs;
};

Result<Exposed> Exposed::make(const Graph& graph, const std::vector<std::string>& names) {
  std::vector<ValueId> outputs;
  std::vector<std::optional<size_t>> input;
  std::vector<size_t> output;
  for (const std::string& name : names) {
    const std::optional<ValueId> v = graph.find(name);
    if (!v) return invalid_argument("the model has no value '", name, "'");
    const auto at = std::find(graph.inputs().begin(), graph.inputs().end(), *v);
    const bool given = at != graph.inputs().end();
    input.push_back(given ? std::optional<size_t>(at - graph.inputs().begin()) : std::nullopt);
    output.push_back(outputs.size());
    if (!given) outputs.push_back(*v);
  }
  if (outputs.empty()) outputs.push_back(graph.outputs()[0]);  // inputs alone: still something has to run
  Graph exposed = graph;
  exposed.set_outputs(outputs);
  exposed.tail = nullptr;  // it reads the outputs that were
  ModelOptions options;
  options.tune = false;
  QL_TRY(Model model, Model::from_graph(std::move(exposed), options));
  QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
  QL_TRY(Outputs tensors, Outputs::allocate(model.outputs()));
  Exposed result;
  result.state_ =
      std::make_shared<State>(State{std::move(stream), std::move(tensors), std::move(input), std::move(output), {}});
  return result;
}

Status Exposed::run(std::span<const Tensor> inputs) {
  state_->inputs.assign(inputs.begin(), inputs.end());
  return state_->stream.run(views_of(inputs), state_->outputs.views());
}

const Tensor& Exposed::value(size_t i) const {
  return state_->input[i] ? state_->inputs[*state_->input[i]] : state_->outputs[state_->output[i]];
}

}  // namespace quadlane::tools
