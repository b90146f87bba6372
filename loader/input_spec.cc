#include "loader/input_spec.h"

#include <algorithm>
#include <cctype>

namespace quadlane {
namespace {

constexpr int64_t kExampleExtent = 224;

// Names exporters give the outermost dimension.
bool names_batch(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name == "n" || name == "b" || name == "bs" || name.find("batch") != name.npos;
}

using Symbols = std::map<std::string, int64_t>;

Status bind_symbol(Symbols& symbols, const std::string& input, const std::string& symbol, int64_t extent) {
  auto [it, added] = symbols.emplace(symbol, extent);
  if (added || it->second == extent) return {};
  return invalid_argument("input '", input, "': dimension '", symbol, "' is given as ", extent, " and as ", it->second);
}

Status check_names(std::span<const InputSpec> inputs, const ShapeBinding& binding) {
  for (const auto& entry : binding.shapes) {
    const std::string& name = entry.first;
    if (std::none_of(inputs.begin(), inputs.end(), [&](const InputSpec& input) { return input.name == name; }))
      return invalid_argument("a shape is given for input '", name, "', which the model does not have");
  }
  for (const auto& entry : binding.symbols) {
    const auto& symbol = entry.first;
    const int64_t extent = entry.second;
    auto has = [&](const InputSpec& input) {
      return std::any_of(input.dims.begin(), input.dims.end(), [&](const Dim& dim) { return dim.symbol == symbol; });
    };
    if (std::none_of(inputs.begin(), inputs.end(), has))
      return invalid_argument("an extent is given for dimension '", symbol, "', which no input of the model has");
    if (extent < 0) return invalid_argument("dimension '", symbol, "' is given as ", extent);
  }
  return {};
}

Result<Symbols> bound_symbols(std::span<const InputSpec> inputs, const ShapeBinding& binding) {
  Symbols symbols = binding.symbols;
  for (const InputSpec& input : inputs) {
    auto given = binding.shapes.find(input.name);
    if (given == binding.shapes.end() && binding.batch > 0 && !input.dims.empty() && !input.dims[0].symbol.empty())
      QL_CHECK_OK(bind_symbol(symbols, input.name, input.dims[0].symbol, binding.batch));
    if (given == binding.shapes.end() || !input.has_shape) continue;
    if (given->second.size() != input.dims.size())
      return invalid_argument("input '", input.name, "': the given shape ", to_string(given->second), " has rank ",
                              given->second.size(), ", the model's has ", input.dims.size());
    for (size_t i = 0; i < input.dims.size(); ++i)
      if (!input.dims[i].symbol.empty())
        QL_CHECK_OK(bind_symbol(symbols, input.name, input.dims[i].symbol, given->second[i]));
  }
  return symbols;
}

// "dimensions 2 'height' and 3 of input 'x' f32[1,3,height,?]"
std::string open_dimensions(const InputSpec& input, const Shape& shape) {
  if (!input.has_shape) return cat("the shape of input '", input.name, "'");
  std::vector<std::string> open;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == kOpenExtent)
      open.push_back(input.dims[i].symbol.empty() ? cat(i) : cat(i, " '", input.dims[i].symbol, "'"));
  std::string list = open[0];
  for (size_t i = 1; i < open.size(); ++i) list += cat(i + 1 == open.size() ? " and " : ", ", open[i]);
  return cat("dimension", open.size() == 1 ? " " : "s ", list, " of input '", input.name, "' ", to_string(input));
}

std::string example(const InputSpec& input, Shape shape) {
  if (!input.has_shape) shape = {1, 3, kOpenExtent, kOpenExtent};
  std::string text = input.name;
  for (size_t i = 0; i < shape.size(); ++i)
    text += cat(i == 0 ? "=" : "x", shape[i] == kOpenExtent ? kExampleExtent : shape[i]);
  return text;
}

}  // namespace

bool InputSpec::is_open() const {
  return !has_shape || std::any_of(dims.begin(), dims.end(), [](const Dim& dim) { return dim.is_open(); });
}

std::string to_string(const InputSpec& input) {
  std::string text = cat(to_string(input.dtype), "[");
  if (!input.has_shape) text += "...";
  for (size_t i = 0; i < input.dims.size(); ++i) {
    const Dim& dim = input.dims[i];
    text += i == 0 ? "" : ",";
    text += !dim.is_open() ? cat(dim.extent) : dim.symbol.empty() ? "?" : dim.symbol;
  }
  return text + "]";
}

Result<std::vector<InputSpec>> narrowed(std::span<const InputSpec> inputs, const ShapeBinding& binding) {
  QL_CHECK_OK(check_names(inputs, binding));
  QL_TRY(Symbols symbols, bound_symbols(inputs, binding));
  std::vector<InputSpec> result(inputs.begin(), inputs.end());
  for (InputSpec& input : result) {
    if (auto given = binding.shapes.find(input.name); given != binding.shapes.end()) {
      input.dims.resize(given->second.size());
      input.has_shape = true;
      for (size_t i = 0; i < input.dims.size(); ++i) input.dims[i].extent = given->second[i];
      continue;
    }
    for (Dim& dim : input.dims)
      if (auto it = symbols.find(dim.symbol); dim.is_open() && it != symbols.end()) dim.extent = it->second;
    if (binding.batch > 0 && input.has_shape && !input.dims.empty()) input.dims[0].extent = binding.batch;
  }
  return result;
}

Result<std::vector<Shape>> bind_shapes(std::span<const InputSpec> inputs, const ShapeBinding& binding) {
  QL_TRY(std::vector<InputSpec> specs, narrowed(inputs, binding));
  std::vector<Shape> shapes;
  std::string open, examples;
  for (const InputSpec& input : specs) {
    Shape shape;
    for (size_t i = 0; i < input.dims.size(); ++i) {
      const Dim& dim = input.dims[i];
      shape.push_back(dim.is_open() && (i == 0 || names_batch(dim.symbol)) ? 1 : dim.extent);
    }
    if (!input.has_shape || std::count(shape.begin(), shape.end(), kOpenExtent) > 0) {
      open += cat(open.empty() ? "" : ", ", open_dimensions(input, shape));
      examples += cat(examples.empty() ? "" : " ", example(input, shape));
    }
    shapes.push_back(std::move(shape));
  }
  if (!open.empty()) return unsupported("not fixed: ", open, "; give shapes, for example ", examples);
  return shapes;
}

Status check_shapes(std::span<const InputSpec> inputs, std::span<const Shape> shapes) {
  if (shapes.size() != inputs.size())
    return invalid_argument(shapes.size(), " inputs given, the model has ", inputs.size());
  std::map<std::string, int64_t> symbols;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const InputSpec& input = inputs[k];
    if (!input.has_shape) continue;
    bool fits = shapes[k].size() == input.dims.size();
    for (size_t i = 0; fits && i < input.dims.size(); ++i)
      fits = input.dims[i].is_open() || input.dims[i].extent == shapes[k][i];
    if (!fits)
      return invalid_argument("input '", input.name, "' is ", to_string(input), ", a tensor of shape ",
                              to_string(shapes[k]), " is given");
    for (size_t i = 0; i < input.dims.size(); ++i)
      if (!input.dims[i].symbol.empty())
        QL_CHECK_OK(bind_symbol(symbols, input.name, input.dims[i].symbol, shapes[k][i]));
  }
  return {};
}

}  // namespace quadlane
