#include "loader/versions.h"

#include <algorithm>

namespace quadlane {
namespace {

constexpr const char* kTypes = "more element types";

// Operators whose every version differs in element types only, or that never changed.
OpHistory plain(std::string_view op, std::vector<int> since) {
  OpHistory history{op, {}, nullptr};
  for (int v : since) history.changes.push_back({v, history.changes.empty() ? "canonical" : kTypes});
  return history;
}

OpHistory reduction(std::string_view op, std::vector<int> types, int axes_input, std::vector<int> later = {}) {
  OpHistory history = plain(op, std::move(types));
  history.changes.push_back({axes_input, "axes is an input, noop_with_empty_axes"});
  for (int v : later) history.changes.push_back({v, kTypes});
  history.upgrade = upgrade_axes_attribute;
  return history;
}

void append_plain(std::vector<OpHistory>& h) {
  for (const char* op : {"Abs", "Ceil", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Sigmoid", "Sqrt", "Tanh"})
    h.push_back(plain(op, {6, 13}));
  for (const char* op : {"GreaterOrEqual", "LessOrEqual"}) h.push_back(plain(op, {12, 16}));
  for (const char* op : {"Erf", "Sign", "NonZero"}) h.push_back(plain(op, {9, 13}));
  for (const char* op : {"Sin", "Cos", "Tan", "Asin", "Acos", "Atan"}) h.push_back(plain(op, {7, 22}));
  for (const char* op : {"Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "EyeLike"}) h.push_back(plain(op, {9, 22}));
  h.push_back(plain("Celu", {12}));
  for (const char* op : {"Softplus", "Softsign", "GlobalAveragePool", "GlobalMaxPool"}) h.push_back(plain(op, {1, 22}));
  for (const char* op : {"Elu", "Selu", "HardSigmoid"}) h.push_back(plain(op, {6, 22}));
  h.push_back(plain("Not", {1}));
  h.push_back(plain("Mod", {10, 13}));
  h.push_back(plain("Relu", {6, 13, 14}));
  h.push_back(plain("LeakyRelu", {6, 16}));
  h.push_back({"PRelu",
               {{6, "a slope for each channel"}, {7, "one-way broadcasting"}, {9, kTypes}, {16, kTypes}},
               upgrade_prelu});
  h.push_back(plain("ThresholdedRelu", {10, 22}));
  h.push_back(plain("HardSwish", {14, 22}));
  h.push_back(plain("Mish", {18, 22}));
  h.push_back(plain("Gelu", {20}));
  h.push_back(plain("Round", {11, 22}));
  h.push_back(plain("Where", {9, 16}));
  h.push_back(plain("InstanceNormalization", {6, 22}));
  h.push_back(plain("RMSNormalization", {23}));
  h.push_back(plain("LpNormalization", {1, 22}));
  h.push_back(plain("MeanVarianceNormalization", {9, 13}));
  h.push_back(plain("MaxUnpool", {9, 11, 22}));
  h.push_back({"LpPool",
               {{2, "canonical"}, {11, "defaults spelled out"}, {18, "ceil_mode, dilations"}, {22, kTypes}},
               nullptr});
  h.push_back(plain("GlobalLpPool", {2, 22}));
  h.push_back(plain("Einsum", {12}));
  h.push_back(plain("Det", {11, 22}));
  h.push_back(plain("ReverseSequence", {10}));
  h.push_back(plain("CenterCropPad", {18}));
  h.push_back(plain("Compress", {9, 11}));
  h.push_back(plain("Unique", {11}));
  h.push_back(plain("AffineGrid", {20}));
  h.push_back(plain("Col2Im", {18}));
  h.push_back(plain("DeformConv", {19, 22}));
  h.push_back(plain("NonMaxSuppression", {10, 11}));
  h.push_back({"GridSample",
               {{16, "modes bilinear, bicubic"}, {20, "modes linear, cubic; 3 spatial axes"}, {22, kTypes}},
               upgrade_grid_sample});
  h.push_back({"RoiAlign",
               {{10, "regions not shifted"}, {16, "coordinate_transformation_mode"}, {22, kTypes}},
               upgrade_roi_align});
  h.push_back(plain("Shrink", {9}));
  h.push_back(plain("Swish", {24}));
  h.push_back(plain("IsNaN", {9, 13, 20}));
  h.push_back(plain("IsInf", {10, 20}));
  h.push_back(plain("BitShift", {11}));
  for (const char* op : {"BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"}) h.push_back(plain(op, {18}));
  h.push_back({"LayerNormalization",
               {{1, "as ONNX Runtime writes it into older opsets"}, {17, "canonical"}},
               upgrade_layer_norm});
  h.push_back(plain("LRN", {1, 13}));
  h.push_back(plain("MatMul", {1, 9, 13}));
  h.push_back(plain("MatMulInteger", {10}));
  h.push_back(plain("ConvInteger", {10}));
  h.push_back(plain("DynamicQuantizeLinear", {11}));
  h.push_back(plain("Identity", {1, 13, 14, 16, 19, 21, 23, 24, 25}));
  h.push_back(plain("Transpose", {1, 13, 21, 23, 24, 25}));
  h.push_back(plain("Expand", {8, 13}));
  h.push_back(plain("Tile", {6, 13}));
  h.push_back(plain("Range", {11}));
  h.push_back(plain("OneHot", {9, 11}));
  h.push_back(plain("SpaceToDepth", {1, 13}));
  h.push_back(plain("CumSum", {11, 14}));
  h.push_back(plain("CumProd", {26}));
  h.push_back(plain("Trilu", {14}));
  h.push_back(plain("ConstantOfShape", {9, 20, 21, 23, 24, 25}));
}

// Extensions: each older form reads as the newer one, because what was added is optional and defaults to the old
// meaning.
void append_extended(std::vector<OpHistory>& h) {
  for (const char* op : {"Max", "Min", "Sum", "Mean"})
    h.push_back({op, {{6, "equal shapes"}, {8, "broadcasting"}, {12, kTypes}, {13, kTypes}}, nullptr});
  for (const char* op : {"Conv", "ConvTranspose"})
    h.push_back({op, {{1, "canonical"}, {11, "defaults of strides and dilations spelled out"}, {22, kTypes}}, nullptr});
  for (const char* op : {"ArgMax", "ArgMin"})
    h.push_back({op, {{1, "canonical"}, {11, "negative axis"}, {12, "select_last_index"}, {13, kTypes}}, nullptr});
  h.push_back({"AveragePool",
               {{1, "padding does not count"},
                {7, "count_include_pad"},
                {10, "ceil_mode"},
                {11, "defaults spelled out"},
                {19, "dilations"},
                {22, kTypes}},
               nullptr});
  h.push_back({"Concat", {{4, "axis is required"}, {11, "negative axis"}, {13, kTypes}}, nullptr});
  h.push_back({"Flatten",
               {{1, "canonical"},
                {9, kTypes},
                {11, "negative axis"},
                {13, kTypes},
                {21, kTypes},
                {23, kTypes},
                {24, kTypes},
                {25, kTypes}},
               nullptr});
  h.push_back({"Gather", {{1, "canonical"}, {11, "negative axis and indices"}, {13, kTypes}}, nullptr});
  h.push_back({"GatherElements", {{11, "canonical"}, {13, kTypes}}, nullptr});
  h.push_back({"GatherND", {{11, "canonical"}, {12, "batch_dims"}, {13, kTypes}}, nullptr});
  h.push_back(
      {"Gemm",
       {{6, "attribute broadcast"}, {7, "one-way broadcasting"}, {9, kTypes}, {11, "C is optional"}, {13, kTypes}},
       upgrade_gemm});
  h.push_back({"DepthToSpace", {{1, "DCR"}, {11, "mode, DCR by default"}, {13, kTypes}}, nullptr});
  for (const char* op : {"LSTM", "GRU", "RNN"})
    h.push_back({op, {{7, "canonical"}, {14, "layout"}, {22, kTypes}}, nullptr});
  h.push_back({"ScatterElements", {{11, "canonical"}, {13, kTypes}, {16, "reduction"}, {18, "max and min"}}, nullptr});
  h.push_back({"ScatterND", {{11, "canonical"}, {13, kTypes}, {16, "reduction"}, {18, "max and min"}}, nullptr});
  h.push_back({"Reshape",
               {{5, "shape is an input"},
                {13, kTypes},
                {14, "allowzero"},
                {19, kTypes},
                {21, kTypes},
                {23, kTypes},
                {24, kTypes},
                {25, kTypes}},
               nullptr});
}

// Until 6 two operands broadcast by attributes.
void append_binary(std::vector<OpHistory>& h) {
  auto add = [&](std::string_view op, int first, std::vector<int> types) {
    OpHistory history{
        op, {{first, "attributes broadcast, axis"}, {7, "broadcasting as everywhere"}}, upgrade_broadcast};
    for (int v : types) history.changes.push_back({v, kTypes});
    h.push_back(std::move(history));
  };
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) add(op, 6, {13, 14});
  for (const char* op : {"And", "Or", "Xor"}) add(op, 1, {});
  for (const char* op : {"Greater", "Less"}) add(op, 1, {9, 13});
  add("Equal", 1, {11, 13, 19});
  add("Pow", 1, {12, 13, 15});
}

void append_upgraded(std::vector<OpHistory>& h) {
  h.push_back({"BatchNormalization",
               {{6, "is_test"}, {7, "spatial"}, {9, "spatial dropped"}, {14, "training_mode"}, {15, kTypes}},
               upgrade_batch_norm});
  h.push_back({"BitCast", {{26, "canonical"}}, upgrade_cast});
  h.push_back({"Cast",
               {{6, "canonical"},
                {9, kTypes},
                {13, kTypes},
                {19, "saturate, 8-bit floats"},
                {21, kTypes},
                {23, kTypes},
                {24, "round_mode"},
                {25, kTypes}},
               upgrade_cast});
  h.push_back({"CastLike",
               {{15, "canonical"}, {19, "saturate"}, {21, kTypes}, {23, kTypes}, {24, "round_mode"}, {25, kTypes}},
               upgrade_cast_like});
  h.push_back(
      {"Clip", {{6, "attributes min, max"}, {11, "inputs min, max"}, {12, kTypes}, {13, kTypes}}, upgrade_clip});
  h.push_back({"Constant",
               {{1, "value"},
                {9, kTypes},
                {11, "sparse_value"},
                {12, "value_float and the like"},
                {13, kTypes},
                {19, kTypes},
                {21, kTypes},
                {23, kTypes},
                {24, kTypes},
                {25, kTypes}},
               upgrade_constant});
  h.push_back({"Dropout",
               {{6, "is_test"},
                {7, "inference only, attribute ratio"},
                {10, "mask is bool"},
                {12, "inputs ratio, training_mode"},
                {13, kTypes},
                {22, kTypes}},
               upgrade_dropout});
  h.push_back({"GroupNormalization",
               {{18, "scale and bias for each group"}, {21, "scale and bias for each channel"}},
               upgrade_group_norm});
  h.push_back({"Attention", {{23, "its parts"}, {24, kTypes}}, upgrade_attention});
  h.push_back({"MaxPool",
               {{1, "canonical"},
                {8, "indices, storage_order"},
                {10, "ceil_mode, dilations"},
                {11, "defaults spelled out"},
                {12, kTypes},
                {22, kTypes}},
               upgrade_max_pool});
  h.push_back({"Pad",
               {{2, "attributes pads, value"},
                {11, "inputs pads, constant_value"},
                {13, kTypes},
                {18, "axes"},
                {19, "wrap"},
                {21, kTypes},
                {23, kTypes},
                {24, kTypes},
                {25, kTypes}},
               upgrade_pad});
  h.push_back({"QLinearConv", {{10, "dequantize, Conv, quantize"}}, upgrade_qlinear_conv});
  h.push_back({"QLinearMatMul", {{10, "dequantize, MatMul, quantize"}, {21, kTypes}}, upgrade_qlinear_matmul});
  h.push_back({"QuantizeLinear",
               {{10, "per tensor"},
                {13, "axis"},
                {19, "saturate"},
                {21, "block_size, output_dtype"},
                {23, "precision"},
                {24, kTypes},
                {25, kTypes}},
               upgrade_quantize});
  h.push_back({"DequantizeLinear",
               {{10, "per tensor"},
                {13, "axis"},
                {19, kTypes},
                {21, "block_size"},
                {23, "output_dtype"},
                {24, kTypes},
                {25, kTypes}},
               upgrade_quantize});
  h.push_back({"Resize",
               {{10, "x_out / scale, rounded down"},
                {11, "coordinate modes, sizes"},
                {13, "roi and scales are optional"},
                {18, "axes, antialias, keep_aspect_ratio_policy"},
                {19, "half_pixel_symmetric"}},
               upgrade_resize});
  h.push_back({"Upsample", {{7, "attribute scales"}, {9, "input scales"}}, upgrade_upsample});
  h.push_back({"Scatter", {{9, "ScatterElements"}}, upgrade_scatter});
  h.push_back({"Shape",
               {{1, "canonical"},
                {13, kTypes},
                {15, "start, end"},
                {19, kTypes},
                {21, kTypes},
                {23, kTypes},
                {24, kTypes},
                {25, kTypes}},
               upgrade_shape});
  h.push_back({"Size",
               {{1, "canonical"}, {13, kTypes}, {19, kTypes}, {21, kTypes}, {23, kTypes}, {24, kTypes}, {25, kTypes}},
               upgrade_size});
  h.push_back({"Slice",
               {{1, "attributes starts, ends, axes"}, {10, "inputs, steps"}, {11, "negative axes"}, {13, kTypes}},
               upgrade_slice});
  for (const char* op : {"Softmax", "LogSoftmax", "Hardmax"})
    h.push_back({op,
                 {{1, "rows of a matrix, axis 1"}, {11, "negative axis"}, {13, "along one axis, the last"}},
                 upgrade_softmax});
  h.push_back({"Split",
               {{2, "attribute split"}, {11, "negative axis"}, {13, "input split"}, {18, "num_outputs"}},
               upgrade_split});
  for (const char* op : {"Squeeze", "Unsqueeze"})
    h.push_back({op,
                 {{1, "attribute axes"},
                  {11, "negative axes"},
                  {13, "input axes"},
                  {21, kTypes},
                  {23, kTypes},
                  {24, kTypes},
                  {25, kTypes}},
                 upgrade_axes_attribute});
  h.push_back({"TopK", {{1, "attribute k"}, {10, "input k"}, {11, "largest, sorted"}, {24, kTypes}}, upgrade_topk});
  for (const char* op :
       {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSumSquare"})
    h.push_back(reduction(op, {1, 11, 13}, 18));
  for (const char* op : {"ReduceMax", "ReduceMin"}) h.push_back(reduction(op, {1, 11, 12, 13}, 18, {20}));
  h.push_back(reduction("ReduceSum", {1, 11}, 13));
}

// Operators that are gone once a graph is imported (subgraph.cc, sequence.cc).
void append_control_flow(std::vector<OpHistory>& h) {
  h.push_back(plain("If", {1, 11, 13, 16, 19, 21, 23, 24, 25}));
  h.push_back(plain("Loop", {1, 11, 13, 16, 19, 21, 23, 24, 25}));
  h.push_back({"Scan",
               {{9, "without a batch dimension"},
                {11, "negative axes"},
                {16, kTypes},
                {19, kTypes},
                {21, kTypes},
                {23, kTypes},
                {24, kTypes},
                {25, kTypes}},
               nullptr});
  for (const char* op : {"SequenceConstruct", "SequenceEmpty", "SequenceAt", "SequenceLength", "SequenceInsert",
                         "SequenceErase", "ConcatFromSequence"})
    h.push_back(plain(op, {11}));
  h.push_back(plain("SplitToSequence", {11, 24}));
}

// What ONNX Runtime's optimizer makes of several operators.
void append_fused(std::vector<OpHistory>& h) {
  auto add = [&](std::string_view op, UpgradeFn upgrade) { h.push_back({op, {{1, "its parts"}}, upgrade}); };
  add("com.microsoft.FusedConv", upgrade_fused_conv);
  add("com.microsoft.FusedGemm", upgrade_fused_gemm);
  add("com.microsoft.FusedMatMul", upgrade_fused_matmul);
  for (const char* op : {"com.microsoft.BiasGelu", "com.microsoft.FastGelu"}) add(op, upgrade_bias_gelu);
  add("com.microsoft.QuickGelu", upgrade_quick_gelu);
  for (const char* op : {"com.microsoft.SkipLayerNormalization", "com.microsoft.SkipSimplifiedLayerNormalization"})
    add(op, upgrade_skip_layer_norm);
  add("SimplifiedLayerNormalization", upgrade_simplified_layer_norm);
  for (const char* op : {"com.microsoft.Gelu", "com.microsoft.Pad"})
    h.push_back({op, {{1, "the standard operator, any opset"}}, nullptr});
  h.push_back({"com.microsoft.GridSample", {{1, "the standard operator, any opset"}}, upgrade_grid_sample});
}

// What ONNX Runtime's quantizer adds to the standard operators.
void append_microsoft(std::vector<OpHistory>& h) {
  auto add = [&](std::string_view op, UpgradeFn upgrade) {
    h.push_back({op, {{1, "dequantize, compute, quantize"}}, upgrade});
  };
  for (const char* op : {"com.microsoft.QLinearAdd", "com.microsoft.QLinearMul"}) add(op, upgrade_qlinear_binary);
  for (const char* op : {"com.microsoft.QLinearSigmoid", "com.microsoft.QLinearLeakyRelu"})
    add(op, upgrade_qlinear_unary);
  for (const char* op : {"com.microsoft.QLinearAveragePool", "com.microsoft.QLinearGlobalAveragePool"})
    add(op, upgrade_qlinear_pool);
  add("com.microsoft.QLinearWhere", upgrade_qlinear_where);
  add("com.microsoft.QLinearSoftmax", upgrade_qlinear_softmax);
  add("com.microsoft.QLinearConcat", upgrade_qlinear_concat);
  add("com.microsoft.QGemm", upgrade_qgemm);
  add("com.microsoft.QLinearReduceMean", upgrade_qlinear_reduce_mean);
  add("com.microsoft.MatMulIntegerToFloat", upgrade_matmul_integer_to_float);
  add("com.microsoft.DynamicQuantizeMatMul", upgrade_dynamic_quantize_matmul);
  for (const char* op : {"com.microsoft.QuantizeLinear", "com.microsoft.DequantizeLinear"})
    h.push_back({op, {{1, "the standard operator, any opset"}}, upgrade_quantize});
}

}  // namespace

int OpHistory::version(int64_t opset) const {
  int found = 0;
  for (const OpChange& change : changes)
    if (change.since <= opset) found = change.since;
  return found;
}

bool OpHistory::reads_the_same(int64_t from, int64_t to) const {
  if (version(from) == 0 || version(to) == 0) return false;
  if (version(from) == version(to)) return true;
  if (to < from) return false;
  return !upgrade || std::all_of(changes.begin(), changes.end(), [&](const OpChange& change) {
    return change.since <= from || change.since > to || std::string_view(change.what) == kTypes;
  });
}

std::span<const OpHistory> op_histories() {
  static const std::vector<OpHistory> table = [] {
    std::vector<OpHistory> h;
    append_plain(h);
    append_binary(h);
    append_extended(h);
    append_upgraded(h);
    append_control_flow(h);
    append_fused(h);
    append_microsoft(h);
    std::sort(h.begin(), h.end(), [](const OpHistory& a, const OpHistory& b) { return a.op < b.op; });
    return h;
  }();
  return table;
}

const OpHistory* find_history(std::string_view op) {
  auto table = op_histories();
  auto it =
      std::lower_bound(table.begin(), table.end(), op, [](const OpHistory& h, std::string_view n) { return h.op < n; });
  return it != table.end() && it->op == op ? &*it : nullptr;
}

}  // namespace quadlane
