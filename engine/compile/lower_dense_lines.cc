// Operators along one axis of dense f32 tensors: Softmax, reductions, ArgMax; Gather; scales along an axis.
#include "engine/compile/dense.h"
#include "engine/run/dense/gather.h"
#include "engine/run/dense/lines.h"
#include "engine/run/dense/quantize.h"
#include "ops/shape_inputs.h"

namespace quadlane::compile {
namespace {

run::Lines lines_of(const Shape& shape, size_t first, size_t last) {
  return {elements_between(shape, 0, first), elements_between(shape, first, last),
          elements_between(shape, last, shape.size())};
}

// One step from input 0 to output 0, along lines.
template <class LineStep>
Result<Verdict> emit_lines(Lowering& l, const Node& node, const char* kernel, const run::Lines& lines, LineStep made) {
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = cat(kernel, " [", lines.outer, ",", lines.extent, ",", lines.inner, "]");
  made.lines = lines;
  made.isa = l.loops();
  emit_dense(l, std::move(info), {from}, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<LineStep>(made);
    step->from = a.dense(from), step->to = a.dense(to);
    return step;
  });
  return Verdict{};
}

}  // namespace

Result<Verdict> lower_softmax(Lowering& l, const Node& node) {
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  const Shape& shape = l.shape(node.input(0));
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, -1, shape.size()));
  if (elements(shape) == 0) return declined("the tensor is empty");
  run::SoftmaxStep step;
  step.log = node.op == "LogSoftmax";
  return emit_lines(l, node, "softmax", lines_of(shape, axis, axis + 1), std::move(step));
}

namespace {

constexpr std::pair<std::string_view, run::Reduction> kReductions[] = {
    {"ReduceSum", run::Reduction::sum},
    {"ReduceMean", run::Reduction::mean},
    {"ReduceMax", run::Reduction::max},
    {"ReduceMin", run::Reduction::min},
    {"ReduceL1", run::Reduction::l1},
    {"ReduceL2", run::Reduction::l2},
    {"ReduceSumSquare", run::Reduction::sum_square},
    {"ReduceProd", run::Reduction::product},
    {"GlobalAveragePool", run::Reduction::mean},
    {"GlobalMaxPool", run::Reduction::max},
};

// The reduced axes, which must be neighbours when those of extent 1 are left out: [first, last).
Result<std::pair<size_t, size_t>> reduced_axes(const Lowering& l, const Node& node) {
  const Shape& shape = l.shape(node.input(0));
  std::vector<bool> reduced(shape.size(), false);
  if (node.op.starts_with("Global")) {
    for (size_t i = 2; i < shape.size(); ++i) reduced[i] = true;
  } else {
    KnownNode known(l, node);
    std::vector<int64_t> given;
    if (node.input(1) != kNoValue) {
      QL_TRY(given, known_ints(known.ctx, 1, "axes"));
    }
    QL_TRY(auto axes, normalize_axes(given, shape.size()));
    if (axes.empty() && node.attrs.int_or("noop_with_empty_axes", 0)) return unsupported("reduces no axis");
    for (size_t axis : axes) reduced[axis] = true;
    if (axes.empty()) reduced.assign(shape.size(), true);
  }
  size_t first = shape.size(), last = 0;
  for (size_t i = 0; i < shape.size(); ++i)
    if (reduced[i] && shape[i] != 1) first = std::min(first, i), last = i + 1;
  for (size_t i = first; i < last; ++i)
    if (!reduced[i] && shape[i] != 1) return unsupported("the reduced axes are no neighbours");
  return std::pair(std::min(first, last), last);
}

}  // namespace

Result<Verdict> lower_reduce(Lowering& l, const Node& node) {
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  const Shape& shape = l.shape(node.input(0));
  if (elements(shape) == 0) return declined("the tensor is empty");
  auto axes = reduced_axes(l, node);
  if (!axes.ok()) return declined(axes.error().message);
  run::ReduceStep step;
  for (const auto& [op, reduction] : kReductions)
    if (node.op == op) step.op = reduction;
  return emit_lines(l, node, "reduce", lines_of(shape, axes->first, axes->second), std::move(step));
}

Result<Verdict> lower_arg(Lowering& l, const Node& node) {
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  const Shape& shape = l.shape(node.input(0));
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, 0, shape.size()));
  if (elements(shape) == 0) return declined("the tensor is empty");
  run::ArgStep step;
  step.max = node.op == "ArgMax";
  step.last = node.attrs.int_or("select_last_index", 0) != 0;
  return emit_lines(l, node, "arg", lines_of(shape, axis, axis + 1), std::move(step));
}

Result<Verdict> lower_layer_norm(Lowering& l, const Node& node) {
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  if (node.outputs.size() != 1) return declined("the means and deviations are asked for too");
  const Shape& shape = l.shape(node.input(0));
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, -1, shape.size()));
  if (elements(shape) == 0) return declined("the tensor is empty");
  const run::Lines lines = lines_of(shape, axis, shape.size());
  std::vector<DenseRef> reads;
  for (ValueId id : node.inputs) {
    if (id == kNoValue) continue;
    if (!reads.empty() && elements(l.shape(id)) != lines.extent)
      return declined("scale or bias broadcast along a line");
    QL_TRY(DenseRef ref, l.dense(id));
    reads.push_back(std::move(ref));
  }
  run::LayerNormStep made;
  made.lines = lines, made.isa = l.loops();
  made.centred = node.op == "LayerNormalization";
  made.has_bias = reads.size() > 2;
  made.epsilon = node.attrs.float_or("epsilon", 1e-5f);
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = cat("normalize [", lines.outer, ",", lines.extent, "]");
  emit_dense(l, std::move(info), reads, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<run::LayerNormStep>(made);
    step->from = a.dense(reads[0]), step->scale = a.dense(reads[1]), step->to = a.dense(to);
    if (made.has_bias) step->bias = a.dense(reads[2]);
    return step;
  });
  return Verdict{};
}

Result<Verdict> lower_cumsum(Lowering& l, const Node& node) {
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  const Tensor* given = l.graph.constant(node.input(1));
  if (!given) return declined("the axis is no constant");
  const Shape& shape = l.shape(node.input(0));
  QL_TRY(auto axes, normalize_axes({element_as_int(given->view(), 0)}, shape.size()));
  if (elements(shape) == 0) return declined("the tensor is empty");
  run::CumSumStep step;
  step.exclusive = node.attrs.int_or("exclusive", 0) != 0, step.reverse = node.attrs.int_or("reverse", 0) != 0;
  return emit_lines(l, node, "cumulate", lines_of(shape, axes[0], axes[0] + 1), std::move(step));
}

Result<Verdict> lower_top_k(Lowering& l, const Node& node) {
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  if (node.outputs.size() != 2) return declined("the indices are not asked for");
  const Shape& shape = l.shape(node.input(0));
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, -1, shape.size()));
  run::TopKStep made;
  made.k = l.shape(node.output())[axis];
  if (elements(shape) == 0 || made.k == 0) return declined("there is nothing to choose");
  if (made.k > run::TopKStep::kMost) return declined(cat("k is ", made.k, ", the limit is ", run::TopKStep::kMost));
  made.largest = node.attrs.int_or("largest", 1) != 0;
  made.lines = lines_of(shape, axis, axis + 1), made.isa = l.loops();
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  const DenseRef values = l.define_dense(node.outputs[0]), indices = l.define_dense(node.outputs[1]);
  run::StepInfo info = make_info(node);
  info.kernel = cat("top ", made.k, " of ", made.lines.extent);
  emit_dense(l, std::move(info), {from}, {values, indices}, [=](const Addresses& a) {
    auto step = std::make_unique<run::TopKStep>(made);
    step->from = a.dense(from), step->to = a.dense(values), step->indices = a.dense(indices);
    return step;
  });
  return Verdict{};
}

Result<Verdict> lower_gather(Lowering& l, const Node& node) {
  const Shape& shape = l.shape(node.input(0));
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, 0, shape.size()));
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  QL_TRY(DenseRef index, l.dense(node.input(1)));
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = "gather slabs";
  info.note = why_copied(l);
  info.bytes_written = static_cast<int64_t>(to.type.bytes());
  info.bytes_read =
      std::min(static_cast<int64_t>(from.type.bytes()), info.bytes_written) + static_cast<int64_t>(index.type.bytes());
  const run::Lines lines = lines_of(shape, axis, axis + 1);
  emit_touching(l, std::move(info), {from, index, to}, [=](const Addresses& a) {
    auto step = std::make_unique<run::GatherStep>();
    step->outer = lines.outer, step->extent = lines.extent, step->indices = index.type.count();
    step->slab_bytes = static_cast<size_t>(lines.inner) * size_of(from.type.dtype);
    step->wide = index.type.dtype == DType::s64;
    step->from = a.dense(from), step->index = a.dense(index), step->to = a.dense(to);
    return step;
  });
  return Verdict{};
}

Result<Verdict> lower_dense_quantize(Lowering& l, const Node& node) {
  const bool own = node.op.starts_with("ql."), quantize = node.op.ends_with("Quantize") || node.op == "QuantizeLinear";
  const TensorType &in = l.graph.at(node.input(0)).type, &out = l.graph.at(node.output()).type;
  const DType bytes = quantize ? out.dtype : in.dtype;
  if (bytes != DType::u8 && bytes != DType::s8 && (quantize || bytes != DType::s32))
    return declined(cat("no loop for ", to_string(bytes)));
  if ((quantize ? in.dtype : out.dtype) != DType::f32) return declined("floats other than f32");
  if (node.attrs.int_or("block_size", 0) != 0) return declined("a scale for each block");
  run::GridStep made;
  made.isa = l.loops();
  made.bytes = bytes;
  made.quantize = quantize, made.divide = !own;
  made.count = in.count();
  made.entries = l.graph.at(node.input(1)).type.count();
  if (made.entries > 1) {
    KnownNode known(l, node);
    size_t axis = 1;
    if (!own) {
      QL_TRY(axis, axis_attr(known.ctx, 1, in.shape.size()));
    }
    made.inner = elements_between(in.shape, axis + 1, in.shape.size());
  }
  const bool zero = node.input(2) != kNoValue;
  if (zero && l.graph.at(node.input(2)).type.count() != made.entries)
    return declined("scales and zero points differ in number");
  made.has_zero = zero;
  std::vector<DenseRef> reads;
  for (size_t i = 0; i < (zero ? 3u : 2u); ++i) {
    QL_TRY(DenseRef ref, l.dense(node.input(i)));
    reads.push_back(std::move(ref));
  }
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = cat("loop ", quantize ? "quantize " : "dequantize ", to_string(bytes));
  info.note = cat(quantize ? "fp32 enters the int8 part" : "int8 leaves for fp32", " dense: ", l.why_dense);
  emit_dense(l, std::move(info), reads, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<run::GridStep>(made);
    step->from = a.dense(reads[0]), step->scale = a.dense(reads[1]), step->to = a.dense(to);
    if (zero) step->zero = a.dense(reads[2]);
    return step;
  });
  return Verdict{};
}

}  // namespace quadlane::compile
