// RoiAlign of dense images by loops.
#include "engine/compile/dense.h"
#include "engine/run/dense/roi_align.h"

namespace quadlane::compile {

Result<Verdict> lower_roi_align(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out = l.shape(node.output());
  if (l.dtype(node.input(0)) != DType::f32) return declined("elements other than f32");
  if (node.attrs.string_or("mode", "avg") != "avg") return declined("the largest tap");
  if (elements(in) == 0 || elements(out) == 0) return declined("the tensor is empty");
  using Step = run::RoiAlignStep;
  for (size_t i = 2; i < 4; ++i)
    if (in[i] > Step::kMostPixels || out[i] > Step::kMostBins)
      return declined(cat("an axis of more than ", Step::kMostPixels, " pixels or ", Step::kMostBins, " bins"));
  Step made;
  made.isa = l.loops();
  made.half_pixel = node.attrs.string_or("coordinate_transformation_mode", "half_pixel") == "half_pixel";
  made.regions = out[0], made.images = in[0], made.channels = in[1];
  made.down = {in[2], out[2]}, made.across = {in[3], out[3]};
  made.ratio = node.attrs.int_or("sampling_ratio", 0);
  made.scale = node.attrs.float_or("spatial_scale", 1);
  std::vector<DenseRef> reads;
  for (size_t i = 0; i < 3; ++i) {
    QL_TRY(DenseRef ref, l.dense(node.input(i)));
    reads.push_back(std::move(ref));
  }
  const DenseRef to = l.define_dense(node.output());
  run::StepInfo info = make_info(node);
  info.kernel = cat("regions of ", out[2], "x", out[3], " bins");
  emit_dense(l, std::move(info), reads, {to}, [=](const Addresses& a) {
    auto step = std::make_unique<Step>(made);
    step->from = a.dense(reads[0]), step->boxes = a.dense(reads[1]), step->image = a.dense(reads[2]);
    step->to = a.dense(to);
    return step;
  });
  return Verdict{};
}

}  // namespace quadlane::compile
