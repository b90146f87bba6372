// DynamicQuantizeLinear of values that have no planes.
#include "engine/compile/dense.h"
#include "engine/run/dense/dynamic_quantize.h"
#include "engine/run/row_steps.h"

namespace quadlane::compile {

Result<Verdict> lower_dense_dynamic_quantize(Lowering& l, const Node& node) {
  if (node.outputs.size() != 3) return declined("scale or zero point is not asked for");
  constexpr int64_t kChunkElements = 1 << 14, kMaxChunks = 64;
  QL_TRY(DenseOperands d, dense_operands(l, node));
  const int64_t count = d.in[0].type.count();
  const int64_t chunks = std::clamp<int64_t>(count / kChunkElements, 1, kMaxChunks);
  const DenseRef x = d.in[0], y = d.out[0], scale = d.out[1], zero = d.out[2],
                 ranges = scratch(l, static_cast<size_t>(chunks) * 2 * sizeof(float)), nothing = scratch(l, 1);
  const Isa isa = l.loops();
  run::StepInfo range = make_info(node);
  range.name += ".range";
  range.op = "range";
  range.note = kWhyRange;
  range.kernel = cat("range ", to_string(isa));
  emit_dense(l, range, {x}, {ranges}, [=](const Addresses& a) {
    auto step = std::make_unique<run::DenseRangeStep>();
    step->isa = isa, step->x = a.dense(x), step->ranges = a.dense(ranges), step->count = count, step->chunks = chunks;
    return step;
  });
  run::StepInfo found = make_info(node);
  found.name += ".scale";
  found.op = "dynamic scale";
  found.kernel = "scalar";
  found.note = kWhyScale;
  emit_dense(l, found, {ranges}, {scale, zero, nothing}, [=](const Addresses& a) {
    auto step = std::make_unique<run::DynamicScaleStep>();
    step->ranges = a.dense(ranges), step->range_count = chunks;
    step->scale = a.dense(scale), step->zero = a.dense(zero);
    step->scales = step->zeros = step->pads = a.dense(nothing);
    step->planes = step->pad_words = 0;
    return step;
  });
  run::StepInfo quantize = make_info(node);
  quantize.note = cat("fp32 enters the int8 part dense: ", l.why_dense);
  quantize.kernel = cat("dynamic_quantize ", to_string(isa));
  emit_dense(l, quantize, {x, scale, zero}, {y}, [=](const Addresses& a) {
    auto step = std::make_unique<run::DenseDynamicQuantizeStep>();
    step->isa = isa, step->x = a.dense(x), step->y = a.dense(y), step->count = count;
    step->scale = a.dense(scale), step->zero = a.dense(zero);
    return step;
  });
  return Verdict{};
}

}  // namespace quadlane::compile
