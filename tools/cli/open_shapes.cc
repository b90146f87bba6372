#include "tools/cli/open_shapes.h"

#include "graph/generalize.h"
#include "ops/table.h"
#include "tools/cli/tensors.h"

namespace quadlane::tools {
namespace {

// The k-th open dimension, another symbol another factor, grows by k + 2: sizes that networks with strides like stay
// such.
std::vector<Shape> stretched(std::span<const InputSpec> inputs, const Graph& graph) {
  std::map<std::string, int64_t> factors;
  int64_t next = 2;
  std::vector<Shape> shapes;
  for (size_t k = 0; k < inputs.size(); ++k) {
    Shape shape = graph.at(graph.inputs()[k]).type.shape;
    for (size_t i = 0; i < inputs[k].dims.size(); ++i) {
      const Dim& dim = inputs[k].dims[i];
      if (!dim.is_open()) continue;
      const std::string key = dim.symbol.empty() ? cat(k, " ", i) : dim.symbol;
      auto [it, added] = factors.emplace(key, next);
      next += added;
      shape[i] *= it->second;
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

// What an extent that is `a` at one shape and `b` at the other is called: the symbol that has both.
std::string symbol_of(int64_t a, int64_t b, const std::map<std::string, std::pair<int64_t, int64_t>>& symbols) {
  for (const auto& [symbol, extents] : symbols)
    if (extents == std::pair(a, b)) return symbol;
  return {};
}

OpenDims dims_of(std::span<const InputSpec> inputs, const Graph& a, const Graph& b) {
  OpenDims open;
  std::map<std::string, std::pair<int64_t, int64_t>> symbols;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const Value &x = a.at(a.inputs()[k]), &y = b.at(b.inputs()[k]);
    open[x.name] = inputs[k].dims;
    for (size_t i = 0; i < inputs[k].dims.size(); ++i)
      if (inputs[k].dims[i].is_open() && !inputs[k].dims[i].symbol.empty())
        symbols[inputs[k].dims[i].symbol] = {x.type.shape[i], y.type.shape[i]};
  }
  for (size_t k = 0; k < a.outputs().size(); ++k) {
    const Value &x = a.at(a.outputs()[k]), &y = b.at(b.outputs()[k]);
    std::vector<Dim> dims;
    for (size_t i = 0; i < x.type.shape.size() && i < y.type.shape.size(); ++i) {
      const int64_t p = x.type.shape[i], q = y.type.shape[i];
      dims.push_back(p == q ? Dim{p, {}} : Dim{kOpenExtent, symbol_of(p, q, symbols)});
    }
    open[x.name] = std::move(dims);
  }
  return open;
}

}  // namespace

Result<Graph> inputs_alone(const OnnxModel& file) {
  Graph graph;
  for (const InputSpec& input : file.inputs()) {
    Shape shape;
    for (const Dim& dim : input.dims) shape.push_back(dim.is_open() ? 1 : dim.extent);
    graph.add_input(input.name, {input.dtype, std::move(shape)});
  }
  return graph;
}

Status bind_to_sample(const OnnxModel& file, const CalibrationSource& source, LoadOptions& options) {
  QL_TRY(auto inputs, narrowed(file.inputs(), {options.shapes, options.symbols, options.batch}));
  if (source.samples.empty() || !file.is_open()) return {};
  std::vector<TensorType> types;
  for (const InputSpec& input : inputs) {
    types.push_back({input.dtype, {}});
    for (const Dim& dim : input.dims) types.back().shape.push_back(dim.extent);
  }
  QL_TRY(std::vector<Tensor> sample, read_unchecked(source.samples[0], types, source));
  for (size_t k = 0; k < sample.size(); ++k) {
    if (!inputs[k].is_open()) continue;
    Shape shape = sample[k].shape();
    if (inputs[k].has_shape && shape.size() != inputs[k].dims.size())
      return invalid_argument("input '", inputs[k].name, "' is ", to_string(inputs[k]), ", ", source.samples[0].name(),
                              " holds ", to_string(sample[k].type()));
    for (size_t i = 0; i < inputs[k].dims.size(); ++i) {
      const Dim& dim = inputs[k].dims[i];
      if (i == 0 || !dim.is_open()) shape[i] = dim.is_open() ? 1 : dim.extent;
    }
    options.shapes[inputs[k].name] = std::move(shape);
  }
  return {};
}

Rebind rebinding(const OnnxModel& file, const ModelOptions& options, LoadForm load) {
  return [file, options, load](std::span<const Shape> shapes) -> Result<Graph> {
    QL_CHECK_OK(check_shapes(file.inputs(), shapes));
    ModelOptions rebound = options;
    rebound.load.batch = 0;
    rebound.load.symbols.clear();
    for (size_t i = 0; i < shapes.size(); ++i) rebound.load.shapes[file.inputs()[i].name] = shapes[i];
    return load(file, rebound);
  };
}

Result<OpenForm> open_form(const OnnxModel& file, const LoadOptions& options, const Graph& int8, const Rebind& rebind,
                           const std::function<Result<Graph>(const Graph&)>& quantize_again) {
  if (int8.tail) return unsupported("parts of the model run behind shapes that depend on the data");
  QL_TRY(auto inputs, narrowed(file.inputs(), {options.shapes, options.symbols, options.batch}));
  QL_TRY(Graph fp32, rebind(stretched(inputs, int8)));
  QL_TRY(Graph other, quantize_again(fp32));
  QL_TRY(Graph graph, generalize(int8, other));
  return OpenForm{std::move(graph), dims_of(inputs, int8, other)};
}

}  // namespace quadlane::tools
