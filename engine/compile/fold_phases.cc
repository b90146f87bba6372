#include "engine/compile/fold_phases.h"

#include <algorithm>
#include <deque>

#include "engine/compile/conv_blocks.h"
#include "engine/compile/phases.h"
#include "jit/kernels/phases.h"

namespace quadlane::compile {
namespace {

constexpr double kMostWeights = 1 << 26;

// Element o of each phase's `stride`, zeros behind the last output; null stays null.
const Tensor* repeat_outputs(const Tensor* values, int64_t phases, int64_t stride, std::deque<Tensor>& tensors) {
  if (!values) return nullptr;
  Tensor repeated = Tensor::allocate({values->dtype(), {phases * stride}}).value();
  const size_t bytes = values->type().bytes(), element = bytes / static_cast<size_t>(values->count());
  auto* to = static_cast<std::byte*>(repeated.mutable_data());
  std::fill_n(to, repeated.type().bytes(), std::byte{0});
  for (int64_t phase = 0; phase < phases; ++phase)
    std::copy_n(static_cast<const std::byte*>(values->data()), bytes,
                to + static_cast<size_t>(phase * stride) * element);
  return &tensors.emplace_back(std::move(repeated));
}

// Every place that some phase reads; (i, j) counts them from the first.
ConvSection window_of(const std::vector<std::vector<ConvTap>>& taps) {
  int64_t first_y = taps[0][0].dy, last_y = first_y, first_x = taps[0][0].dx, last_x = first_x;
  for (const auto& phase : taps)
    for (const ConvTap& tap : phase) {
      first_y = std::min(first_y, tap.dy), last_y = std::max(last_y, tap.dy);
      first_x = std::min(first_x, tap.dx), last_x = std::max(last_x, tap.dx);
    }
  ConvSection window{0, 0, {}};
  for (int64_t y = first_y; y <= last_y; ++y)
    for (int64_t x = first_x; x <= last_x; ++x)
      window.taps.push_back({static_cast<int>(y - first_y), static_cast<int>(x - first_x), y, x});
  return window;
}

// [C, O, kh, kw] as [phases * stride, C, rows, columns].
Tensor weights_of_phases(const Tensor& w, const std::vector<std::vector<ConvTap>>& taps, const ConvSection& window,
                         int64_t stride) {
  const Shape& s = w.shape();
  const int64_t rows = window.taps.back().i + 1, columns = window.taps.back().j + 1;
  const auto phases = static_cast<int64_t>(taps.size());
  Tensor folded = Tensor::allocate({w.dtype(), {phases * stride, s[0], rows, columns}}).value();
  const size_t element = w.type().bytes() / static_cast<size_t>(w.count());
  auto* to = static_cast<std::byte*>(folded.mutable_data());
  const auto* from = static_cast<const std::byte*>(w.data());
  std::fill_n(to, folded.type().bytes(), std::byte{0});
  for (int64_t phase = 0; phase < phases; ++phase)
    for (const ConvTap& tap : taps[static_cast<size_t>(phase)]) {
      if (tap.i < 0) continue;  // a phase that reads nothing
      const int64_t place = (tap.dy - window.taps[0].dy) * columns + (tap.dx - window.taps[0].dx);
      for (int64_t o = 0; o < s[1]; ++o)
        for (int64_t c = 0; c < s[0]; ++c)
          std::copy_n(from + static_cast<size_t>(((c * s[1] + o) * s[2] + tap.i) * s[3] + tap.j) * element, element,
                      to + static_cast<size_t>(((phase * stride + o) * s[0] + c) * rows * columns + place) * element);
    }
  return folded;
}

struct FoldedPhases {
  ConvOperands op;
  ConvSection section;
  int64_t stride = 0;                                 // outputs from one phase to the next
  std::shared_ptr<const std::deque<Tensor>> tensors;  // what op points to
};

FoldedPhases fold_phases(const ConvOperands& op, const std::vector<std::vector<ConvTap>>& taps) {
  const auto phases = static_cast<int64_t>(taps.size());
  auto tensors = std::make_shared<std::deque<Tensor>>();
  FoldedPhases folded{op, window_of(taps), (op.outputs + 3) / 4 * 4, tensors};
  folded.op.transposed = false;
  folded.op.outputs = phases * folded.stride;
  folded.op.w = &tensors->emplace_back(weights_of_phases(*op.w, taps, folded.section, folded.stride));
  for (const Tensor* ConvOperands::*values :
       {&ConvOperands::bias, &ConvOperands::mult, &ConvOperands::shift, &ConvOperands::slope})
    folded.op.*values = repeat_outputs(op.*values, phases, folded.stride, *tensors);
  return folded;
}

// The planes of each phase in those of the folded convolution's result.
std::vector<PlanarValue> planes_of_phases(const PlanarValue& folded, const FoldedPhases& f, int64_t outputs,
                                          size_t phases) {
  std::vector<PlanarValue> results;
  const size_t planes = folded.planes.size() / phases;
  for (size_t phase = 0; phase < phases; ++phase) {
    PlanarValue& result = results.emplace_back(PlanarValue{folded.dtype, folded.layout, {}});
    for (size_t i = 0; i < planes; ++i) {
      PlaneRef plane = folded.planes[phase * planes + i];
      for (int32_t& c : plane.channels) {
        if (c >= 0) c -= static_cast<int32_t>(static_cast<int64_t>(phase) * f.stride);
        if (c >= outputs) c = -1;
      }
      if (plane.channels[0] >= 0) result.planes.push_back(plane);
    }
  }
  return results;
}

}  // namespace

Result<InterleaveSteps> phase_steps(const ConvOperands& op, const ConvAttrs& a) {
  const int64_t columns = a.strides[1], phases = a.strides[0] * columns;
  InterleaveSteps steps{1, columns};
  for (int64_t first = 2; first <= kMaxPhases && columns > kMaxPhases; ++first)  // the most at a time
    if (columns % first == 0 && columns / first <= kMaxPhases) steps = {first, columns / first};
  if (steps.second > kMaxPhases)
    return unsupported("a stride of ", columns, ", columns are interleaved from up to ", kMaxPhases, " phases, twice");
  if (op.group != 1) return unsupported(op.group, " groups at a stride of ", a.strides[0], "x", a.strides[1]);
  // A phase reads ceil(kernel / stride) rows; the phases' windows together one more.
  const int64_t window = ((a.reach(0) - 1) / a.strides[0] + 2) * ((a.reach(1) - 1) / columns + 2);
  const double weights = static_cast<double>(phases) * static_cast<double>(op.outputs + 3) *
                         static_cast<double>(op.inputs) * static_cast<double>(window);
  if (weights > kMostWeights)
    return unsupported(phases, " phases of ", op.outputs, " outputs, more than ", kMostWeights, " weights");
  return steps;
}

void emit_folded_phases(Lowering& l, const Node& node, run::StepInfo info, const ConvOperands& op,
                        const std::vector<std::vector<ConvTap>>& taps, const PlanarValue& x, const Shape& phase,
                        const PlanarValue& out, const std::vector<int64_t>& strides, InterleaveSteps steps) {
  const FoldedPhases folded = fold_phases(op, taps);
  const LayoutId layout = l.layouts.add(phase[0], phase[1], phase[2]);
  l.layouts.same_pitch(layout, x.layout);
  const PlanarValue wide = l.layouts.fresh(out.dtype, layout, folded.op.outputs);
  std::vector<ConvSection> sections{folded.section};
  std::vector<PlanarValue> sources{x}, phases = planes_of_phases(wide, folded, op.outputs, taps.size());
  add_weight_parts(folded.op, sections, sources);
  info.gmac_executed = static_cast<double>(folded.op.w->count() * elements(phase)) * 1e-9;
  l.emit([=, &l](Emitter& e) { return emit_conv(l, e, info, folded.op, sources, sections, wide, nullptr); });
  if (steps.first > 1) {
    const LayoutId merged = l.layouts.add(phase[0], phase[1], phase[2] * steps.first);
    std::vector<PlanarValue> wider;
    for (int64_t i = 0; i < strides[0] * steps.second; ++i) {
      std::vector<PlanarValue> parts;  // of row i / second, columns i % second, + second, ...
      for (int64_t u = 0; u < steps.first; ++u)
        parts.push_back(
            phases[static_cast<size_t>((i / steps.second * steps.first + u) * steps.second + i % steps.second)]);
      wider.push_back(l.layouts.fresh_like(phases[0], merged));
      Node part = node;
      part.name += cat(".columns", i);
      emit_interleave(l, part, parts, wider.back(), 1, steps.first);
    }
    phases = std::move(wider);
  }
  emit_interleave(l, node, phases, out, strides[0], steps.second);
}

}  // namespace quadlane::compile
