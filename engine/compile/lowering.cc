#include "engine/compile/lowering.h"

#include <algorithm>
#include <cstring>

#include "engine/compile/dense.h"
#include "engine/run/dense_steps.h"

namespace quadlane::compile {
namespace {

using LowerFn = Result<Verdict> (*)(Lowering&, const Node&);
struct Entry {
  const char* op;
  LowerFn lower;
};
constexpr Entry kLowerings[] = {
    {"ql.Conv", lower_conv},
    {"ql.ConvTranspose", lower_conv_transpose},
    {"Concat", lower_concat},
    {"Slice", lower_slice},
    {"Slice", lower_crop},
    {"Pad", lower_pad},
    {"Gather", lower_gather_channels},
    {"DepthToSpace", lower_depth_to_space},
    {"SpaceToDepth", lower_space_to_depth},
    {"Transpose", lower_edge_transpose},
    {"Split", lower_split},
    {"ql.Quantize", lower_quantize},
    {"ql.Dequantize", lower_dequantize},
    {"ql.DequantizedMean", lower_dequantized_mean},
    {"DynamicQuantizeLinear", lower_dynamic_quantize},
    {"ql.MatMul", lower_ql_matmul},
    {"MatMulInteger", lower_matmul_integer},
    {"MaxPool", lower_pool},
    {"AveragePool", lower_pool},
    {"ql.AveragePool", lower_pool},
    {"GlobalAveragePool", lower_global_pool},
    {"ql.GlobalAveragePool", lower_global_pool},
    {"GlobalMaxPool", lower_global_max},
    {"InstanceNormalization", lower_normalization},
    {"GroupNormalization", lower_normalization},
    {"MeanVarianceNormalization", lower_normalization},
    {"Softmax", lower_channel_softmax},
    {"LogSoftmax", lower_channel_softmax},
    {"LRN", lower_response},
    {"ReduceSum", lower_channel_reduce},
    {"ReduceMean", lower_channel_reduce},
    {"ReduceMax", lower_channel_reduce},
    {"ReduceMin", lower_channel_reduce},
    {"ReduceL1", lower_channel_reduce},
    {"ReduceL2", lower_channel_reduce},
    {"ReduceSumSquare", lower_channel_reduce},
    {"LpNormalization", lower_channel_normalization},
    {"ArgMax", lower_channel_argmax},
    {"ArgMin", lower_channel_argmax},
    {"Resize", lower_resize},
    {"ql.Resize", lower_resize},
    {"ql.Add", lower_elementwise},
    {"ql.Mul", lower_elementwise},
    {"ql.Requantize", lower_elementwise},
    {"ql.PRelu", lower_elementwise},
    {"ql.Lut", lower_elementwise},
    {"Add", lower_elementwise},
    {"Sub", lower_elementwise},
    {"Mul", lower_elementwise},
    {"Div", lower_elementwise},
    {"Min", lower_elementwise},
    {"Max", lower_elementwise},
    {"PRelu", lower_elementwise},
    {"Relu", lower_elementwise},
    {"Clip", lower_elementwise},
    {"LeakyRelu", lower_elementwise},
    {"BatchNormalization", lower_elementwise},
    {"Sigmoid", lower_elementwise},
    {"Swish", lower_elementwise},
    {"HardSigmoid", lower_elementwise},
    {"HardSwish", lower_elementwise},
    {"Tanh", lower_elementwise},
    {"Erf", lower_elementwise},
    {"Gelu", lower_elementwise},
    {"Mish", lower_elementwise},
    {"Softplus", lower_elementwise},
    {"Softsign", lower_elementwise},
    {"Elu", lower_elementwise},
    {"Selu", lower_elementwise},
    {"Celu", lower_elementwise},
    {"Exp", lower_elementwise},
    {"Log", lower_elementwise},
    {"Sqrt", lower_elementwise},
    {"Pow", lower_elementwise},
    {"Reciprocal", lower_elementwise},
    {"Abs", lower_elementwise},
    {"Neg", lower_elementwise},
    {"Floor", lower_elementwise},
    {"Ceil", lower_elementwise},
    {"Round", lower_elementwise},
};

// Whether a value, or a concat of it, goes into a convolution or its quantization.
bool read_by_convolutions(const Graph& graph, ValueId v, bool through_concat = true) {
  return std::any_of(graph.at(v).uses.begin(), graph.at(v).uses.end(), [&](const Use& use) {
    const Node& node = graph.at(use.node);
    return node.op == "ql.Conv" || node.op == "ql.ConvTranspose" || node.op == "ql.Quantize" ||
           (through_concat && node.op == "Concat" && read_by_convolutions(graph, node.output(), false));
  });
}

}  // namespace

bool can_be_planar(const TensorType& type) {
  return type.shape.size() == 4 && (type.dtype == DType::u8 || type.dtype == DType::f32) && type.count() > 0;
}

run::StepInfo make_info(const Node& node) {
  run::StepInfo info;
  info.name = node.name;
  info.op = node.op;
  return info;
}

const PlanarValue* Lowering::find_planar(ValueId id) const {
  auto it = planar_.find(id);
  return it == planar_.end() ? nullptr : &it->second;
}

const DenseRef* Lowering::find_dense(ValueId id) const {
  auto it = dense_.find(id);
  return it == dense_.end() ? nullptr : &it->second;
}

std::optional<size_t> Lowering::output_seen_through_views(ValueId id) const {
  auto out = std::find(graph.outputs().begin(), graph.outputs().end(), id);
  if (out != graph.outputs().end()) return static_cast<size_t>(out - graph.outputs().begin());
  for (const Use& use : graph.at(id).uses)
    if (const Node& node = graph.at(use.node); use.input == 0 && is_view(graph, node))
      if (auto found = output_seen_through_views(node.output())) return found;
  return std::nullopt;
}

DenseRef Lowering::define_dense(ValueId id) {
  DenseRef ref{Place::arena, graph.at(id).type, 0};
  if (auto out = output_seen_through_views(id)) {
    ref.place = Place::user_output;
    ref.index = *out;
  } else {
    ref.index = static_cast<size_t>(layouts.add_dense(ref.type.bytes()));
  }
  dense_.insert_or_assign(id, ref);
  return ref;
}

Result<std::optional<PlanarValue>> Lowering::planar(ValueId id) {
  if (const PlanarValue* found = find_planar(id)) return std::optional(*found);
  const TensorType& type = graph.at(id).type;
  if (!can_be_planar(type)) return std::optional<PlanarValue>();
  QL_TRY(DenseRef from, dense(id));
  PlanarValue value =
      layouts.fresh(type.dtype, layouts.add(type.shape[0], type.shape[2], type.shape[3]), type.shape[1]);
  emit(emit_pack(*this, graph.at(id).name, from, value));
  define(id, value);
  return std::optional(value);
}

DenseRef Lowering::constant(const Tensor& tensor) {
  DenseRef ref{Place::constant, tensor.type(), own_constants_++};
  emit([ref, tensor](Emitter& e) -> Status {
    e.dense_constant(ref.index, tensor.data(), ref.type.bytes());
    return {};
  });
  return ref;
}

Result<DenseRef> Lowering::dense(ValueId id) {
  if (const DenseRef* found = find_dense(id)) return *found;
  const Value& value = graph.at(id);
  if (value.constant) {
    DenseRef ref = constant(*value.constant);
    dense_.insert_or_assign(id, ref);
    return ref;
  }
  const PlanarValue* planes = find_planar(id);
  if (!planes) return make_error(Code::internal, "value '", value.name, "' is used before it is produced");
  PlanarValue from = *planes;
  DenseRef ref = define_dense(id);
  emits_.push_back({emit_unpack(*this, value.name, from, ref), value.producer});
  return ref;
}

Status Lowering::lower_node(NodeId id) {
  const Node& node = graph.at(id);
  if (is_view(graph, node)) return lower_view(*this, node);
  std::string why = "no kernel on planes";
  if (isa == Isa::reference) {
    why = "instruction set 'reference' has no generated code";
  } else {
    for (const Entry& entry : kLowerings)
      if (node.op == entry.op) {
        QL_TRY(Verdict verdict, entry.lower(*this, node));
        if (verdict.lowered) return {};
        why = verdict.why_not;
      }
    why_dense = why;
    QL_TRY(Verdict verdict, lower_dense(*this, node));
    if (verdict.lowered) return {};
    why = cat(why, "; ", verdict.why_not);
  }
  return lower_reference(*this, node, why);
}

Status Lowering::lower_outputs() {
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    ValueId id = graph.outputs()[i];
    QL_TRY(DenseRef from, dense(id));
    if (from.place == Place::user_output && from.index == i) continue;
    DenseRef to{Place::user_output, from.type, i};
    emit([this, id, from, to](Emitter& e) -> Status {
      run::StepInfo info;
      info.name = graph.at(id).name;
      info.op = "copy output";
      info.kernel = "copy bytes";
      info.note = "the output is an input, a constant or another output";
      info.bytes_read = info.bytes_written = static_cast<int64_t>(from.type.bytes());
      std::vector<BufferId> touched;
      if (from.place == Place::arena) touched.push_back(BufferId(from.index));
      e.step(std::move(info), touched, [=](const Addresses& a) {
        return std::make_unique<run::CopyStep>(a.dense(from), a.dense(to), from.type.bytes());
      });
      return {};
    });
  }
  return {};
}

Status Lowering::run(const Deadline& deadline) {
  for (size_t i = 0; i < graph.inputs().size(); ++i) {
    ValueId id = graph.inputs()[i];
    dense_.insert_or_assign(id, DenseRef{Place::user_input, graph.at(id).type, i});
  }
  for (NodeId id : graph.order()) {
    const Node& node = graph.at(id);
    at_hand_ = id;
    QL_CHECK_OK(in_time(deadline, "compiling"));
    QL_CHECK_OK(lower_node(id).context(cat("node '", node.name, "' (", node.op, ")")));
  }
  at_hand_ = kNoNode;
  QL_CHECK_OK(lower_outputs());
  if (graph.tail) lower_tail(*this);
  return {};
}

Result<Verdict> lower_concat(Lowering& l, const Node& node) {
  const Shape& shape = l.shape(node.output());
  int64_t axis = node.attrs.int_or("axis", 1);
  if (axis < 0) axis += static_cast<int64_t>(shape.size());
  if (!can_be_planar(l.graph.at(node.output()).type))
    return declined("only 4-dimensional u8 and f32 values have planes");
  if (axis != 1) return declined(cat("axis ", axis, ", planes concatenate along axis 1 only"));
  PlanarValue all{l.dtype(node.output()), {}, {}};
  int64_t channels = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (l.shape(node.inputs[i])[1] == 0) continue;
    QL_TRY(auto part, l.planar(node.inputs[i]));
    if (!part) return declined("a part is neither u8 nor f32");
    if (all.planes.empty()) all.layout = part->layout;
    l.layouts.same_geometry(all.layout, part->layout);
    append_channels(all, *part, channels);
    channels += l.shape(node.inputs[i])[1];
  }
  l.define(node.output(), std::move(all));
  return Verdict{};
}

Result<Verdict> lower_slice(Lowering& l, const Node& node) {
  const Shape& in = l.shape(node.input(0));
  if (read_by_convolutions(l.graph, node.output()) && can_be_planar(l.graph.at(node.input(0)).type))
    QL_CHECK_OK(l.planar(node.input(0)));  // packed once for all slices
  const PlanarValue* x = l.find_planar(node.input(0));
  if (!x) return declined("the input has no planes");
  const Shape& out = l.shape(node.output());
  const Tensor *starts = l.graph.constant(node.input(1)), *axes = l.graph.constant(node.input(3)),
               *steps = l.graph.constant(node.input(4));
  if (!starts || (node.input(3) != kNoValue && !axes) || (node.input(4) != kNoValue && !steps))
    return declined("starts, axes or steps are not constants");
  for (size_t d = 0; d < 4; ++d)
    if (d != 1 && out[d] != in[d]) return declined("slices another axis than the channels");
  if (steps)
    for (int64_t s : to_ints(steps->view()))
      if (s != 1) return declined(cat("a step of ", s, ", planes slice with step 1 only"));
  int64_t begin = 0;
  for (int64_t i = 0; i < starts->count(); ++i) {
    int64_t axis = axes ? element_as_int(axes->view(), i) : i;
    if (axis < 0) axis += 4;
    if (axis != 1) continue;
    int64_t start = element_as_int(starts->view(), i);
    begin = std::clamp<int64_t>(start < 0 ? start + in[1] : start, 0, in[1]);
  }
  l.define(node.output(), slice_channels(*x, begin, begin + out[1]));
  return Verdict{};
}

Result<Verdict> lower_split(Lowering& l, const Node& node) {
  const PlanarValue* found = l.find_planar(node.input(0));
  if (!found) return declined("the input has no planes");
  int64_t axis = node.attrs.int_or("axis", 0);
  if (axis < 0) axis += 4;
  if (axis != 1) return declined(cat("axis ", axis, ", planes split along axis 1 only"));
  PlanarValue x = *found;
  int64_t begin = 0;
  for (ValueId out : node.outputs) {
    l.define(out, slice_channels(x, begin, begin + l.shape(out)[1]));
    begin += l.shape(out)[1];
  }
  return Verdict{};
}

}  // namespace quadlane::compile
