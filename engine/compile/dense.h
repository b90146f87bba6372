// Operators on dense tensors by vectorized loops and generated tiles: what the lowerings share.
#pragma once

#include "engine/compile/lowering.h"

namespace quadlane::compile {

// Any operator that has a kernel on dense tensors; declines the others.
Result<Verdict> lower_dense(Lowering&, const Node&);

// The operands of a node as dense tensors. Absent inputs have an empty type.
struct DenseOperands {
  std::vector<DenseRef> in, out;
  std::vector<bool> present;

  bool has(size_t i) const { return i < in.size() && present[i]; }
};
Result<DenseOperands> dense_operands(Lowering&, const Node&);

// Appends one step that reads and writes as many bytes as its info says.
void emit_touching(Lowering&, run::StepInfo, const std::vector<DenseRef>& touched,
                   std::function<std::unique_ptr<run::Step>(const Addresses&)> make);
// Appends one step that reads and writes whole tensors: its bytes are theirs.
void emit_dense(Lowering&, run::StepInfo, std::vector<DenseRef> reads, std::vector<DenseRef> writes,
                std::function<std::unique_ptr<run::Step>(const Addresses&)> make);
inline void emit_dense(Lowering& l, run::StepInfo info, const DenseOperands& all,
                       std::function<std::unique_ptr<run::Step>(const Addresses&)> make) {
  emit_dense(l, std::move(info), all.in, all.out, std::move(make));
}
// The note of a step that only copies elements.
inline std::string why_copied(const Lowering& l) { return cat("dense elements are copied: ", l.why_dense); }
// Scratch memory in the arena, alive while steps name it.
DenseRef scratch(Lowering&, size_t bytes);

// A step in the name of the node that transposes a matrix, or each of several; into scratch memory, or into `to`.
DenseRef transposed_copy(Lowering&, const Node&, const DenseRef& from, std::string note);
void emit_transposed(Lowering&, const Node&, const DenseRef& from, const DenseRef& to, std::string note);

// Whether the output is the input's bytes under another shape.
bool is_view(const Graph&, const Node&);
Status lower_view(Lowering&, const Node&);  // Reshape, Squeeze, Unsqueeze, Flatten, Identity, ...

// A node with the constants it reads, for the functions that its reference takes its attributes by.
struct KnownNode {
  KnownNode(const Lowering&, const Node&);
  std::vector<View> inputs;
  OpContext ctx;
};

Result<Verdict> lower_dense_elementwise(Lowering&, const Node&);  // Add, Exp, Clip, Where, Cast, ...
Result<Verdict> lower_dense_batch_norm(Lowering&, const Node&);
Result<Verdict> lower_dense_lut(Lowering&, const Node&);  // ql.Lut with one table
Result<Verdict> lower_dense_resize(Lowering&, const Node&);
Result<Verdict> lower_transpose(Lowering&, const Node&);
Result<Verdict> lower_dense_depth_to_space(Lowering&, const Node&);  // and SpaceToDepth
Result<Verdict> lower_dense_slice(Lowering&, const Node&);
Result<Verdict> lower_dense_split(Lowering&, const Node&);
Result<Verdict> lower_dense_concat(Lowering&, const Node&);
Result<Verdict> lower_expand(Lowering&, const Node&);
Result<Verdict> lower_tile(Lowering&, const Node&);
Result<Verdict> lower_dense_pad(Lowering&, const Node&);
Result<Verdict> lower_gather(Lowering&, const Node&);
Result<Verdict> lower_gather_nd(Lowering&, const Node&);
Result<Verdict> lower_scatter_nd(Lowering&, const Node&);
Result<Verdict> lower_pick_elements(Lowering&, const Node&);  // GatherElements, ScatterElements
Result<Verdict> lower_index_pool(Lowering&, const Node&);     // MaxPool with indices
Result<Verdict> lower_max_unpool(Lowering&, const Node&);
Result<Verdict> lower_roi_align(Lowering&, const Node&);
Result<Verdict> lower_grid_sample(Lowering&, const Node&);
Result<Verdict> lower_deform_conv(Lowering&, const Node&);
Result<Verdict> lower_softmax(Lowering&, const Node&);     // and LogSoftmax
Result<Verdict> lower_reduce(Lowering&, const Node&);      // ReduceMean, ReduceSum, ...
Result<Verdict> lower_layer_norm(Lowering&, const Node&);  // and RMSNormalization
Result<Verdict> lower_cumsum(Lowering&, const Node&);
Result<Verdict> lower_top_k(Lowering&, const Node&);
Result<Verdict> lower_arg(Lowering&, const Node&);             // ArgMax, ArgMin
Result<Verdict> lower_dense_quantize(Lowering&, const Node&);  // QuantizeLinear, ql.Dequantize, ...

Result<Verdict> lower_dense_dynamic_quantize(Lowering&, const Node&);  // DynamicQuantizeLinear

Result<Verdict> lower_matmul(Lowering&, const Node&);  // MatMul on f32
Result<Verdict> lower_gemm(Lowering&, const Node&);    // Gemm on f32

Result<Verdict> lower_recurrent(Lowering&, const Node&);  // LSTM, GRU, RNN

}  // namespace quadlane::compile
