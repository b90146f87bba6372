#include "engine/compile/dense.h"

#include <string_view>

namespace quadlane::compile {
namespace {

using LowerFn = Result<Verdict> (*)(Lowering&, const Node&);
struct Entry {
  std::string_view op;
  LowerFn lower;
};
constexpr Entry kLowerings[] = {
    {"MatMul", lower_matmul},
    {"Gemm", lower_gemm},
    {"LSTM", lower_recurrent},
    {"GRU", lower_recurrent},
    {"RNN", lower_recurrent},
    {"BatchNormalization", lower_dense_batch_norm},
    {"ql.Lut", lower_dense_lut},
    {"Resize", lower_dense_resize},
    {"Transpose", lower_transpose},
    {"DepthToSpace", lower_dense_depth_to_space},
    {"SpaceToDepth", lower_dense_depth_to_space},
    {"Slice", lower_dense_slice},
    {"Split", lower_dense_split},
    {"Concat", lower_dense_concat},
    {"Expand", lower_expand},
    {"Tile", lower_tile},
    {"Pad", lower_dense_pad},
    {"Gather", lower_gather},
    {"GatherND", lower_gather_nd},
    {"ScatterND", lower_scatter_nd},
    {"GatherElements", lower_pick_elements},
    {"ScatterElements", lower_pick_elements},
    {"MaxPool", lower_index_pool},
    {"MaxUnpool", lower_max_unpool},
    {"RoiAlign", lower_roi_align},
    {"GridSample", lower_grid_sample},
    {"DeformConv", lower_deform_conv},
    {"Softmax", lower_softmax},
    {"LogSoftmax", lower_softmax},
    {"ReduceSum", lower_reduce},
    {"ReduceMean", lower_reduce},
    {"ReduceMax", lower_reduce},
    {"ReduceMin", lower_reduce},
    {"ReduceL1", lower_reduce},
    {"ReduceL2", lower_reduce},
    {"ReduceSumSquare", lower_reduce},
    {"ReduceProd", lower_reduce},
    {"GlobalAveragePool", lower_reduce},
    {"GlobalMaxPool", lower_reduce},
    {"LayerNormalization", lower_layer_norm},
    {"RMSNormalization", lower_layer_norm},
    {"CumSum", lower_cumsum},
    {"TopK", lower_top_k},
    {"ArgMax", lower_arg},
    {"ArgMin", lower_arg},
    {"DynamicQuantizeLinear", lower_dense_dynamic_quantize},
    {"QuantizeLinear", lower_dense_quantize},
    {"DequantizeLinear", lower_dense_quantize},
    {"ql.Quantize", lower_dense_quantize},
    {"ql.Dequantize", lower_dense_quantize},
};

}  // namespace

Result<Verdict> lower_dense(Lowering& l, const Node& node) {
  if (l.loops() == Isa::reference) return declined("this machine lacks AVX2");
  for (const Entry& entry : kLowerings)
    if (node.op == entry.op) return entry.lower(l, node);
  if (node.outputs.size() == 1) return lower_dense_elementwise(l, node);
  return declined("no kernel on dense tensors");
}

KnownNode::KnownNode(const Lowering& l, const Node& node) : ctx{node, {}} {
  for (ValueId id : node.inputs) {
    View view;
    if (id != kNoValue) {
      const Tensor* constant = l.graph.constant(id);
      view = {&l.graph.at(id).type, constant ? constant->data() : nullptr};
    }
    inputs.push_back(view);
  }
  ctx.inputs = inputs;
}

Result<DenseOperands> dense_operands(Lowering& l, const Node& node) {
  DenseOperands all;
  for (ValueId id : node.inputs) {
    all.present.push_back(id != kNoValue);
    DenseRef ref{Place::constant, {}, 0};
    if (id != kNoValue) {
      QL_TRY(ref, l.dense(id));
    }
    all.in.push_back(std::move(ref));
  }
  for (ValueId id : node.outputs) all.out.push_back(l.define_dense(id));
  return all;
}

void emit_touching(Lowering& l, run::StepInfo info, const std::vector<DenseRef>& touched,
                   std::function<std::unique_ptr<run::Step>(const Addresses&)> make) {
  std::vector<BufferId> buffers;
  for (const DenseRef& ref : touched)
    if (ref.place == Place::arena) buffers.push_back(BufferId(ref.index));
  l.emit([info = std::move(info), buffers = std::move(buffers), make = std::move(make)](Emitter& e) mutable -> Status {
    e.step(std::move(info), std::move(buffers), std::move(make));
    return {};
  });
}

void emit_dense(Lowering& l, run::StepInfo info, std::vector<DenseRef> reads, std::vector<DenseRef> writes,
                std::function<std::unique_ptr<run::Step>(const Addresses&)> make) {
  for (DenseRef& ref : reads) {
    if (ref.type == TensorType{}) ref.type = {DType::u8, {0}};  // absent
    info.bytes_read += static_cast<int64_t>(ref.type.bytes());
  }
  for (const DenseRef& ref : writes) info.bytes_written += static_cast<int64_t>(ref.type.bytes());
  reads.insert(reads.end(), writes.begin(), writes.end());
  emit_touching(l, std::move(info), reads, std::move(make));
}

DenseRef scratch(Lowering& l, size_t bytes) {
  return {Place::arena,
          {DType::u8, {static_cast<int64_t>(bytes)}},
          static_cast<size_t>(l.layouts.add_dense(std::max<size_t>(bytes, 1)))};
}

namespace {

bool moves_only_ones(const Graph& graph, const Node& node) {
  const Shape& in = graph.at(node.input(0)).type.shape;
  const auto* perm = node.attrs.find<std::vector<int64_t>>("perm");
  int64_t before = -1;
  for (size_t i = 0; i < in.size(); ++i) {
    const int64_t axis = perm ? (*perm)[i] : static_cast<int64_t>(in.size() - 1 - i);
    const int64_t from = axis < 0 ? axis + static_cast<int64_t>(in.size()) : axis;
    if (in[static_cast<size_t>(from)] == 1) continue;
    if (from < before) return false;
    before = from;
  }
  return true;
}

}  // namespace

bool is_view(const Graph& graph, const Node& node) {
  constexpr std::string_view kReshapes[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"};
  constexpr std::string_view kCopies[] = {"Cast", "CastLike", "Expand", "Tile"};
  auto is_one_of = [&](const auto& list) {
    return std::find(std::begin(list), std::end(list), node.op) != std::end(list);
  };
  if (is_one_of(kReshapes)) return true;
  if (node.op == "Transpose") return moves_only_ones(graph, node);
  return is_one_of(kCopies) && graph.at(node.input(0)).type == graph.at(node.output()).type;
}

Status lower_view(Lowering& l, const Node& node) {
  const ValueId from = node.input(0), to = node.output();
  if (const PlanarValue* planes = l.find_planar(from); planes && l.shape(from) == l.shape(to)) l.define(to, *planes);
  if (l.find_planar(to) && !l.find_dense(from)) return {};  // nobody has asked for dense bytes
  QL_TRY(DenseRef ref, l.dense(from));
  l.define_view(to, ref);
  return {};
}

}  // namespace quadlane::compile
