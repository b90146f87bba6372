#include "engine/api/dynamic_model.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "engine/api/plan_model.h"
#include "ops/table.h"

namespace quadlane {
namespace {

struct Entry {
  explicit Entry(std::vector<Shape> shapes) : shapes(std::move(shapes)) {}
  const std::vector<Shape> shapes;
  std::mutex compiling;        // held by the thread that compiles it
  std::optional<Model> model;  // once it is compiled; guarded by the state's mutex
};

}  // namespace

struct DynamicModel::State {
  std::optional<OnnxModel> file;
  std::optional<Model> fixed;  // instead of the file
  DynamicOptions options;
  std::vector<InputSpec> inputs;
  std::mutex mutex;                           // never held while compiling
  std::list<std::shared_ptr<Entry>> entries;  // the most recently used first

  std::shared_ptr<Entry> entry_for(std::span<const Shape>);
  std::optional<Model> ready(const Entry&);
  void finish(const std::shared_ptr<Entry>&, const Result<Model>&);
  std::vector<std::shared_ptr<const run::Plan>> plans();
  Result<Model> compile(const std::vector<Shape>&);
};

std::shared_ptr<Entry> DynamicModel::State::entry_for(std::span<const Shape> shapes) {
  std::lock_guard lock(mutex);
  for (auto it = entries.begin(); it != entries.end(); ++it)
    if (std::equal(shapes.begin(), shapes.end(), (*it)->shapes.begin(), (*it)->shapes.end())) {
      entries.splice(entries.begin(), entries, it);
      return entries.front();
    }
  entries.push_front(std::make_shared<Entry>(std::vector<Shape>(shapes.begin(), shapes.end())));
  if (entries.size() > std::max<size_t>(options.max_shapes, 1)) entries.pop_back();
  return entries.front();
}

std::optional<Model> DynamicModel::State::ready(const Entry& entry) {
  std::lock_guard lock(mutex);
  return entry.model;
}

// Keeps the model, or forgets the entry so that a later call tries again.
void DynamicModel::State::finish(const std::shared_ptr<Entry>& entry, const Result<Model>& model) {
  std::lock_guard lock(mutex);
  if (model.ok())
    entry->model = *model;
  else
    entries.remove(entry);
}

// Of the models that are compiled.
std::vector<std::shared_ptr<const run::Plan>> DynamicModel::State::plans() {
  std::lock_guard lock(mutex);
  std::vector<std::shared_ptr<const run::Plan>> ready;
  for (const auto& entry : entries)
    if (entry->model) ready.push_back(entry->model->shared_plan());
  return ready;
}

Result<Model> DynamicModel::State::compile(const std::vector<Shape>& shapes) {
  if (fixed) return *fixed;
  ModelOptions model_options = options.model;
  model_options.load.symbols.clear();
  model_options.load.batch = 0;
  for (size_t i = 0; i < shapes.size(); ++i) model_options.load.shapes[inputs[i].name] = shapes[i];
  model_options.siblings = plans();
  QL_TRY(Graph graph, file->bind(op_table(), load_options(model_options)));
  return Model::from_graph(std::move(graph), model_options);
}

Result<DynamicModel> DynamicModel::load(const std::string& path, const DynamicOptions& options) {
  if (is_plan_file(path)) {
    QL_TRY(Model model, Model::load_plan(path, options.model));
    return from_model(std::move(model), options);
  }
  QL_TRY(OnnxModel file, OnnxModel::read(path, options.model.load));
  return from_file(std::move(file), options);
}

DynamicModel DynamicModel::from_model(Model model, const DynamicOptions& options) {
  std::vector<InputSpec> inputs;
  for (const run::TensorInfo& info : model.inputs()) {
    InputSpec input{info.name, info.type.dtype, true, {}};
    for (int64_t extent : info.type.shape) input.dims.push_back({extent, {}});
    inputs.push_back(std::move(input));
  }
  return DynamicModel(
      std::shared_ptr<State>(new State{std::nullopt, std::move(model), options, std::move(inputs), {}, {}}));
}

Result<DynamicModel> DynamicModel::from_file(OnnxModel file, const DynamicOptions& options) {
  const LoadOptions& load = options.model.load;
  QL_TRY(std::vector<InputSpec> inputs, narrowed(file.inputs(), {load.shapes, load.symbols, load.batch}));
  return DynamicModel(
      std::shared_ptr<State>(new State{std::move(file), std::nullopt, options, std::move(inputs), {}, {}}));
}

const std::vector<InputSpec>& DynamicModel::inputs() const { return state_->inputs; }

const DynamicOptions& DynamicModel::options() const { return state_->options; }

size_t DynamicModel::cached() const {
  std::lock_guard lock(state_->mutex);
  return state_->entries.size();
}

Result<Model> DynamicModel::specialize(std::span<const Shape> shapes) const {
  QL_CHECK_OK(check_shapes(inputs(), shapes));
  std::shared_ptr<Entry> entry = state_->entry_for(shapes);
  std::lock_guard lock(entry->compiling);
  if (std::optional<Model> model = state_->ready(*entry)) return *std::move(model);
  Result<Model> model = state_->compile(entry->shapes);
  state_->finish(entry, model);
  return model;
}

DynamicStream DynamicModel::open_stream(const run::StreamOptions& options) const {
  return DynamicStream(*this, options);
}

}  // namespace quadlane
