// ql.Conv and ql.ConvTranspose on generated kernels.
//
// Every convolution becomes convolutions at stride 1 over flattened planes (engine/base/abi/conv.h):
//   stride s        where no kernel takes it as a step (see below), the source is split into s*s phase planes; tap i of
//                   the kernel reads phase (i*d - pad) mod s at row offset floor((i*d - pad) / s): each phase is a
//                   section with its own taps
//   transposed      output phase r sums the taps with (r + pad - i*d) divisible by s, each at row offset
//                   (r + pad - i*d)/s: s*s convolutions, whose results are interleaved. Zeros are never multiplied,
//                   but where phases are so many that they become outputs of one convolution (fold_phases.h)
//   groups          a block of output channels lists only the planes its groups need; lanes of other groups weigh 0.
//                   With one input channel each the quads' bytes and f32 planes have kernels of their own (depthwise.h,
//                   depthwise_f32.h), which take most strides as steps from row to row
//   few channels    columns become channels first (fold_columns.h)
//   large strides   so do all taps where phases would be too many (fold_window.h)
// With many outputs, strides and small maps are better off with outputs in the lanes (oconv_blocks.h), which read the
// source at any step.
#include <algorithm>
#include <cmath>
#include <map>

#include "engine/compile/conv_blocks.h"
#include "engine/compile/depthwise.h"
#include "engine/compile/depthwise_f32.h"
#include "engine/compile/fold_phases.h"
#include "engine/compile/fold_window.h"
#include "engine/compile/lowering.h"
#include "engine/compile/oconv_blocks.h"
#include "engine/compile/phases.h"
#include "jit/kernels/phases.h"
#include "ops/conv_attrs.h"

namespace quadlane::compile {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
int64_t floor_mod(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

// What reading a plane at the taps' offsets needs around its pixels, for an output of oh x ow pixels.
struct Reach {
  int left = 0, right = 0, top = 0, bottom = 0;
  void cover(int64_t dy, int64_t dx, int64_t h, int64_t w, int64_t oh, int64_t ow) {
    auto widen = [](int& extent, int64_t need) { extent = std::max(extent, static_cast<int>(need)); };
    widen(left, -dx);
    widen(right, ow - 1 + dx - (w - 1));
    widen(top, -dy);
    widen(bottom, oh - 1 + dy - (h - 1));
  }
  bool any() const { return left > 0 || right > 0 || top > 0 || bottom > 0; }
};

// What a lane's padding must hold: any byte (or float) that the clamp turns into z.
PadRange padding_for(const ConvOperands& op, int64_t channel) {
  const double z = op.z_at(channel);
  PadRange range{z, z};
  if (op.lo && op.lo_at(channel) >= z)
    range.lo = op.is_u8() ? 0 : -static_cast<double>(std::numeric_limits<float>::max());
  if (op.hi && op.hi_at(channel) <= z)
    range.hi = op.is_u8() ? 255 : static_cast<double>(std::numeric_limits<float>::max());
  return range;
}

bool demand_padding(Layouts& layouts, const PlanarValue& x, const ConvOperands& op) {
  bool all = true;
  for (const PlaneRef& p : x.planes)
    for (int lane = 0; lane < x.lanes(); ++lane)
      if (int32_t c = p.channels[static_cast<size_t>(lane)]; c >= 0)
        all &= layouts.demand(p.buffer, p.index, lane, padding_for(op, c));
  return all;
}

// Whether every plane of x is padded with the zero point that `zero` holds at run time.
bool padded_with(const Layouts& layouts, const PlanarValue& x, ValueId zero) {
  return std::all_of(x.planes.begin(), x.planes.end(), [&](const PlaneRef& p) {
    const RunTimePadding* padding = layouts.run_time_padding(p.buffer);
    return padding && padding->zero == static_cast<uint32_t>(zero);
  });
}

// Sections of a strided convolution: one for each phase that some tap reads.
std::vector<ConvSection> strided_sections(const ConvAttrs& a) {
  std::map<std::pair<int64_t, int64_t>, ConvSection> phases;
  for (int64_t i = 0; i < a.kernel[0]; ++i)
    for (int64_t j = 0; j < a.kernel[1]; ++j) {
      const int64_t y = i * a.dilations[0] - a.pad_begin(0), x = j * a.dilations[1] - a.pad_begin(1);
      const int64_t py = floor_mod(y, a.strides[0]), px = floor_mod(x, a.strides[1]);
      ConvSection& section = phases[{py, px}];
      section.py = static_cast<int>(py), section.px = static_cast<int>(px);
      section.taps.push_back(
          {static_cast<int>(i), static_cast<int>(j), floor_div(y, a.strides[0]), floor_div(x, a.strides[1])});
    }
  std::vector<ConvSection> sections;
  for (auto& [place, section] : phases) sections.push_back(std::move(section));
  return sections;
}

// All taps at their place in the input, for kernels to which a stride is a step.
std::vector<ConvSection> whole_section(const ConvAttrs& a) {
  ConvSection section{0, 0, {}};
  for (int64_t i = 0; i < a.kernel[0]; ++i)
    for (int64_t j = 0; j < a.kernel[1]; ++j)
      section.taps.push_back({static_cast<int>(i), static_cast<int>(j), i * a.dilations[0] - a.pad_begin(0),
                              j * a.dilations[1] - a.pad_begin(1)});
  return {section};
}

// All taps of a transposed convolution, as OconvProblem counts them.
std::vector<ConvSection> transposed_section(const ConvAttrs& a) {
  ConvSection section{0, 0, {}};
  for (int64_t i = 0; i < a.kernel[0]; ++i)
    for (int64_t j = 0; j < a.kernel[1]; ++j)
      section.taps.push_back({static_cast<int>(i), static_cast<int>(j), a.pad_begin(0) - i * a.dilations[0],
                              a.pad_begin(1) - j * a.dilations[1]});
  return {section};
}

// The taps of output phase (ry, rx) of a transposed convolution.
std::vector<ConvTap> transposed_taps(const ConvAttrs& a, int64_t ry, int64_t rx) {
  std::vector<ConvTap> taps;
  for (int64_t i = 0; i < a.kernel[0]; ++i)
    for (int64_t j = 0; j < a.kernel[1]; ++j) {
      const int64_t y = ry + a.pad_begin(0) - i * a.dilations[0], x = rx + a.pad_begin(1) - j * a.dilations[1];
      if (floor_mod(y, a.strides[0]) != 0 || floor_mod(x, a.strides[1]) != 0) continue;
      taps.push_back({static_cast<int>(i), static_cast<int>(j), y / a.strides[0], x / a.strides[1]});
    }
  if (taps.empty()) taps.push_back({-1, -1, 0, 0});  // a phase no tap reaches: the bias alone, by a tap of weight 0
  return taps;
}

// Whether kernels to which a stride is a step compute it: then no phases are made. With few planes the folded columns
// (fold_columns.h) spend fewer products on holes.
bool steps_over_input(const Lowering& l, const ConvOperands& op, const ConvAttrs& attrs, const PlanarValue& x,
                      int64_t outputs) {
  constexpr size_t kLeastPlanes = 4;
  return x.planes.size() >= kLeastPlanes && oconv_refusal(l, op, whole_section(attrs), outputs).ok();
}

// x with room for the reach, whose padding holds what the convolution reads as zero: itself, or a copy.
PlanarValue padded_source(Lowering& l, const std::string& name, PlanarValue x, const ConvOperands& op,
                          const Reach& reach) {
  if (reach.any() && !op.input_scale && !demand_padding(l.layouts, x, op)) {
    x = private_copy(l, name, x, "its padding cannot hold what this convolution reads as zero");
    demand_padding(l.layouts, x, op);
  }
  l.layouts.require(x.layout, std::max(reach.left, reach.right), reach.top, reach.bottom);
  return x;
}

// The residual in planes exactly like the output's: same quads, same geometry.
Result<std::optional<PlanarValue>> residual_of(Lowering& l, const Node& node, const PlanarValue& out) {
  if (node.input(7) == kNoValue) return std::optional<PlanarValue>();
  QL_TRY(auto residual, planes_like(l, node.input(7), out));
  if (residual) l.layouts.same_geometry(residual->layout, out.layout);
  return residual;
}

// `result` is the node's own, or that of the table behind it.
run::StepInfo conv_info(const Lowering& l, const Node& node, const ConvOperands& op, ValueId result) {
  run::StepInfo info = make_info(node);
  info.int8 = op.is_u8();
  if (result != node.output())
    info.note = cat("with the table of '", l.graph.at(l.graph.at(result).producer).name, "'");
  return info;
}

double macs(const Shape& out, const Shape& w, int64_t pixels_of) {
  return static_cast<double>(out[0]) * static_cast<double>(pixels_of) * static_cast<double>(elements(w));
}

}  // namespace

Result<Verdict> lower_conv(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out_shape = l.shape(node.output());
  QL_TRY(auto operands, ConvOperands::read(l.graph, node, /*transposed=*/false));
  if (!operands) return declined("weights, bias or scales are not constants");
  if (elements(in) == 0 || elements(out_shape) == 0) return declined("an input or result without elements");
  ConvOperands op = std::move(*operands);
  const ValueId result = op.take_table(l, node.output());
  QL_TRY(auto x_planes, l.planar(node.input(0)));
  if (!x_planes) return declined("the input has no planes (4-dimensional u8 or f32 only)");
  QL_TRY(ConvAttrs attrs, conv_attrs(node, in, op.w->shape()));
  std::vector<ConvSection> sections = strided_sections(attrs);
  const size_t parts = static_cast<size_t>(op.weight_parts());
  if (parts > kMaxConvSections) return declined(cat(parts, " parts of weights, the kernel takes ", kMaxConvSections));
  PlanarValue x = *x_planes;
  const bool strided = attrs.strides[0] > 1 || attrs.strides[1] > 1;
  std::vector<PlanarValue> phases;
  const int64_t ph = (in[2] + attrs.strides[0] - 1) / attrs.strides[0],
                pw = (in[3] + attrs.strides[1] - 1) / attrs.strides[1];
  Reach reach;
  for (const ConvSection& section : sections)
    for (const ConvTap& tap : section.taps) reach.cover(tap.dy, tap.dx, ph, pw, out_shape[2], out_shape[3]);
  const ValueId x_zero = node.input(9);
  if (x_zero != kNoValue) {
    if (reach.any() && !padded_with(l.layouts, x, x_zero))
      return declined("its padding is not the zero point that is found out at run time");
    QL_TRY(DenseRef scale, l.dense(node.input(8)));
    QL_TRY(DenseRef zero, l.dense(x_zero));
    op.input_scale = RunTimeScale{scale, zero};
  }
  const bool direct = strided && steps_over_input(l, op, attrs, x, out_shape[1]);
  const bool added = node.input(7) != kNoValue;
  DepthwiseWalk walk = depthwise_walk(attrs);
  if (parts > 1 || !is_depthwise(op, {x}, whole_section(attrs), walk, added)) walk = {};
  const bool depthwise_f32 = is_depthwise_f32(l, op, attrs);
  const bool by_rows = walk.pixels > 0 || depthwise_f32;
  const bool by_taps =
      !direct && !by_rows && strided && (sections.size() * parts > kMaxConvSections || attrs.strides[1] > kMaxPhases);
  if (by_taps)
    if (Status s = window_refusal(op, attrs, x, in); !s.ok()) return declined(s.error().text());
  std::shared_ptr<const std::deque<Tensor>> folded_tensors;
  auto take = [&](FoldedConv folded) {
    op = std::move(folded.op);
    phases = std::move(folded.phases);
    sections = std::move(folded.sections);
    folded_tensors = std::move(folded.tensors);
  };
  if (by_taps) {
    take(fold_window(l, node.name, op, attrs, x, in, l.layouts.add(out_shape[0], out_shape[2], out_shape[3])));
  } else if (direct || by_rows) {
    sections = whole_section(attrs);
    if (by_rows || !padding_is_zero(op)) {
      Reach whole;
      for (const ConvTap& tap : sections[0].taps)
        whole.cover(tap.dy, tap.dx, in[2], in[3], (out_shape[2] - 1) * attrs.strides[0] + 1,
                    (out_shape[3] - 1) * attrs.strides[1] + 1);
      x = padded_source(l, node.name, x, op, whole);
    }
    phases.push_back(x);
  } else if (strided) {
    LayoutId layout = l.layouts.add(in[0], ph, pw);
    phases = split_phases(l, node.name, x, in, attrs.strides, sections, layout);
    if (!op.input_scale)
      for (const PlanarValue& phase : phases) demand_padding(l.layouts, phase, op);
    l.layouts.require(layout, std::max(reach.left, reach.right), reach.top, reach.bottom);
  } else {
    // A phase of stride 1 may also lack rows or columns that belong to no output: harmless, they are simply not read.
    x = padded_source(l, node.name, x, op, reach);
    phases.push_back(x);
  }
  if (!direct && !by_rows && !by_taps && worth_folding(op, attrs, phases[0].planes.size())) {
    const Geometry extents{static_cast<int>(in[0]), static_cast<int>(ph), static_cast<int>(out_shape[3])};
    take(fold_columns(l, node.name, op, attrs, extents, phases, sections));
    for (const PlanarValue& phase : phases) demand_padding(l.layouts, phase, op);
    l.layouts.require(phases[0].layout, 0, reach.top, reach.bottom);
  }
  add_weight_parts(op, sections, phases);
  LayoutId out_layout = l.layouts.add(out_shape[0], out_shape[2], out_shape[3]);
  if (!direct && !by_rows) l.layouts.same_pitch(out_layout, phases[0].layout);
  const bool depthwise = !direct && is_depthwise(op, phases, sections, walk, added);
  PlanarValue out = depthwise ? depthwise_result(l, op, x, out_layout)
                              : l.layouts.fresh(l.dtype(node.output()), out_layout, out_shape[1]);
  QL_TRY(auto residual, residual_of(l, node, out));
  if (added && !residual) return make_error(Code::internal, "the residual has no planes");
  l.define(result, out);

  run::StepInfo info = conv_info(l, node, op, result);
  info.gmac = info.gmac_executed = macs(out_shape, op.w->shape(), out_shape[2] * out_shape[3]) * 1e-9;
  l.emit([=, &l, tensors = std::move(folded_tensors)](Emitter& e) -> Status {  // op points to them
    const PlanarValue* other = residual ? &*residual : nullptr;
    if (depthwise) return emit_depthwise(l, e, info, op, phases, sections, walk, out, other);
    if (depthwise_f32) return emit_depthwise_f32(l, e, info, op, attrs, sections, phases[0], out, other);
    if (!direct) return emit_conv(l, e, info, op, phases, sections, out, other);
    const OconvProblem problem{
        phases, sections,           static_cast<int>(attrs.strides[0]), static_cast<int>(attrs.strides[1]), 1,
        1,      padding_is_zero(op)};
    QL_TRY(OconvSchedule schedule, oconv_schedule(l, e, op, problem, out, other != nullptr));
    return emit_oconv(l, e, info, op, problem, schedule, out, other);
  });
  return Verdict{};
}

namespace {

// A transposed convolution whose kernels write all phases of the result.
Verdict lower_transposed_direct(Lowering& l, run::StepInfo info, const ConvOperands& op, OconvProblem problem,
                                ValueId result) {
  const Shape& shape = l.shape(result);
  const PlanarValue out = l.layouts.fresh(l.dtype(result), l.layouts.add(shape[0], shape[2], shape[3]), shape[1]);
  l.define(result, out);
  l.emit([=, &l](Emitter& e) -> Status {
    QL_TRY(OconvSchedule schedule, oconv_schedule(l, e, op, problem, out, false));
    return emit_oconv(l, e, info, op, problem, schedule, out, nullptr);
  });
  return Verdict{};
}

}  // namespace

Result<Verdict> lower_conv_transpose(Lowering& l, const Node& node) {
  const Shape &in = l.shape(node.input(0)), &out_shape = l.shape(node.output());
  QL_TRY(auto operands, ConvOperands::read(l.graph, node, /*transposed=*/true));
  if (!operands) return declined("weights, bias or scales are not constants");
  if (elements(in) == 0 || elements(out_shape) == 0) return declined("an input or result without elements");
  ConvOperands op = std::move(*operands);
  const ValueId result = op.take_table(l, node.output());
  QL_TRY(auto x_planes, l.planar(node.input(0)));
  if (!x_planes) return declined("the input has no planes (4-dimensional u8 or f32 only)");
  QL_TRY(ConvAttrs attrs, conv_transpose_attrs(node, in, op.w->shape()));
  if (const int parts = op.weight_parts(); parts > kMaxConvSections)
    return declined(cat(parts, " parts of weights, the kernel takes ", kMaxConvSections));

  const int64_t sh = attrs.strides[0], sw = attrs.strides[1];
  const std::vector<ConvSection> whole = transposed_section(attrs);
  const bool direct = oconv_refusal(l, op, whole, out_shape[1], sh, sw).ok();
  std::optional<InterleaveSteps> steps;  // where all phases are one convolution
  if (!direct && sh * sw > kMostConvolutions) {
    auto found = phase_steps(op, attrs);
    if (!found.ok() && std::max(sh, sw) > kMaxPhases) return declined(found.error().text());
    if (found.ok()) steps = *found;
  }
  const int64_t oh = (out_shape[2] + sh - 1) / sh, ow = (out_shape[3] + sw - 1) / sw;  // of a phase
  std::vector<std::vector<ConvTap>> taps;
  Reach reach;
  for (int64_t ry = 0; ry < sh; ++ry)
    for (int64_t rx = 0; rx < sw; ++rx) {
      taps.push_back(transposed_taps(attrs, ry, rx));
      for (const ConvTap& tap : taps.back()) reach.cover(tap.dy, tap.dx, in[2], in[3], oh, ow);
    }
  const double real = macs(out_shape, op.w->shape(), in[2] * in[3]) * 1e-9;  // every input pixel meets every tap
  const PlanarValue x = direct && padding_is_zero(op) ? *x_planes : padded_source(l, node.name, *x_planes, op, reach);
  if (direct) {
    OconvProblem problem{{x}, whole, 1, 1, static_cast<int>(sh), static_cast<int>(sw), padding_is_zero(op)};
    add_weight_parts(op, problem.sections, problem.sources);
    run::StepInfo info = conv_info(l, node, op, result);
    info.gmac = info.gmac_executed = real;
    return lower_transposed_direct(l, std::move(info), op, std::move(problem), result);
  }
  PlanarValue out =
      l.layouts.fresh(l.dtype(result), l.layouts.add(out_shape[0], out_shape[2], out_shape[3]), out_shape[1]);
  l.define(result, out);
  if (steps) {
    run::StepInfo info = conv_info(l, node, op, result);
    info.gmac = real;
    emit_folded_phases(l, node, std::move(info), op, taps, x, {out_shape[0], oh, ow}, out, attrs.strides, *steps);
    return Verdict{};
  }
  const LayoutId phase_layout = l.layouts.add(out_shape[0], oh, ow);
  l.layouts.same_pitch(phase_layout, x.layout);
  std::vector<PlanarValue> results;
  for (size_t i = 0; i < taps.size(); ++i) {
    results.push_back(l.layouts.fresh(l.dtype(result), phase_layout, out_shape[1]));
    run::StepInfo info = conv_info(l, node, op, result);
    info.name += cat(".phase", i);
    info.gmac = real / static_cast<double>(taps.size());
    info.gmac_executed =
        macs(out_shape, {out_shape[1], op.w->shape()[0] / attrs.group, static_cast<int64_t>(taps[i].size())}, oh * ow) *
        1e-9;
    PlanarValue phase = results.back();
    std::vector<ConvSection> sections{{0, 0, taps[i]}};
    std::vector<PlanarValue> sources{x};
    add_weight_parts(op, sections, sources);
    l.emit([=, &l](Emitter& e) { return emit_conv(l, e, info, op, sources, sections, phase, nullptr); });
  }
  emit_interleave(l, node, results, out, sh, sw);
  return Verdict{};
}

}  // namespace quadlane::compile
