// GridSample of dense images and volumes by loops.
#include "engine/compile/dense.h"
#include "engine/run/dense/grid_sample.h"
#include "ops/shape_inputs.h"

namespace quadlane::compile {

Result<Verdict> lower_grid_sample(Lowering& l, const Node& node) {
  const Shape& in = l.shape(node.input(0));
  if (l.dtype(node.input(0)) != DType::f32 || l.dtype(node.input(1)) != DType::f32)
    return declined("elements other than f32");
  if (in.size() != 4 && in.size() != 5) return declined("neither image nor volume");
  const std::string mode = node.attrs.string_or("mode", "linear");
  if (mode == "cubic" && in.size() == 5) return declined("cubic, of a volume");
  if (elements(l.shape(node.output())) == 0) return declined("the tensor is empty");
  if (elements_between(in, 2, in.size()) > int64_t{1} << 30) return declined("an image of more than 2^30 pixels");
  const std::string padding = node.attrs.string_or("padding_mode", "zeros");
  run::GridSampleStep made;
  made.isa = l.loops();
  made.mode = mode == "nearest"  ? run::GridMode::nearest
              : mode == "linear" ? run::GridMode::linear
                                 : run::GridMode::cubic;
  made.padding = padding == "zeros"    ? run::GridPadding::zeros
                 : padding == "border" ? run::GridPadding::border
                                       : run::GridPadding::reflection;
  made.align_corners = node.attrs.int_or("align_corners", 0) != 0;
  made.images = in[0], made.channels = in[1], made.axes = static_cast<int64_t>(in.size()) - 2;
  std::copy(in.begin() + 2, in.end(), made.extents.end() - made.axes);
  made.pixels = elements_between(l.shape(node.output()), 2, in.size());
  QL_TRY(DenseRef from, l.dense(node.input(0)));
  QL_TRY(DenseRef grid, l.dense(node.input(1)));
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = cat("sample ", mode, ", ", padding);
  emit_dense(l, std::move(info), {from, grid}, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<run::GridSampleStep>(made);
    step->from = a.dense(from), step->grid = a.dense(grid), step->to = a.dense(to);
    return step;
  });
  return Verdict{};
}

}  // namespace quadlane::compile
