// First half of a compilation: walks the graph once, decides for each operator how it runs, states its demands on
// layouts, and leaves an Emit behind that writes its steps once the geometries are fixed.
#pragma once

#include <functional>
#include <optional>

#include "engine/base/cpu.h"
#include "engine/base/deadline.h"
#include "engine/compile/conv_tuner.h"
#include "engine/compile/emitter.h"
#include "engine/compile/layout.h"
#include "graph/op_table.h"

namespace quadlane::compile {

using Emit = std::function<Status(Emitter&)>;

// Whether an operator was lowered to generated code; if not, the sentence that says why, shown by `inspect --plan`.
struct Verdict {
  bool lowered = true;
  std::string why_not;
};
inline Verdict declined(std::string why) { return {false, std::move(why)}; }

class Lowering {
 public:
  Lowering(const Graph& graph, const OpTable& ops, const CpuInfo& cpu, Isa isa, bool tune)
      : graph(graph), ops(ops), cpu(cpu), isa(isa), tuner(cpu, tune && cpu.runs(isa)) {}

  const Graph& graph;
  const OpTable& ops;
  const CpuInfo& cpu;
  const Isa isa;
  ConvTuner tuner;
  Layouts layouts;
  // What loops of C++ run on: they are not interpreted where the machine lacks the instruction set of the plan.
  Isa loops() const { return std::min(isa, cpu.best_isa()); }
  // Whether code may permute bytes across registers (AVX512_VBMI: all Intel and AMD processors with VNNI but the
  // first).
  bool permutes_bytes() const { return has_vnni(isa) && cpu.avx512_vbmi; }

  // Why the node that is being lowered to dense tensors was not lowered to planes.
  std::string why_dense;

  // Lowers the whole graph.
  Status run(const Deadline& = {});
  // What the nodes left behind, in order; `node`: whose work it is, kNoNode for the outputs of the graph.
  struct Left {
    Emit emit;
    NodeId node;
  };
  std::vector<Left>& emits() { return emits_; }

  // The planes of a value; a dense one is packed first (once). Declines (nullopt) what has no planes: other ranks than
  // 4, other element types than u8 and f32.
  Result<std::optional<PlanarValue>> planar(ValueId);
  // The planes of a value that already has some, or null.
  const PlanarValue* find_planar(ValueId) const;
  // A value as a dense tensor; a planar one is unpacked first (once).
  Result<DenseRef> dense(ValueId);
  // The dense place of a graph input or of a value produced dense, or null.
  const DenseRef* find_dense(ValueId) const;

  void define(ValueId id, PlanarValue value) { planar_.insert_or_assign(id, std::move(value)); }
  // Room for a value that is produced dense: the caller's memory when it, or a view of it, is an output.
  DenseRef define_dense(ValueId);
  // A value that is the same bytes as one that has a place.
  void define_view(ValueId id, DenseRef of) {
    of.type = graph.at(id).type;
    dense_.insert_or_assign(id, std::move(of));
  }
  // A constant that is no value of the graph.
  DenseRef constant(const Tensor&);
  void emit(Emit e) { emits_.push_back({std::move(e), at_hand_}); }

  const Shape& shape(ValueId id) const { return graph.at(id).type.shape; }
  DType dtype(ValueId id) const { return graph.at(id).type.dtype; }

 private:
  Status lower_node(NodeId);
  Status lower_outputs();
  std::optional<size_t> output_seen_through_views(ValueId) const;

  std::map<ValueId, PlanarValue> planar_;
  std::map<ValueId, DenseRef> dense_;
  size_t own_constants_ = 0;
  NodeId at_hand_ = kNoNode;  // being lowered
  std::vector<Left> emits_;
};

// True for values planes can hold.
bool can_be_planar(const TensorType&);
run::StepInfo make_info(const Node&);
// Notes of the steps before a quantization whose scale is no constant.
inline constexpr char kWhyRange[] = "a scale that follows from the data needs their range first";
inline constexpr char kWhyScale[] = "the scale follows from the data, in every run";

// One function for each family of operators; the table in lowering.cc maps operator names to them.
Result<Verdict> lower_conv(Lowering&, const Node&);              // ql.Conv
Result<Verdict> lower_conv_transpose(Lowering&, const Node&);    // ql.ConvTranspose
Result<Verdict> lower_concat(Lowering&, const Node&);            // Concat along channels
Result<Verdict> lower_slice(Lowering&, const Node&);             // Slice along channels
Result<Verdict> lower_split(Lowering&, const Node&);             // Split along channels
Result<Verdict> lower_quantize(Lowering&, const Node&);          // ql.Quantize
Result<Verdict> lower_dequantize(Lowering&, const Node&);        // ql.Dequantize
Result<Verdict> lower_dequantized_mean(Lowering&, const Node&);  // ql.DequantizedMean
Result<Verdict> lower_ql_matmul(Lowering&, const Node&);         // ql.MatMul
Result<Verdict> lower_matmul_integer(Lowering&, const Node&);    // MatMulInteger
Result<Verdict> lower_dynamic_quantize(Lowering&, const Node&);  // DynamicQuantizeLinear
Result<Verdict> lower_pool(Lowering&, const Node&);              // MaxPool, AveragePool, ql.AveragePool
Result<Verdict> lower_global_pool(Lowering&, const Node&);       // GlobalAveragePool, ql.GlobalAveragePool
Result<Verdict> lower_resize(Lowering&, const Node&);            // Resize, ql.Resize
Result<Verdict> lower_elementwise(Lowering&, const Node&);      // ql.Add, ql.Mul, ql.Requantize, ql.Lut, Add, Relu, ...
Result<Verdict> lower_crop(Lowering&, const Node&);             // Slice of rows and columns
Result<Verdict> lower_pad(Lowering&, const Node&);              // Pad of rows and columns
Result<Verdict> lower_gather_channels(Lowering&, const Node&);  // Gather along channels
Result<Verdict> lower_depth_to_space(Lowering&, const Node&);   // DepthToSpace
Result<Verdict> lower_space_to_depth(Lowering&, const Node&);   // SpaceToDepth
Result<Verdict> lower_edge_transpose(Lowering&, const Node&);   // Transpose between NCHW planes and NHWC
Result<Verdict> lower_channel_softmax(Lowering&, const Node&);  // Softmax, LogSoftmax along channels
Result<Verdict> lower_response(Lowering&, const Node&);         // LRN
Result<Verdict> lower_channel_reduce(Lowering&, const Node&);   // ReduceSum, ReduceMax, ... along channels
Result<Verdict> lower_channel_normalization(Lowering&, const Node&);  // LpNormalization along channels
Result<Verdict> lower_channel_argmax(Lowering&, const Node&);         // ArgMax, ArgMin along channels
Result<Verdict> lower_normalization(Lowering&, const Node&);          // InstanceNormalization, GroupNormalization, ...
Result<Verdict> lower_global_max(Lowering&, const Node&);             // GlobalMaxPool on f32
// Any operator, by its scalar reference on dense tensors. Never declines.
Status lower_reference(Lowering&, const Node&, const std::string& why);

// The graph's tail: one step behind all others, which reads the graph's outputs.
void lower_tail(Lowering&);

// Copies between dense tensors and planes.
Emit emit_pack(Lowering&, const std::string& name, DenseRef from, PlanarValue to);
Emit emit_unpack(Lowering&, const std::string& name, PlanarValue from, DenseRef to);
// The planes of a value that has the channels of `like`, each in the lane where `like` has it: its own, or a copy's.
// Declines as Lowering::planar() does.
Result<std::optional<PlanarValue>> planes_like(Lowering&, ValueId, const PlanarValue& like);
// A copy of planes into a private buffer with padding of its own, for a consumer whose demand the others refuse.
PlanarValue private_copy(Lowering&, const std::string& name, const PlanarValue&, const std::string& why);

}  // namespace quadlane::compile
