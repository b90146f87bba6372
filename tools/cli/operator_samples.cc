// Which element types an operator takes is asked of its inference: one small call of each operator, every type in turn.
#include <algorithm>
#include <map>
#include <sstream>

#include "engine/api/engine.h"
#include "ops/table.h"
#include "tools/cli/operators.h"

namespace quadlane::tools {
namespace {

// Inputs as TYPE EXTENTS [= VALUES], "-" for an absent one: T is the type in question, F f32, I s64, B bool.
struct Sample {
  const char* inputs;
  const char* attributes = "";  // NAME=VALUE; a list has a comma
};

const std::map<std::string_view, Sample>& samples() {
  static const std::map<std::string_view, Sample> table = {
      {"AffineGrid", {"T1x2x3 I4=1,1,2,2"}},
      {"AveragePool", {"T1x4x6x6", "kernel_shape=2,2"}},
      {"BatchNormalization", {"T1x4x6x6 T4 T4 T4 T4"}},
      {"BitCast", {"T4", "to=1"}},
      {"BitShift", {"T4 T4", "direction=LEFT"}},
      {"Cast", {"T4", "to=1"}},
      {"CastLike", {"T4 F4"}},
      {"CenterCropPad", {"T4 I1=2"}},
      {"Col2Im", {"T1x4x4 I2=3,3 I2=2,2"}},
      {"Compress", {"T4 B4"}},
      {"Concat", {"T4 T4", "axis=0"}},
      {"ConstantOfShape", {"I1=2"}},
      {"Conv", {"T1x4x6x6 T4x4x3x3"}},
      {"ConvInteger", {"T1x1x4x4 T1x1x2x2"}},
      {"ConvTranspose", {"T1x4x6x6 T4x4x3x3"}},
      {"CumProd", {"T4 I=0"}},
      {"CumSum", {"T4 I=0"}},
      {"DeformConv", {"T1x1x4x4 T1x1x3x3 T1x18x2x2"}},
      {"DepthToSpace", {"T1x4x6x6", "blocksize=2"}},
      {"DequantizeLinear", {"T4 F"}},
      {"Det", {"T4x4"}},
      {"Einsum", {"T4", "equation=i->i"}},
      {"Expand", {"T4 I1=4"}},
      {"EyeLike", {"T4x4"}},
      {"Gather", {"T4 I1"}},
      {"GatherElements", {"T4 I1"}},
      {"GatherND", {"T4 I1x1"}},
      {"Gemm", {"T4x4 T4x4"}},
      {"GRU", {"T2x1x4 T1x6x4 T1x6x2"}},
      {"GridSample", {"T1x1x4x4 F1x2x2x2"}},
      {"GroupNormalization", {"T1x4x6x6 T4 T4", "num_groups=2"}},
      {"InstanceNormalization", {"T1x4x6x6 T4 T4"}},
      {"LRN", {"T1x4x6x6", "size=3"}},
      {"LayerNormalization", {"T1x4x6x6 T6"}},
      {"LSTM", {"T2x1x4 T1x8x4 T1x8x2"}},
      {"LpPool", {"T1x4x6x6", "kernel_shape=2,2"}},
      {"MatMul", {"T4x4 T4x4"}},
      {"MatMulInteger", {"T4x4 T4x4"}},
      {"MaxPool", {"T1x4x6x6", "kernel_shape=2,2"}},
      {"MaxUnpool", {"T1x1x2x2 I1x1x2x2", "kernel_shape=2,2"}},
      {"Mod", {"T4 T4", "fmod=1"}},
      {"NonMaxSuppression", {"T1x1x4 T1x1x1"}},
      {"OneHot", {"I2 I=3 T2"}},
      {"Pad", {"T4 I2"}},
      {"QuantizeLinear", {"T4 F"}},
      {"RMSNormalization", {"T1x4x6x6 T6"}},
      {"RNN", {"T2x1x4 T1x2x4 T1x2x2"}},
      {"Range", {"T=0 T=4 T=1"}},
      {"Reshape", {"T4 I1=4"}},
      {"Resize", {"T1x4x6x6 - F4=1,1,2,2"}},
      {"ReverseSequence", {"T4x4 I4"}},
      {"RoiAlign", {"T1x1x4x4 T1x4 I1"}},
      {"ScatterElements", {"T4 I1 T1"}},
      {"ScatterND", {"T4 I1x1 T1"}},
      {"Slice", {"T4 I1 I1=2"}},
      {"SpaceToDepth", {"T1x4x6x6", "blocksize=2"}},
      {"Split", {"T4", "num_outputs=2"}},
      {"Tile", {"T4 I1=2"}},
      {"TopK", {"T4 I1=1"}},
      {"Trilu", {"T4x4"}},
      {"Unique", {"T4"}},
      {"Unsqueeze", {"T4 I1"}},
      {"Where", {"B4 T4 T4"}},
  };
  return table;
}

std::vector<int64_t> numbers(const std::string& text, char separator) {
  std::vector<int64_t> list;
  std::stringstream stream(text);
  for (std::string item; std::getline(stream, item, separator);) list.push_back(std::stoll(item));
  return list;
}

void set_element(Tensor& t, int64_t i, int64_t value) {
  if (t.dtype() == DType::f32)
    t.mutate<float>()[i] = static_cast<float>(value);
  else if (t.dtype() == DType::f64)
    t.mutate<double>()[i] = static_cast<double>(value);
  else if (t.dtype() == DType::f16)
    t.mutate<Half>()[i] = float_to_half(static_cast<float>(value));
  else  // little endian: the low bytes
    std::copy_n(reinterpret_cast<const char*>(&value), size_of(t.dtype()),
                t.mutate<char>() + static_cast<size_t>(i) * size_of(t.dtype()));
}

Tensor sample_input(const std::string& token, DType probed) {
  DType dtype = token[0] == 'F' ? DType::f32 : token[0] == 'I' ? DType::s64 : token[0] == 'B' ? DType::boolean : probed;
  size_t equals = token.find('=');
  auto tensor = Tensor::allocate({dtype, numbers(token.substr(1, equals - 1), 'x')});
  if (!tensor.ok()) return {};
  if (equals != token.npos) {
    int64_t i = 0;
    for (int64_t value : numbers(token.substr(equals + 1), ',')) set_element(*tensor, i++, value);
  }
  return *std::move(tensor);
}

void set_attribute(Attrs& attrs, const std::string& text) {
  size_t equals = text.find('=');
  std::string name = text.substr(0, equals), value = text.substr(equals + 1);
  if (value.find_first_not_of("0123456789,") != value.npos)
    attrs.set(name, value);
  else if (value.find(',') != value.npos)
    attrs.set(name, numbers(value, ','));
  else
    attrs.set(name, static_cast<int64_t>(std::stoll(value)));
}

enum class Source { constant, graph_input, convolution };  // of the first input

// An input of the graph, or a convolution of one, whose result lies in planes.
ValueId open_value(Graph& graph, const TensorType& type, Source source) {
  ValueId x = graph.add_input("x", type);
  if (source != Source::convolution) return x;
  const int64_t channels = type.shape[1];
  std::vector<float> ones(static_cast<size_t>(channels * channels), 1.0f);
  ValueId weights = graph.add_constant("w", Tensor::from<float>({channels, channels, 1, 1}, ones));
  auto y = add_op(graph, op_table(), Node{"conv", "Conv", {}, {x, weights}, {}});
  return y.ok() ? *y : x;
}

// The sample call of an operator; all inputs but the first are constants.
Node sample_node(Graph& graph, const OpDef& def, DType dtype, Source source) {
  auto found = samples().find(def.name);
  std::string inputs, attributes;
  if (found != samples().end()) {
    inputs = found->second.inputs;
    attributes = found->second.attributes;
  } else {
    for (int i = 0; i < def.min_inputs; ++i) inputs += " T1x4x6x6";
  }
  Node node{"sample", std::string(def.name), {}, {}, {}};
  std::stringstream stream(inputs);
  for (std::string token; stream >> token;) {
    if (token == "-") {
      node.inputs.push_back(kNoValue);
      continue;
    }
    Tensor tensor = sample_input(token, dtype);
    bool open = source != Source::constant && node.inputs.empty();
    node.inputs.push_back(open ? open_value(graph, tensor.type(), source) : graph.add_constant("c", tensor));
  }
  if (!attributes.empty()) set_attribute(node.attrs, attributes);
  return node;
}

bool accepts(const OpDef& def, DType dtype) {
  Graph graph;
  Node node = sample_node(graph, def, dtype, Source::constant);
  return infer_types(graph, node, op_table()).ok();
}

}  // namespace

std::vector<DType> accepted_types(const OpDef& def) {
  std::vector<DType> types;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i)
    if (accepts(def, static_cast<DType>(i))) types.push_back(static_cast<DType>(i));
  return types;
}

namespace {

bool compiles_to_kernels(const OpDef& def, DType dtype, Source source) {
  Graph graph;
  Node node = sample_node(graph, def, dtype, source);
  if (node.inputs.empty()) return false;
  auto y = add_op(graph, op_table(), std::move(node), "y");
  if (!y.ok()) return false;
  graph.set_outputs({*y});
  ModelOptions options;
  options.tune = false;
  auto model = Model::from_graph(std::move(graph), options);
  if (!model.ok()) return false;
  const auto& steps = model->plan().steps;
  return std::none_of(steps.begin(), steps.end(), [](const auto& step) { return step->info.reference; });
}

bool is_image(const OpDef& def) {
  Graph graph;
  Node node = sample_node(graph, def, DType::f32, Source::constant);
  return !node.inputs.empty() && graph.at(node.inputs[0]).type.dtype == DType::f32 &&
         graph.at(node.inputs[0]).type.shape.size() == 4;
}

}  // namespace

bool has_kernels(const OpDef& def) {
  std::vector<DType> types = accepted_types(def);
  if (types.empty()) return false;
  if (compiles_to_kernels(def, types[0], Source::graph_input)) return true;  // f32 comes first
  return is_image(def) && types[0] == DType::f32 && compiles_to_kernels(def, DType::f32, Source::convolution);
}

}  // namespace quadlane::tools
