// Elementwise operators on dense tensors.
#include <cmath>

#include "engine/compile/dense.h"
#include "engine/compile/elementwise.h"
#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/lut.h"

namespace quadlane::compile {
namespace {

// The function to look for, its operands among the node's inputs, and its attributes.
struct Function {
  std::string name;
  std::vector<size_t> operands;
  std::array<float, 2> p{};
};

std::array<float, 2> attributes(const Node& node) {
  auto get = [&](const char* name, float otherwise) { return node.attrs.float_or(name, otherwise); };
  if (node.op == "LeakyRelu") return {get("alpha", 0.01f)};
  if (node.op == "Elu" || node.op == "Celu" || node.op == "ThresholdedRelu" || node.op == "Swish")
    return {get("alpha", 1)};
  if (node.op == "Selu") return {get("alpha", 1.67326319217681884765625f), get("gamma", 1.05070102214813232421875f)};
  if (node.op == "HardSigmoid") return {get("alpha", 0.2f), get("beta", 0.5f)};
  if (node.op == "Shrink") return {get("bias", 0), get("lambd", 0.5f)};
  return {};
}

// The only element of a constant, if it is that.
std::optional<float> constant_f32(const Lowering& l, ValueId id) {
  const Tensor* t = l.graph.constant(id);
  if (!t || t->dtype() != DType::f32 || t->count() != 1) return std::nullopt;
  return *t->as<float>();
}

Result<Function> function_of(const Lowering& l, const Node& node) {
  Function f{node.op, {}, attributes(node)};
  if (node.op == "Clip") {
    f.p = {-INFINITY, INFINITY};
    for (size_t i = 1; i < 3; ++i) {
      if (node.input(i) == kNoValue) continue;
      auto bound = constant_f32(l, node.input(i));
      if (!bound) return unsupported("a bound is no constant of type f32");
      f.p[i - 1] = *bound;
    }
    f.operands = {0};
    return f;
  }
  if (node.op == "Pow" && constant_f32(l, node.input(1)) == 2.0f) {
    f.name = "Square";
    f.operands = {0};
    return f;
  }
  if (node.op == "Gelu" && node.attrs.string_or("approximate", "none") == "tanh") f.name = "GeluTanh";
  if (node.op == "Cast" || node.op == "CastLike") {
    f.name = "Cast";
    f.operands = {0};
    return f;
  }
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) return unsupported("operand ", i, " is absent");
    f.operands.push_back(i);
  }
  return f;
}

// One pass of the loop over operands that broadcast to the result.
void emit_loop(Lowering& l, const Node& node, const run::ElementLoop& loop, const DenseOperands& all,
               std::array<float, 2> p) {
  run::StepInfo info = make_info(node);
  info.kernel = cat("loop ", loop.name, " ", to_string(loop.in));
  std::vector<TensorType> types;
  for (const DenseRef& ref : all.in) types.push_back(ref.type);
  const TensorType result = all.out[0].type;
  const Isa isa = l.loops();
  emit_dense(l, std::move(info), all, [=](const Addresses& a) {
    auto step = std::make_unique<run::BroadcastStep>(isa, loop, result.shape, types, p);
    for (size_t i = 0; i < all.in.size(); ++i) step->from[i] = a.dense(all.in[i]);
    step->to = a.dense(all.out[0]);
    return step;
  });
}

}  // namespace

Result<Verdict> lower_dense_elementwise(Lowering& l, const Node& node) {
  auto f = function_of(l, node);
  if (!f.ok()) return declined(f.error().message);
  const size_t n = f->operands.size();
  if (n < 1 || n > 3) return declined(cat(n, " operands"));
  const bool where = node.op == "Where";
  const DType in = l.dtype(node.input(where ? 1 : 0)), out = l.dtype(node.output());
  for (size_t i = where ? 1 : 0; i < n; ++i)
    if (l.dtype(node.input(i)) != in) return declined("operands of different types");
  const run::ElementLoop loop = run::ElementLoop::find(f->name, n, in, out);
  if (!loop.fn) return declined(cat("no loop for ", f->name, " of ", to_string(in)));
  DenseOperands all;
  for (size_t i : f->operands) {
    QL_TRY(DenseRef ref, l.dense(node.input(i)));
    all.in.push_back(std::move(ref));
  }
  all.out.push_back(l.define_dense(node.output()));
  emit_loop(l, node, loop, all, f->p);
  return Verdict{};
}

// Where nobody wants planes; channels are axis 1.
Result<Verdict> lower_dense_batch_norm(Lowering& l, const Node& node) {
  const TensorType& type = l.graph.at(node.input(0)).type;
  const auto affine = batch_norm_affine(l.graph, node);
  if (node.outputs.size() != 1 || !affine || type.shape.size() < 2) return declined("a parameter is no constant");
  const run::ElementLoop loop = run::ElementLoop::find("Affine", 3, type.dtype, type.dtype);
  if (!loop.fn) return declined(cat("no loop for ", node.op, " of ", to_string(type.dtype)));
  Shape channels(type.shape.size(), 1);
  channels.at(1) = static_cast<int64_t>(affine->mult.size());
  DenseOperands all;
  QL_TRY(DenseRef x, l.dense(node.input(0)));
  all.in = {x, l.constant(Tensor::from<float>(channels, affine->mult)),
            l.constant(Tensor::from<float>(channels, affine->bias))};
  all.out.push_back(l.define_dense(node.output()));
  emit_loop(l, node, loop, all, {});
  return Verdict{};
}

Result<Verdict> lower_dense_lut(Lowering& l, const Node& node) {
  const Tensor* table = l.graph.constant(node.input(1));
  if (!table || table->count() != 256) return declined("a table for each channel");
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  QL_TRY(DenseRef entries, l.dense(node.input(1)));
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = "loop table u8";
  emit_dense(l, std::move(info), {from, entries}, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<run::LutStep>();
    step->count = to.type.count();
    step->from = a.dense(from), step->table = a.dense(entries), step->to = a.dense(to);
    return step;
  });
  return Verdict{};
}

}  // namespace quadlane::compile
