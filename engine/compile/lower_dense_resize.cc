// Resize of dense f32 tensors, axis by axis: cubic, antialiased, of any rank and any axes. The axis that grows least
// comes first, so that little is in between.
#include <algorithm>
#include <numeric>

#include "engine/compile/dense.h"
#include "engine/run/dense/resize.h"
#include "ops/resize_axis.h"
#include "ops/shape_inputs.h"

namespace quadlane::compile {
namespace {

// The tables of AxisResizeStep: entries of a result stand `out` apart.
struct Tables {
  Tensor index, weight;
};
Tables tables_of(const ResizeTaps& taps, int64_t out) {
  const auto count = static_cast<size_t>(out * taps.taps);
  std::vector<int32_t> index(count);
  std::vector<float> weight(count);
  for (int64_t j = 0; j < out; ++j)
    for (int64_t t = 0; t < taps.taps; ++t) {
      const auto from = static_cast<size_t>(j * taps.taps + t), to = static_cast<size_t>(t * out + j);
      index[to] = taps.index[from];
      weight[to] = static_cast<float>(taps.weight[from]);
    }
  const Shape shape{taps.taps, out};
  return {Tensor::from<int32_t>(shape, index), Tensor::from<float>(shape, weight)};
}

// One axis; `shape` is the tensor's before, and becomes what it is afterwards.
void emit_axis(Lowering& l, const Node& node, const DenseRef& from, const DenseRef& to, const ResizeAxis& axis,
               const ResizeTaps& taps, Shape& shape, size_t at) {
  const Tables tables = tables_of(taps, axis.out);
  const DenseRef index = l.constant(tables.index), weight = l.constant(tables.weight);
  run::AxisResizeStep made;
  made.isa = l.loops();
  made.outer = elements_between(shape, 0, at), made.inner = elements_between(shape, at + 1, shape.size());
  made.in = axis.in, made.out = axis.out, made.taps = taps.taps;
  shape[at] = axis.out;
  run::StepInfo info = make_info(node);
  info.kernel = cat("resize axis ", at, ", ", taps.taps, " taps");
  emit_dense(l, std::move(info), {from, index, weight}, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<run::AxisResizeStep>(made);
    step->from = a.dense(from), step->to = a.dense(to);
    step->index = a.dense(index), step->weight = a.dense(weight);
    return step;
  });
}

}  // namespace

Result<Verdict> lower_dense_resize(Lowering& l, const Node& node) {
  const TensorType &in = l.graph.at(node.input(0)).type, &out = l.graph.at(node.output()).type;
  if (in.dtype != DType::f32 || in.count() == 0 || out.count() == 0) return declined("elements other than f32");
  KnownNode known(l, node);
  QL_TRY(ResizeOptions options, resize_options(node.attrs));
  if (options.coordinates == CoordinateMode::tf_crop_and_resize) return declined("crops while resizing");
  QL_TRY(auto axes, resize_axes(known.ctx, options.coordinates));
  std::vector<size_t> order;
  for (size_t a = 0; a < axes.size(); ++a)
    if (!axes[a].is_identity(options.coordinates)) order.push_back(a);
  if (order.empty()) return declined("nothing is resized");
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const double grows = double(axes[a].out) / double(axes[a].in), other = double(axes[b].out) / double(axes[b].in);
    return grows != other ? grows < other : a > b;
  });
  for (const size_t a : order)
    if (axes[a].in > INT32_MAX || axes[a].out > INT32_MAX) return declined("an axis of 2^31 elements");
  QL_TRY(DenseRef at, l.dense(node.input(0)));
  Shape shape = in.shape;
  for (size_t i = 0; i < order.size(); ++i) {
    const ResizeAxis& axis = axes[order[i]];
    const ResizeTaps taps = resize_taps(axis, options);
    const bool last = i + 1 == order.size();
    Shape next = shape;
    next[order[i]] = axis.out;
    DenseRef to =
        last ? l.define_dense(node.output()) : scratch(l, static_cast<size_t>(elements(next)) * sizeof(float));
    emit_axis(l, node, at, to, axis, taps, shape, order[i]);
    at = to;
  }
  return Verdict{};
}

}  // namespace quadlane::compile
