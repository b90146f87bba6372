#include "engine/compile/depthwise.h"

#include <algorithm>

#include "engine/run/conv_step.h"
#include "engine/run/oconv_step.h"
#include "jit/kernels/depthwise.h"

namespace quadlane::compile {
namespace {

constexpr int64_t kAnyPitch = 1 << 16;  // more than the taps of a row reach over

// Where the bytes of a result plane come from.
struct Source {
  uint32_t plane = 0;                       // in the phases' lists
  std::array<int, 4> lanes = {0, 1, 2, 3};  // its byte for each byte of the result; holes read any
};

// The source plane with the channels of these outputs (-1: none); nullopt when they lie in several.
std::optional<Source> source_of(const ConvOperands& op, const PlanarValue& x, const std::array<int32_t, 4>& outputs) {
  const int64_t multiplier = op.outputs / op.inputs;
  for (uint32_t p = 0; p < x.planes.size(); ++p) {
    Source source{p, {0, 1, 2, 3}};
    bool all = true;
    for (size_t j = 0; j < 4 && all; ++j) {
      if (outputs[j] < 0) continue;
      const auto& channels = x.planes[p].channels;
      const auto at = std::find(channels.begin(), channels.end(), outputs[j] / multiplier);
      all = at != channels.end();
      source.lanes[j] = all ? static_cast<int>(at - channels.begin()) : 0;
    }
    if (all) return source;
  }
  return std::nullopt;
}

std::array<int32_t, 4> outputs_of_quad(int64_t first, int64_t outputs) {
  std::array<int32_t, 4> quad;
  for (int64_t j = 0; j < 4; ++j)
    quad[static_cast<size_t>(j)] = first + j < outputs ? static_cast<int32_t>(first + j) : -1;
  return quad;
}

bool in_order(const PlanarValue& x, int64_t channels) {
  for (size_t p = 0; p < x.planes.size(); ++p)
    if (x.planes[p].channels != outputs_of_quad(4 * static_cast<int64_t>(p), channels)) return false;
  return true;
}

DepthwiseChannels channels_of(const ConvOperands& op, const std::vector<ConvSection>& sections, const PlaneRef& result,
                              const PlaneRef& source) {
  DepthwiseChannels c;
  for (size_t j = 0; j < 4; ++j) {
    if (const int32_t o = result.channels[j]; o >= 0) {
      c.bias[j] = static_cast<int32_t>(folded_bias(op, o, sections));
      c.mult[j] = static_cast<float>(element_as_double(op.mult->view(), o));
      c.slope[j] = static_cast<float>(op.slope_at(o));
    }
    if (const int32_t i = source.channels[j]; i >= 0) {
      if (op.lo) c.clamp_lo[j] = static_cast<uint8_t>(op.lo_at(i));
      if (op.hi) c.clamp_hi[j] = static_cast<uint8_t>(op.hi_at(i));
    }
  }
  return c;
}

struct BuiltBlock {
  size_t weights;
  uint32_t source;
  KernelId kernel;
};

// The block of result plane `i`; its source planes are appended to the step's.
template <class Step>
typename Step::Block made_block(Step& step, const Addresses& a, const std::vector<PlanarValue>& phases,
                                const BuiltBlock& built, uint32_t i) {
  typename Step::Block block{};
  block.weights = built.weights;
  block.first_src = static_cast<uint32_t>(step.src_planes.size());
  block.first_dst = i;
  for (const PlanarValue& phase : phases) step.src_planes.push_back(a.plane(phase.planes[built.source]));
  std::fill_n(block.section_planes, phases.size(), 1);
  block.kernels = {a.kernel(built.kernel)};
  return block;
}

}  // namespace

DepthwiseWalk depthwise_walk(const ConvAttrs& a) {
  const bool strided = a.strides[0] > 1 || a.strides[1] > 1;
  if (!strided || a.strides[1] > 2 || a.dilations[1] > 1) return {};
  return {static_cast<int>(a.strides[0]), static_cast<int>(a.strides[1])};
}

bool is_depthwise(const ConvOperands& op, const std::vector<PlanarValue>& phases,
                  const std::vector<ConvSection>& sections, DepthwiseWalk walk, bool residual) {
  if (op.transposed || op.w->dtype() != DType::s8 || op.dst != DType::u8 || op.input_scale || op.shift) return false;
  if (op.group != op.inputs || op.group == 1) return false;
  DepthwiseSpec spec;
  spec.isa = Isa::avx2;
  spec.step = walk.pixels, spec.w = 1;
  for (const ConvSection& section : sections) {  // neighbours in a row share a group; the pitch is not known yet
    std::vector<int64_t>& taps = spec.taps.emplace_back();
    for (const ConvTap& tap : section.taps) taps.push_back((tap.dy * kAnyPitch + tap.dx) * kPixelBytes);
  }
  if (!check(spec).ok()) return false;
  const PlanarValue& x = phases[0];
  if (op.outputs == op.inputs) return !residual || in_order(x, op.inputs);
  for (int64_t o = 0; o < op.outputs; o += 4)
    if (!source_of(op, x, outputs_of_quad(o, op.outputs))) return false;
  return true;
}

PlanarValue depthwise_result(Lowering& l, const ConvOperands& op, const PlanarValue& x, LayoutId layout) {
  return op.outputs == op.inputs ? l.layouts.fresh_like(x, layout) : l.layouts.fresh(op.dst, layout, op.outputs);
}

Status emit_depthwise(Lowering& l, Emitter& e, run::StepInfo info, const ConvOperands& op,
                      const std::vector<PlanarValue>& phases, const std::vector<ConvSection>& sections,
                      DepthwiseWalk walk, const PlanarValue& out, const PlanarValue* residual) {
  const Geometry &src = e.geometry(phases[0]), &dst = e.geometry(out);
  const bool flattened = walk.pixels == 0;
  if (flattened && src.pitch != dst.pitch)
    return make_error(Code::internal, "pitch ", src.pitch, " in, ", dst.pitch, " out");
  DepthwiseSpec spec;
  spec.isa = l.isa;
  if (!flattened) spec.step = walk.pixels, spec.w = dst.w;
  spec.vbmi = spec.step == 2 && l.permutes_bytes();
  for (const ConvSection& section : sections) {
    std::vector<int64_t> taps;
    for (const ConvTap& tap : section.taps) taps.push_back((tap.dy * src.pitch + tap.dx) * kPixelBytes);
    spec.taps.push_back(std::move(taps));
  }
  spec.clamp_lo = op.lo != nullptr;
  spec.clamp_hi = op.hi != nullptr;
  spec.residual = residual != nullptr;
  spec.slope = op.slope != nullptr;
  spec.table = !op.table.empty();
  const ConvEpilogue epilogue = epilogue_of(op);
  spec.rounding = rounding_of(op);

  std::vector<BuiltBlock> blocks;
  for (const PlaneRef& plane : out.planes) {
    const auto source = source_of(op, phases[0], plane.channels);
    if (!source) return make_error(Code::internal, "a depthwise result of several source planes");
    spec.lanes = source->lanes;
    const auto packed = pack_depthwise(
        spec, channels_of(op, sections, plane, phases[0].planes[source->plane]),
        [&](int byte, int section, int tap) {
          const int32_t o = plane.channels[static_cast<size_t>(byte)];
          const ConvTap& t = sections[static_cast<size_t>(section)].taps[static_cast<size_t>(tap)];
          return static_cast<int8_t>(o < 0 ? 0 : op.weight(o, o / (op.outputs / op.inputs), t.i, t.j));
        },
        op.table);
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    blocks.push_back({e.constant(packed), source->plane, kernel});
    info.bytes_read += static_cast<int64_t>(packed.size());
  }
  info.kernel = describe(spec);
  int64_t products = 0;  // a dword holds four taps
  for (const auto& taps : spec.taps) products += (static_cast<int64_t>(taps.size()) + 3) / 4 * 4;
  const int64_t vectors = flattened ? dst.vectors() : dst.h * ((dst.w + kVectorPixels - 1) / kVectorPixels);
  info.gmac_lanes =
      1e-9 * static_cast<double>(dst.n * vectors * kVectorPixels * products) * static_cast<double>(4 * blocks.size());
  info.bytes_written = e.pixel_bytes(out);
  std::vector<BufferId> touched = buffers_of({&out});
  std::vector<const PlanarValue*> sources;
  for (const PlanarValue& phase : phases) sources.push_back(&phase);
  if (residual) sources.push_back(residual);
  for (const PlanarValue* value : sources) {
    info.bytes_read += e.pixel_bytes(*value);
    for (BufferId id : buffers_of({value})) touched.push_back(id);
  }
  const size_t lanes = flattened ? e.lanes(dst) : 0;
  std::optional<PlanarValue> residual_planes;
  if (residual) residual_planes = *residual;
  e.step(std::move(info), std::move(touched), [=, &l](const Addresses& a) -> std::unique_ptr<run::Step> {
    const Geometry &from = l.layouts.geometry(phases[0].layout), &to = l.layouts.geometry(out.layout);
    auto fill = [&](auto& step) {
      step.src = from, step.dst = to;
      step.dst_planes = a.planes(out);
      step.dst_pads = a.pads(out);
      if (residual_planes) step.residual_planes = a.planes(*residual_planes);
      step.epilogue = epilogue;
      for (uint32_t i = 0; i < blocks.size(); ++i) step.blocks.push_back(made_block(step, a, phases, blocks[i], i));
    };
    if (!flattened) {
      auto s = std::make_unique<run::OconvStep>();
      s->stride_y = walk.rows, s->stride_x = walk.pixels;
      s->first_columns = {0};
      s->kinds.assign(static_cast<size_t>(to.h), 0);
      s->band_rows = to.h;  // every block reads planes of its own
      fill(*s);
      return s;
    }
    auto s = std::make_unique<run::ConvStep>();
    s->lanes = lanes;
    s->pv = 1;
    s->band_tiles = to.vectors();
    fill(*s);
    return s;
  });
  return {};
}

}  // namespace quadlane::compile
