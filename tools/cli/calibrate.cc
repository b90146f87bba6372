#include "tools/cli/calibrate.h"

#include <algorithm>

#include "engine/api/engine.h"
#include "engine/run/topology.h"
#include "tools/cli/parallel.h"
#include "tools/cli/progress.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

struct Engine {
  std::vector<ValueId> inputs, observed;
  Model model;
  run::Stream stream;
  Outputs outputs;
};

// Everything a node computes in fp32; constants are not activations.
std::vector<ValueId> activations(const Graph& graph) {
  std::vector<ValueId> values;
  for (NodeId id : graph.order())
    for (ValueId output : graph.at(id).outputs)
      if (output != kNoValue && graph.at(output).type.dtype == DType::f32) values.push_back(output);
  return values;
}

}  // namespace

Result<Evaluate> engine_evaluator(const Graph& simplified) {
  std::vector<ValueId> observed = activations(simplified);
  Graph exposed = simplified;
  exposed.set_outputs(observed);
  exposed.tail = nullptr;  // it reads the outputs that were
  ModelOptions options;
  options.tune = false;
  QL_TRY(Model model, Model::from_graph(std::move(exposed), options));
  QL_TRY(run::Stream stream, model.open_stream({.threads = run::detect_topology().usable_threads()}));
  std::vector<ValueId> inputs(simplified.inputs().begin(), simplified.inputs().end());
  auto engine =
      std::make_shared<Engine>(Engine{std::move(inputs), std::move(observed), std::move(model), std::move(stream), {}});
  QL_TRY(engine->outputs, Outputs::allocate(engine->model.outputs()));

  return Evaluate(
      [engine](std::span<const Tensor> samples, const std::function<void(ValueId, const Tensor&)>& observe) -> Status {
        QL_CHECK_OK(engine->stream.run(views_of(samples), engine->outputs.views()));
        for (size_t i = 0; i < samples.size(); ++i) observe(engine->inputs[i], samples[i]);
        for (size_t i = 0; i < engine->observed.size(); ++i) observe(engine->observed[i], engine->outputs[i]);
        return {};
      });
}

namespace {

Result<std::vector<Shape>> shapes_in(const Sample& sample, const Graph& graph, const CalibrationSource& source) {
  std::vector<TensorType> types;
  for (ValueId id : graph.inputs()) {
    types.push_back(graph.at(id).type);
    for (int64_t& extent : types.back().shape) extent = kOpenExtent;
  }
  QL_TRY(std::vector<Tensor> tensors, read_unchecked(sample, types, source));
  std::vector<Shape> shapes;
  for (const Tensor& tensor : tensors) shapes.push_back(tensor.shape());
  return shapes;
}

// A sample of another shape: the statistics of the same values, from the graph for that shape.
Result<Profile> calibrate_elsewhere(const Sample& sample, const Graph& simplified, const CalibrationSource& source,
                                    bool histograms) {
  QL_TRY(std::vector<Shape> shapes, shapes_in(sample, simplified, source));
  QL_TRY(Graph graph, source.rebind(shapes).context(sample.name()));
  QL_TRY(Evaluate evaluate, engine_evaluator(graph));
  Calibrator calibrator(graph, std::move(evaluate), histograms, on_usable_processors());
  QL_TRY(auto inputs, read_samples(sample, graph, source));
  for (const std::vector<Tensor>& input : inputs) QL_CHECK_OK(calibrator.add(input).context(sample.name()));
  return calibrator.profile();
}

bool is_constant(const Tensor& t) {
  if (t.dtype() != DType::f32) return false;
  const float* values = t.as<float>();
  return std::all_of(values, values + t.count(), [&](float v) { return v == values[0]; });
}

}  // namespace

Result<Profile> calibrate(const Graph& simplified, const CalibrationSource& source, bool histograms,
                          std::vector<std::string>* notes) {
  if (source.profile) return *source.profile;
  QL_TRY(Evaluate evaluate, engine_evaluator(simplified));
  Calibrator calibrator(simplified, std::move(evaluate), histograms, on_usable_processors());
  Profile elsewhere(histograms);  // of the samples of other shapes
  size_t inputs = 0, constant = 0;
  Progress progress("calibrating", static_cast<int64_t>(source.samples.size() + source.others.size()), "samples");
  for (const Sample& sample : source.samples) {
    progress.advance(0);
    QL_TRY(auto tensors, read_samples(sample, simplified, source));
    for (const std::vector<Tensor>& input : tensors) {
      if (std::all_of(input.begin(), input.end(), is_constant) && ++constant == 1 && notes)
        notes->push_back(cat(sample.name(), " is one constant value: it says nothing about ranges"));
      ++inputs;
      QL_CHECK_OK(calibrator.add(input).context(sample.name()));
    }
    progress.advance();
  }
  for (const Sample& sample : source.others) {
    QL_TRY(Profile other, calibrate_elsewhere(sample, simplified, source, histograms));
    QL_CHECK_OK(elsewhere.merge(other));
    progress.advance();
  }
  if (inputs && constant == inputs)
    return invalid_argument("all ", inputs, " calibration inputs are constant, as ", source.samples[0].name());
  Profile profile = calibrator.profile();
  QL_CHECK_OK(profile.merge(elsewhere));
  return profile;
}

Result<Profile> calibrate(const Graph& simplified, std::span<const std::vector<Tensor>> samples) {
  QL_TRY(Evaluate evaluate, engine_evaluator(simplified));
  Calibrator calibrator(simplified, std::move(evaluate), false, on_usable_processors());
  Progress progress("calibrating", static_cast<int64_t>(samples.size()), "samples");
  for (const std::vector<Tensor>& sample : samples) {
    QL_CHECK_OK(calibrator.add(sample));
    progress.advance();
  }
  return calibrator.profile();
}

}  // namespace quadlane::tools
