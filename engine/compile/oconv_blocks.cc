#include "engine/compile/oconv_blocks.h"

#include <algorithm>

#include "engine/run/oconv_step.h"

namespace quadlane::compile {
namespace {

// A vector of outputs that is less than this full is better spent on pixels.
constexpr double kLeastFull = 0.75;
constexpr size_t kMaxKinds = 256;  // of OconvStep::kinds

// Where every tile lies and which taps it reads: the parts of a spec that differ between tiles.
struct Tiling {
  struct Kind {
    int rows, columns;
    std::vector<std::vector<OconvTap>> taps;
    bool operator==(const Kind&) const = default;
  };
  std::vector<int> first_columns;
  std::vector<uint8_t> kinds;  // [tile row][segment]
  std::vector<Kind> distinct;
};

// The spec without tile, outputs and taps' pixels.
OconvSpec base_spec(const Lowering& l, const Emitter& e, const ConvOperands& op, const OconvProblem& p,
                    const PlanarValue& out, bool residual) {
  const Geometry &src = e.geometry(p.sources[0]), &dst = e.geometry(out);
  OconvSpec spec;
  spec.isa = l.isa;
  spec.src = p.sources[0].dtype;
  spec.dst = out.dtype;
  spec.src_pixel = p.stride_x * kPixelBytes;
  spec.src_row = int64_t{src.pitch} * p.stride_y * kPixelBytes;
  spec.dst_row = int64_t{dst.pitch} * kPixelBytes;
  for (const ConvSection& section : p.sections) {
    std::vector<OconvTap> taps;
    for (const ConvTap& tap : section.taps) taps.push_back({(tap.dy * src.pitch + tap.dx) * kPixelBytes, ~uint32_t{0}});
    spec.taps.push_back(std::move(taps));
  }
  spec.clamp_lo = op.lo != nullptr;
  spec.clamp_hi = op.hi != nullptr;
  spec.shift = op.shift != nullptr;
  if (residual) spec.residual = spec.dst == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
  if (spec.dst == DType::f32) spec.act = activation_of(op.attrs);
  spec.v_clamp_hi = conversion_needs_clamp(op);
  return spec;
}

// Bit r * columns + c: pixel (y0 + r, x0 + c) reads the tap inside the image.
uint32_t pixels_inside(const OconvProblem& p, const Geometry& src, const ConvTap& tap, int y0, int x0, int rows,
                       int columns) {
  uint32_t pixels = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const int64_t y = int64_t{y0 + r} * p.stride_y + tap.dy, x = int64_t{x0 + c} * p.stride_x + tap.dx;
      if (!p.skips_padding || (y >= 0 && y < src.h && x >= 0 && x < src.w)) pixels |= 1u << (r * columns + c);
    }
  return pixels;
}

// Share of a tap's reads along one axis that are inside.
double inside(int64_t offset, int64_t stride, int64_t outputs, int64_t inputs) {
  int64_t count = 0;
  for (int64_t i = 0; i < outputs; ++i) count += i * stride + offset >= 0 && i * stride + offset < inputs;
  return static_cast<double>(count) / static_cast<double>(outputs);
}

OconvExtent extent_of(const Emitter& e, const ConvOperands& op, const OconvProblem& p, const PlanarValue& out) {
  const Geometry &src = e.geometry(p.sources[0]), &dst = e.geometry(out);
  OconvExtent extent{op.outputs, dst.h, dst.w, {}, 1};
  double reads = 0, taps = 0;
  for (size_t s = 0; s < p.sections.size(); ++s) {
    extent.section_planes.push_back(static_cast<int64_t>(p.sources[s].planes.size()));
    for (const ConvTap& tap : p.sections[s].taps) {
      taps += 1;
      reads += inside(tap.dy, p.stride_y, dst.h, src.h) * inside(tap.dx, p.stride_x, dst.w, src.w);
    }
  }
  if (p.skips_padding) extent.inside = reads / taps;
  return extent;
}

// What the dots multiply, lanes without an output or a channel included.
double lane_gmac(const OconvSpec& spec, const OconvExtent& extent, int images) {
  const int64_t lanes = (extent.outputs + kVectorPixels - 1) / kVectorPixels * kVectorPixels;
  double products = 0;
  for (size_t s = 0; s < spec.taps.size(); ++s)
    products += static_cast<double>(extent.section_planes[s]) * static_cast<double>(spec.taps[s].size());
  return 1e-9 * products * (spec.src == DType::u8 ? 4 : 1) * extent.inside *
         static_cast<double>(extent.h * extent.w * images * lanes);
}

Result<Tiling> tile(const OconvSpec& base, const OconvProblem& p, const Geometry& src, const Geometry& dst,
                    const OconvSchedule& schedule) {
  Tiling t;
  const int segments = (dst.w + schedule.columns - 1) / schedule.columns;
  for (int s = 0; s < segments; ++s) t.first_columns.push_back(dst.w * s / segments);
  for (int y = 0; y < dst.h; y += schedule.rows)
    for (int s = 0; s < segments; ++s) {
      const int x = t.first_columns[static_cast<size_t>(s)];
      Tiling::Kind kind{std::min(schedule.rows, dst.h - y), dst.w * (s + 1) / segments - x, base.taps};
      for (size_t i = 0; i < kind.taps.size(); ++i)
        for (size_t j = 0; j < kind.taps[i].size(); ++j)
          kind.taps[i][j].pixels = pixels_inside(p, src, p.sections[i].taps[j], y, x, kind.rows, kind.columns);
      const auto at = std::find(t.distinct.begin(), t.distinct.end(), kind);
      t.kinds.push_back(static_cast<uint8_t>(at - t.distinct.begin()));
      if (at == t.distinct.end()) t.distinct.push_back(std::move(kind));
      if (t.distinct.size() > kMaxKinds)
        return make_error(Code::internal, "more than ", kMaxKinds, " kinds of tiles in ", describe(dst));
    }
  return t;
}

std::vector<std::byte> pack(const ConvOperands& op, const OconvSpec& spec, const OconvProblem& p,
                            const BlockPlanes& planes, int64_t first) {
  auto weight = [&](int o, int s, int64_t plane, int tap, int channel) {
    return block_weight(op, p.sources, p.sections, planes, first, o, s, plane, tap, channel);
  };
  if (op.is_u8())
    return pack_oconv_weights(spec, planes.counts(), ConvWeightS8([&](int o, int s, int64_t i, int t, int c) {
                                return static_cast<int8_t>(weight(o, s, i, t, c));
                              }));
  return pack_oconv_weights(spec, planes.counts(), ConvWeightF32([&](int o, int s, int64_t i, int t) {
                              return static_cast<float>(weight(o, s, i, t, 0));
                            }));
}

struct BuiltBlock {
  run::OconvStep::Block block;
  BlockPlanes planes;
  std::vector<KernelId> kernels;  // of each kind
};

Result<BuiltBlock> build_block(Emitter& e, const ConvOperands& op, OconvSpec spec, const OconvProblem& p,
                               const Tiling& tiling, int64_t first, int64_t end) {
  BuiltBlock b;
  spec.outputs = static_cast<int>(end - first);
  b.planes = planes_for(op, p.sources, p.sections, first, end);
  const std::vector<int64_t> counts = b.planes.counts();
  std::copy(counts.begin(), counts.end(), b.block.section_planes);
  b.block.weights = e.constant(pack(op, spec, p, b.planes, first));
  const BlockConstants constants =
      block_constants(e, op, p.sources, p.sections, b.planes, first, end, spec.vectors() * kVectorPixels);
  b.block.bias = constants.bias;
  b.block.mult = constants.mult;
  b.block.shift = constants.shift;
  b.block.clamp_lo = constants.clamp_lo;
  b.block.clamp_hi = constants.clamp_hi;
  b.block.first_dst = static_cast<uint32_t>(spec.dst == DType::u8 ? first / 4 : first);
  for (const Tiling::Kind& kind : tiling.distinct) {
    spec.rows = kind.rows;
    spec.columns = kind.columns;
    spec.taps = kind.taps;
    QL_TRY(KernelId id, e.kernel(describe(spec), [&] { return generate(spec); }));
    b.kernels.push_back(id);
  }
  return b;
}

}  // namespace

bool padding_is_zero(const ConvOperands& op) {
  if (op.lo || op.hi) return false;
  for (int64_t c = 0; c < op.inputs; ++c)
    if (op.z_at(c) != 0) return false;
  return true;
}

Status oconv_refusal(const Lowering& l, const ConvOperands& op, const std::vector<ConvSection>& sections,
                     int64_t outputs) {
  if (op.group != 1) return unsupported(op.group, " groups");
  if (op.input_scale) return unsupported("a scale that is known at run time");
  const int64_t lanes = (outputs + kVectorPixels - 1) / kVectorPixels * kVectorPixels;
  if (static_cast<double>(outputs) < kLeastFull * static_cast<double>(lanes))
    return unsupported(outputs, " outputs fill ", outputs, " of ", lanes, " lanes");
  OconvSpec spec;
  spec.isa = l.isa;
  for (const ConvSection& section : sections) spec.taps.emplace_back(section.taps.size());
  return check(spec);
}

Result<OconvSchedule> oconv_schedule(const Lowering& l, const Emitter& e, const ConvOperands& op,
                                     const OconvProblem& p, const PlanarValue& out, bool residual) {
  const OconvSpec spec = base_spec(l, e, op, p, out, residual);
  const std::vector<OconvSchedule> ranked = oconv_schedules(spec, extent_of(e, op, p, out), l.cpu);
  if (ranked.empty()) return unsupported("no schedule for ", describe(spec));
  return ranked[0];
}

Status emit_oconv(Lowering& l, Emitter& e, run::StepInfo info, const ConvOperands& op, const OconvProblem& p,
                  const OconvSchedule& schedule, const PlanarValue& out, const PlanarValue* residual) {
  const Geometry &src = e.geometry(p.sources[0]), &dst = e.geometry(out);
  OconvSpec spec = base_spec(l, e, op, p, out, residual != nullptr);
  QL_TRY(Tiling tiling, tile(spec, p, src, dst, schedule));
  std::vector<BuiltBlock> blocks;
  const int64_t step = int64_t{schedule.vectors} * kVectorPixels;
  for (int64_t o = 0; o < op.outputs; o += step) {
    QL_TRY(BuiltBlock block, build_block(e, op, spec, p, tiling, o, std::min(op.outputs, o + step)));
    blocks.push_back(std::move(block));
  }
  spec.rows = schedule.rows;
  spec.columns = schedule.columns;
  spec.outputs = static_cast<int>(std::min(step, op.outputs));
  info.kernel = describe(spec);
  std::vector<BufferId> touched = buffers_of({&out});
  auto touch = [&](const PlanarValue& value) {
    info.bytes_read += e.pixel_bytes(value);
    for (BufferId id : buffers_of({&value})) touched.push_back(id);
  };
  for (const PlanarValue& source : p.sources) touch(source);
  if (residual) touch(*residual);
  for (const BuiltBlock& b : blocks)
    for (size_t s = 0; s < p.sections.size(); ++s)
      info.bytes_read += b.planes.counts()[s] * static_cast<int64_t>(p.sections[s].taps.size()) * step * 4;
  info.bytes_written = e.pixel_bytes(out);
  info.gmac_lanes = lane_gmac(spec, extent_of(e, op, p, out), dst.n);
  info.bytes_filled = info.bytes_read + info.bytes_written;  // a band's pixels and a block's weights stay in L2

  // A band's pixels stay in half of the second-level cache while every block reads them.
  int64_t row_bytes = 0;
  for (const PlanarValue& source : p.sources)
    row_bytes += static_cast<int64_t>(source.planes.size()) * src.pitch * kPixelBytes * p.stride_y * schedule.rows;
  const int64_t band = std::max<int64_t>(1, l.cpu.l2_bytes / 2 / std::max<int64_t>(row_bytes, 1));
  std::optional<PlanarValue> added;
  if (residual) added = *residual;
  e.step(std::move(info), std::move(touched), [=, &l, epilogue = epilogue_of(op)](const Addresses& a) {
    auto s = std::make_unique<run::OconvStep>();
    s->src = l.layouts.geometry(p.sources[0].layout);
    s->dst = l.layouts.geometry(out.layout);
    s->dst_planes = a.planes(out);
    s->dst_pads = a.pads(out);
    if (added) s->residual_planes = a.planes(*added);
    s->epilogue = epilogue;
    s->stride_y = p.stride_y;
    s->stride_x = p.stride_x;
    s->tile_rows = schedule.rows;
    s->first_columns = tiling.first_columns;
    s->kinds = tiling.kinds;
    s->band_rows = band;
    for (const BuiltBlock& built : blocks) {
      run::OconvStep::Block block = built.block;
      block.first_src = static_cast<uint32_t>(s->src_planes.size());
      for (size_t section = 0; section < built.planes.of_section.size(); ++section)
        for (uint32_t i : built.planes.of_section[section])
          s->src_planes.push_back(a.plane(p.sources[section].planes[i]));
      for (KernelId id : built.kernels) block.kernels.push_back(a.kernel(id));
      s->blocks.push_back(std::move(block));
    }
    return s;
  });
  return {};
}

}  // namespace quadlane::compile
