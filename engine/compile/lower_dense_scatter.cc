// Operators on dense tensors whose places come with the data: GatherND, ScatterND, GatherElements, ScatterElements, and
// MaxPool with indices and MaxUnpool.
#include <algorithm>

#include "engine/compile/dense.h"
#include "engine/run/dense/index_pool.h"
#include "engine/run/dense/pick_elements.h"
#include "engine/run/dense/scatter.h"
#include "ops/conv_attrs.h"
#include "ops/shape_inputs.h"

namespace quadlane::compile {
namespace {

// What one step of a node takes and makes.
struct Operands {
  std::vector<DenseRef> in, out;
};
Result<Operands> operands_of(Lowering& l, const Node& node, size_t inputs) {
  Operands all;
  for (size_t i = 0; i < inputs; ++i) {
    QL_TRY(DenseRef ref, l.dense(node.input(i)));
    all.in.push_back(std::move(ref));
  }
  for (ValueId id : node.outputs) all.out.push_back(l.define_dense(id));
  return all;
}

}  // namespace

Result<Verdict> lower_gather_nd(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &list = l.shape(node.input(1));
  if (elements(in) == 0 || elements(l.shape(node.output())) == 0) return declined("the tensor is empty");
  const auto batch = static_cast<size_t>(node.attrs.int_or("batch_dims", 0)), depth = static_cast<size_t>(list.back());
  run::GatherSlabsStep made;
  made.batches = elements_between(in, 0, batch), made.count = elements_between(list, batch, list.size() - 1);
  made.slab_bytes =
      elements_between(in, batch + depth, in.size()) * static_cast<int64_t>(size_of(l.dtype(node.input(0))));
  made.index.wide = l.dtype(node.input(1)) == DType::s64;
  made.index.depth = list.back();
  std::copy_n(in.begin() + static_cast<std::ptrdiff_t>(batch), depth, made.index.extents.begin());
  QL_TRY(Operands all, operands_of(l, node, 2));
  run::StepInfo info = make_info(node);
  info.kernel = cat("gather slabs by ", depth, " coordinates");
  emit_dense(l, std::move(info), all.in, all.out, [=](const Addresses& a) {
    auto step = std::make_unique<run::GatherSlabsStep>(made);
    step->from = a.dense(all.in[0]), step->index.list = a.dense(all.in[1]), step->to = a.dense(all.out[0]);
    return step;
  });
  return Verdict{};
}

Result<Verdict> lower_scatter_nd(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &list = l.shape(node.input(1));
  const std::string reduction = node.attrs.string_or("reduction", "none");
  const DType dtype = l.dtype(node.input(0));
  if (reduction != "none" && (reduction != "add" || dtype != DType::f32)) return declined("combines by " + reduction);
  if (elements(in) == 0) return declined("the tensor is empty");
  const auto depth = static_cast<size_t>(list.back());
  run::ScatterSlabsStep made;
  made.adds = reduction == "add";
  made.count = elements_between(list, 0, list.size() - 1);
  made.slab_bytes = elements_between(in, depth, in.size()) * static_cast<int64_t>(size_of(dtype));
  made.index.wide = l.dtype(node.input(1)) == DType::s64;
  made.index.depth = list.back();
  std::copy_n(in.begin(), depth, made.index.extents.begin());
  QL_TRY(Operands all, operands_of(l, node, 3));
  run::StepInfo info = make_info(node);
  info.kernel = cat("scatter slabs by ", depth, " coordinates");
  emit_dense(l, std::move(info), all.in, all.out, [=](const Addresses& a) {
    auto step = std::make_unique<run::ScatterSlabsStep>(made);
    step->from = a.dense(all.in[0]), step->index.list = a.dense(all.in[1]), step->updates = a.dense(all.in[2]);
    step->to = a.dense(all.out[0]);
    return step;
  });
  return Verdict{};
}

// Indices that a MaxPool of the result's shape made stay within their planes.
Result<Verdict> lower_max_unpool(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  if (elements(in) == 0 || elements(out) == 0) return declined("the tensor is empty");
  if (node.input(2) != kNoValue) return declined("output_shape may be larger than what the indices count through");
  const Node* pool = l.graph.producer(node.input(1));
  run::ScatterSlabsStep made;
  made.zeros = true;
  made.count = elements(in);
  if (pool && pool->op == "MaxPool" && l.shape(pool->input(0)) == out) made.blocks = in[0] * in[1];
  made.slab_bytes = static_cast<int64_t>(size_of(l.dtype(node.input(0))));
  made.index.wraps = false, made.index.extents[0] = elements(out);
  QL_TRY(Operands all, operands_of(l, node, 2));
  run::StepInfo info = make_info(node);
  info.kernel = "scatter into zeros";
  emit_dense(l, std::move(info), all.in, all.out, [=](const Addresses& a) {
    auto step = std::make_unique<run::ScatterSlabsStep>(made);
    step->updates = a.dense(all.in[0]), step->index.list = a.dense(all.in[1]), step->to = a.dense(all.out[0]);
    return step;
  });
  return Verdict{};
}

Result<Verdict> lower_pick_elements(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &list = l.shape(node.input(1));
  if (elements(in) == 0 || elements(list) == 0) return declined("the tensor is empty");
  run::PickElementsStep made;
  made.scatters = node.op == "ScatterElements";
  if (node.attrs.string_or("reduction", "none") != "none") return declined("combines what it scatters");
  KnownNode known(l, node);
  QL_TRY(size_t axis, axis_attr(known.ctx, 0, in.size()));
  for (size_t i = 0; i < in.size(); ++i)
    if (i != axis && in[i] != list[i]) return declined("indices for some of the lines only");
  made.element_bytes = size_of(l.dtype(node.input(0)));
  if (made.element_bytes < 4) return declined("elements of less than four bytes");
  made.wide = l.dtype(node.input(1)) == DType::s64;
  made.outer = elements_between(in, 0, axis), made.inner = elements_between(in, axis + 1, in.size());
  made.extent = in[axis], made.picks = list[axis];
  QL_TRY(Operands all, operands_of(l, node, made.scatters ? 3 : 2));
  run::StepInfo info = make_info(node);
  info.kernel = cat(made.scatters ? "scatter" : "gather", " elements [", made.outer, ",", made.picks, " of ",
                    made.extent, ",", made.inner, "]");
  emit_dense(l, std::move(info), all.in, all.out, [=](const Addresses& a) {
    auto step = std::make_unique<run::PickElementsStep>(made);
    step->from = a.dense(all.in[0]), step->index = a.dense(all.in[1]), step->to = a.dense(all.out[0]);
    if (made.scatters) step->updates = a.dense(all.in[2]);
    return step;
  });
  return Verdict{};
}

Result<Verdict> lower_index_pool(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  if (node.outputs.size() != 2) return declined("no kernel on dense tensors");
  if (l.dtype(node.input(0)) != DType::f32) return declined("indices of elements other than f32");
  if (in.size() > 4) return declined("indices in a volume");
  if (node.attrs.int_or("storage_order", 0) != 0) return declined("indices down columns");
  if (elements(in) == 0 || elements(out) == 0) return declined("the tensor is empty");
  if (elements_between(in, 2, in.size()) > int64_t{1} << 30) return declined("an image of more than 2^30 pixels");
  QL_TRY(PoolAttrs a, pool_attrs(node, in));
  run::IndexPoolStep made;
  if (*std::max_element(a.kernel.begin(), a.kernel.end()) > made.kMostTaps)
    return declined(cat("a window of more than ", made.kMostTaps, " pixels along an axis"));
  made.isa = l.loops();
  made.planes = in[0] * in[1];
  made.axes[0] = {1, 1, 1, 1, 0, 1};
  for (size_t i = 0; i < a.axes(); ++i)
    made.axes[2 - a.axes() + i] = {in[i + 2], a.out[i], a.kernel[i], a.strides[i], a.pad_begin(i), a.dilations[i]};
  QL_TRY(Operands all, operands_of(l, node, 1));
  run::StepInfo info = make_info(node);
  info.kernel = "max pool with indices";
  emit_dense(l, std::move(info), all.in, all.out, [=](const Addresses& addresses) {
    auto step = std::make_unique<run::IndexPoolStep>(made);
    step->from = addresses.dense(all.in[0]), step->to = addresses.dense(all.out[0]);
    step->indices = addresses.dense(all.out[1]);
    return step;
  });
  return Verdict{};
}

}  // namespace quadlane::compile
