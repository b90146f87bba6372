#include "tools/compare/layer_case.h"

namespace quadlane::tools {
namespace {

// Reading the caller's tensor into planes and writing the result out.
bool is_edge(const run::StepInfo& info) { return info.op == "pack" || info.op == "unpack"; }

struct Clocked : run::StepObserver {
  Clocked(const std::vector<char>& counts, const std::function<void()>& before) : counts(counts), before(before) {}
  void step_done(size_t step, double seconds) noexcept override {
    if (counts[step]) sum += seconds;
    if (before && !counts[step] && step + 1 < counts.size() && counts[step + 1]) before();
  }
  const std::vector<char>& counts;
  const std::function<void()>& before;  // called when the next step is the first that counts
  double sum = 0;
};

}  // namespace

Result<LayerCase> LayerCase::make(const peers::ConvLayer& layer, const ModelOptions& options) {
  QL_TRY(Graph graph, peers::layer_graph(layer));
  QL_TRY(LayerCase c, make(std::move(graph), options));
  c.inputs_[0] = peers::layer_input(layer);
  return c;
}

Result<LayerCase> LayerCase::make(Graph graph, const ModelOptions& options, const std::string& only) {
  LayerCase c;
  QL_TRY(Model model, Model::from_graph(std::move(graph), options));
  c.model_ = std::make_unique<Model>(std::move(model));
  QL_TRY(run::Stream stream, c.model_->open_stream());
  c.stream_ = std::make_unique<run::Stream>(std::move(stream));
  for (const run::TensorInfo& info : c.model_->inputs()) {
    QL_TRY(Tensor tensor, random_tensor(info.type, 1));
    c.inputs_.push_back(std::move(tensor));
  }
  QL_TRY(c.outputs_, Outputs::allocate(c.model_->outputs()));
  for (const auto& step : c.model_->plan().steps)
    c.counts_.push_back(only.empty() ? !is_edge(step->info) : step->info.op == only);
  if (c.steps().empty())
    return unsupported("the node by itself takes no step", only.empty() ? "" : cat(" '", only, "'"));
  return c;
}

Result<double> LayerCase::run() { return run_cold({}); }

Result<double> LayerCase::run_cold(const std::function<void()>& sweep) {
  Clocked clock(counts_, sweep);
  if (sweep && counts_[0]) sweep();
  QL_CHECK_OK(stream_->run(views_of(inputs_), outputs_.views(), &clock));
  return clock.sum;
}

std::vector<const run::StepInfo*> LayerCase::steps() const {
  std::vector<const run::StepInfo*> steps;
  for (size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i]) steps.push_back(&model_->plan().steps[i]->info);
  return steps;
}

std::string LayerCase::kernel() const {
  std::string text;
  for (const run::StepInfo* step : steps()) text += cat(text.empty() ? "" : " + ", step->kernel);
  return text;
}

}  // namespace quadlane::tools
