#include "tools/cli/calibrate.h"

#include "engine/api/engine.h"
#include "engine/run/topology.h"
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

Result<std::vector<Shape>> shapes_in(const std::vector<std::string>& files) {
  std::vector<Shape> shapes;
  for (const std::string& file : files) {
    QL_TRY(Tensor tensor, read_tensor(file));
    shapes.push_back(tensor.shape());
  }
  return shapes;
}

// A sample of another shape: the statistics of the same values, from the graph for that shape.
Result<Profile> calibrate_elsewhere(const std::vector<std::string>& files, const CalibrationSource& source,
                                    bool histograms) {
  QL_TRY(std::vector<Shape> shapes, shapes_in(files));
  QL_TRY(Graph graph, source.rebind(shapes).context(cat("'", files[0], "'")));
  QL_TRY(Evaluate evaluate, engine_evaluator(graph));
  Calibrator calibrator(graph, std::move(evaluate), histograms);
  QL_TRY(auto samples, read_samples(files, graph));
  for (const std::vector<Tensor>& sample : samples)
    QL_CHECK_OK(calibrator.add(sample).context(cat("'", files[0], "'")));
  return calibrator.profile();
}

}  // namespace

Result<Profile> calibrate(const Graph& simplified, const CalibrationSource& source, bool histograms) {
  if (source.profile) return *source.profile;
  QL_TRY(Evaluate evaluate, engine_evaluator(simplified));
  Calibrator calibrator(simplified, std::move(evaluate), histograms);
  Profile elsewhere(histograms);
  Progress progress("calibrating", static_cast<int64_t>(source.samples.size()), "samples");
  for (const std::vector<std::string>& files : source.samples) {
    auto samples = read_samples(files, simplified);
    if (!samples.ok() && source.rebind) {
      QL_TRY(Profile other, calibrate_elsewhere(files, source, histograms));
      QL_CHECK_OK(elsewhere.merge(other));
      progress.advance();
      continue;
    }
    if (!samples.ok()) return std::move(samples).error();
    for (const std::vector<Tensor>& sample : *samples)
      QL_CHECK_OK(calibrator.add(sample).context(cat("'", files[0], "'")));
    progress.advance();
  }
  Profile profile = calibrator.profile();
  QL_CHECK_OK(profile.merge(elsewhere));
  return profile;
}

Result<Profile> calibrate(const Graph& simplified, std::span<const std::vector<Tensor>> samples) {
  QL_TRY(Evaluate evaluate, engine_evaluator(simplified));
  Calibrator calibrator(simplified, std::move(evaluate));
  Progress progress("calibrating", static_cast<int64_t>(samples.size()), "samples");
  for (const std::vector<Tensor>& sample : samples) {
    QL_CHECK_OK(calibrator.add(sample));
    progress.advance();
  }
  return calibrator.profile();
}

}  // namespace quadlane::tools
