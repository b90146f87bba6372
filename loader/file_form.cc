#include "loader/file_form.h"

#include <algorithm>

#include "loader/versions.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;

constexpr int kAxesAreInputs = 18;  // of the reductions and Pad

bool is_reduction(const Node& node) { return node.op.rfind("Reduce", 0) == 0; }
bool is_quantizer(const Node& node) { return node.op == "QuantizeLinear" || node.op == "DequantizeLinear"; }
bool is_recurrent(const Node& node) { return node.op == "LSTM" || node.op == "GRU" || node.op == "RNN"; }
bool is_16_bit(DType t) { return t == DType::u16 || t == DType::s16; }

// A form older than the opset that made axes an input needs them known.
bool axes_are_known(const Graph& g, const Node& node, size_t input) {
  return node.input(input) == kNoValue || g.constant(node.input(input));
}

int quantizer_needs(const Graph& g, const Node& node) {
  bool wide = is_16_bit(g[node.op == "QuantizeLinear" ? node.outputs[0] : node.inputs[0]].type.dtype);
  return wide || node.attrs.int_or("block_size", 0) != 0 ? 21 : kOldestWritten;
}

int resize_needs(const Node& node) {
  if (node.attrs.string_or("coordinate_transformation_mode", "") == "half_pixel_symmetric") return 19;
  bool modern = node.attrs.has("axes") || node.attrs.int_or("antialias", 0) != 0 ||
                node.attrs.string_or("keep_aspect_ratio_policy", "stretch") != "stretch";
  return modern ? 18 : kOldestWritten;
}

bool all_ones(const Ints& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 1; });
}

// What this node uses beyond the oldest form of its operator.
int feature_needs(const Graph& g, const Node& node) {
  if (is_quantizer(node)) return quantizer_needs(g, node);
  if (node.op == "Resize") return resize_needs(node);
  if (node.op == "Reshape" && node.attrs.int_or("allowzero", 0) != 0) return 14;
  if (node.op == "AveragePool" && !all_ones(node.attrs.ints_or("dilations", {}))) return 19;
  if (node.op == "Pad" && node.attrs.string_or("mode", "constant") == "wrap") return 19;
  if (node.op == "Pad" && !axes_are_known(g, node, 3)) return kAxesAreInputs;
  if (is_reduction(node) && node.op != "ReduceSum") {
    bool noop = node.input(1) == kNoValue && node.attrs.int_or("noop_with_empty_axes", 0) != 0;
    if (noop || !axes_are_known(g, node, 1)) return kAxesAreInputs;
  }
  if ((node.op == "ScatterElements" || node.op == "ScatterND") && node.attrs.has("reduction")) return 18;
  if (node.op == "LayerNormalization") return 17;
  if (is_recurrent(node) && node.attrs.int_or("layout", 0) != 0) return 14;
  if (node.op == "GroupNormalization") return 21;  // a scale for each channel
  if (node.op == "GridSample") return 20;          // the names of the modes
  if (node.op == "RoiAlign") return 16;            // coordinate_transformation_mode
  if (node.op == "LpPool" && (node.attrs.int_or("ceil_mode", 0) != 0 || !all_ones(node.attrs.ints_or("dilations", {}))))
    return 18;
  return kOldestWritten;
}

// Reductions before 18: the constant axes as an attribute.
void reduction_form(const Graph& g, const Node& node, FileNode& f) {
  f.attrs.erase("noop_with_empty_axes");
  if (node.input(1) != kNoValue) f.attrs.set("axes", to_ints(g.constant(node.input(1))->view()));
  f.inputs.resize(1);
}

// Split before 18 has no num_outputs: the lengths are written out.
void split_form(const Graph& g, const Node& node, FileNode& f, const AddInitializer& add) {
  f.attrs.erase("num_outputs");
  if (node.input(1) != kNoValue) return;
  int64_t rank = static_cast<int64_t>(g[node.inputs[0]].type.shape.size());
  int64_t axis = node.attrs.int_or("axis", 0);
  Ints lengths;
  for (ValueId v : node.outputs) lengths.push_back(g[v].type.shape[static_cast<size_t>(axis < 0 ? axis + rank : axis)]);
  f.set_input(1, add(node.name + ".split", Tensor::from<int64_t>({static_cast<int64_t>(lengths.size())}, lengths)));
}

// Pad before 18 pads every axis.
Status pad_form(const Graph& g, const Node& node, FileNode& f, const AddInitializer& add) {
  const Tensor *axes = g.constant(node.input(3)), *pads = g.constant(node.input(1));
  if (!axes) return {};
  if (!pads) return unsupported("pads of some axes are not constant");
  size_t rank = g[node.inputs[0]].type.shape.size();
  Ints listed = to_ints(axes->view()), values = to_ints(pads->view()), spread(2 * rank, 0);
  for (size_t i = 0; i < listed.size(); ++i) {
    size_t axis = static_cast<size_t>(listed[i] < 0 ? listed[i] + static_cast<int64_t>(rank) : listed[i]);
    spread[axis] = values[i];
    spread[rank + axis] = values[listed.size() + i];
  }
  f.set_input(1, add(node.name + ".pads", Tensor::from<int64_t>({static_cast<int64_t>(spread.size())}, spread)));
  f.inputs.resize(node.input(2) == kNoValue ? 2 : 3);
  return {};
}

// QuantizeLinear before 21 takes its output's type from the zero point.
void quantizer_form(const Graph& g, const Node& node, FileNode& f, const AddInitializer& add) {
  f.attrs.erase("block_size");
  f.attrs.erase("saturate");
  f.attrs.erase("output_dtype");
  if (node.op != "QuantizeLinear" || node.input(2) != kNoValue) return;
  DType dtype = g[node.outputs[0]].type.dtype;
  if (dtype == DType::u8) return;  // the default
  auto zeros = Tensor::allocate({dtype, g[node.inputs[1]].type.shape});
  if (zeros.ok()) f.set_input(2, add(node.name + ".zero", *zeros));
}

Error named(const Node& node, Error error) {
  error.trail.push_back(cat("node '", node.name, "' (", node.op, ")"));
  return error;
}

}  // namespace

Result<int> required_opset(const Graph& g, const Node& node) {
  if (node.op.rfind("ql.", 0) == 0)
    return named(node,
                 unsupported("operator '", node.op, "' is Quadlane's own, ONNX files hold standard operators only"));
  const OpHistory* history = find_history(node.op);
  if (!history) return named(node, unsupported("operator '", node.op, "' is not known to the ONNX writer"));
  int needed = std::max({kOldestWritten, history->changes[0].since, feature_needs(g, node)});
  if (needed > kNewestWritten)
    return named(node, unsupported("needs opset ", needed, ", the newest written is ", kNewestWritten));
  return needed;
}

Result<FileNode> file_form(const Graph& g, const Node& node, int opset, const AddInitializer& add) {
  FileNode f{node.op, node.attrs, {}};
  for (ValueId v : node.inputs) f.inputs.push_back(v == kNoValue ? std::string() : g[v].name);
  if (opset < kAxesAreInputs && is_reduction(node) && node.op != "ReduceSum") reduction_form(g, node, f);
  if (opset < kAxesAreInputs && node.op == "Split") split_form(g, node, f, add);
  if (opset >= kAxesAreInputs && node.op == "Split" && node.input(1) == kNoValue)
    f.attrs.set("num_outputs", static_cast<int64_t>(node.outputs.size()));
  if (opset < kAxesAreInputs && node.op == "Pad")
    if (Status s = pad_form(g, node, f, add); !s.ok()) return named(node, std::move(s).error());
  if (opset < 14 && node.op == "Reshape") f.attrs.erase("allowzero");
  if (opset < 14 && is_recurrent(node)) f.attrs.erase("layout");
  if (opset < 19 && node.op == "AveragePool") f.attrs.erase("dilations");
  if (opset < 18 && node.op == "LpPool") {
    f.attrs.erase("ceil_mode");
    f.attrs.erase("dilations");
  }
  if (opset < 18 && node.op == "Resize") {
    f.attrs.erase("antialias");
    f.attrs.erase("keep_aspect_ratio_policy");
  }
  if (opset < 21 && is_quantizer(node)) quantizer_form(g, node, f, add);
  if (node.op == "MaxPool" || node.op == "LayerNormalization") f.attrs.erase("outputs");  // the file counts by names
  if (opset < 15 && node.op == "BatchNormalization") f.attrs.erase("training_mode");
  while (!f.inputs.empty() && f.inputs.back().empty()) f.inputs.pop_back();
  return f;
}

}  // namespace quadlane
