#include "engine/compile/oconv_blocks.h"

#include <algorithm>

namespace quadlane::compile {
namespace {

// A vector of outputs that is less than this full is better spent on pixels.
constexpr double kLeastFull = 0.75;

// What the dots multiply, lanes without an output or a channel included.
double lane_gmac(const OconvSpec& spec, const OconvExtent& extent, int images) {
  const int64_t lanes = (extent.outputs + kVectorPixels - 1) / kVectorPixels * kVectorPixels;
  double products = 0;
  for (size_t s = 0; s < spec.taps.size(); ++s)
    products += static_cast<double>(extent.section_planes[s]) * static_cast<double>(spec.taps[s].size());
  return 1e-9 * products * (spec.src == DType::u8 ? 4 : 1) * extent.read *
         static_cast<double>(extent.h * extent.w * images * lanes);
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

// The taps that the pixels of one phase of a transposed convolution read.
std::vector<ConvSection> sections_of_phase(const OconvProblem& p, int row, int column) {
  std::vector<ConvSection> sections = p.sections;
  for (ConvSection& section : sections)
    std::erase_if(section.taps, [&](const ConvTap& tap) {
      return (row * p.stride_y + tap.dy) % p.up_y != 0 || (column * p.stride_x + tap.dx) % p.up_x != 0;
    });
  return sections;
}

// What the zero points take from the bias depends on the taps.
template <class T>
size_t bias_of_phases(Emitter& e, const ConvOperands& op, const OconvSpec& spec, const OconvProblem& p, int64_t first,
                      int64_t end) {
  const auto lanes = static_cast<size_t>(spec.vectors() * kVectorPixels);
  std::vector<T> bias(lanes * static_cast<size_t>(spec.phases()));
  for (int row = 0; row < p.up_y; ++row)
    for (int column = 0; column < p.up_x; ++column) {
      const std::vector<ConvSection> sections = sections_of_phase(p, row, column);
      T* to = bias.data() + lanes * static_cast<size_t>(spec.phase(row, column));
      for (int64_t o = first; o < end; ++o) to[o - first] = static_cast<T>(folded_bias(op, o, sections));
    }
  return e.constant(bias);
}

struct BuiltBlock {
  run::OconvStep::Block block;
  BlockPlanes planes;
  std::vector<KernelId> kernels;  // of each kind
};

Result<BuiltBlock> build_block(Emitter& e, const ConvOperands& op, OconvSpec spec, const OconvProblem& p,
                               const OconvTiling& tiling, int64_t first, int64_t end) {
  BuiltBlock b;
  spec.outputs = static_cast<int>(end - first);
  b.planes = planes_for(op, p.sources, p.sections, first, end);
  const std::vector<int64_t> counts = b.planes.counts();
  std::copy(counts.begin(), counts.end(), b.block.section_planes);
  b.block.weights = e.constant(pack(op, spec, p, b.planes, first));
  const BlockConstants constants =
      block_constants(e, op, p.sources, p.sections, b.planes, first, end, spec.vectors() * kVectorPixels);
  b.block.bias = spec.phases() == 1 ? constants.bias
                 : op.is_u8()       ? bias_of_phases<int32_t>(e, op, spec, p, first, end)
                                    : bias_of_phases<float>(e, op, spec, p, first, end);
  b.block.mult = constants.mult;
  b.block.shift = constants.shift;
  b.block.clamp_lo = constants.clamp_lo;
  b.block.clamp_hi = constants.clamp_hi;
  b.block.first_dst = static_cast<uint32_t>(spec.dst == DType::u8 ? first / 4 : first);
  for (const OconvTiling::Kind& kind : tiling.distinct) {
    kind.apply(spec);
    QL_TRY(KernelId id, e.kernel(describe(spec), [&] { return generate(spec); }));
    b.kernels.push_back(id);
  }
  return b;
}

}  // namespace

OconvSpec oconv_spec(const Lowering& l, const Emitter& e, const ConvOperands& op, const OconvProblem& p,
                     const PlanarValue& out, bool residual) {
  const Geometry &src = e.geometry(p.sources[0]), &dst = e.geometry(out);
  OconvSpec spec;
  spec.isa = l.isa;
  spec.src = p.sources[0].dtype;
  spec.dst = out.dtype;
  spec.src_pixel = p.stride_x * kPixelBytes;
  spec.src_row = int64_t{src.pitch} * p.stride_y * kPixelBytes;
  spec.dst_row = int64_t{dst.pitch} * kPixelBytes;
  spec.up_y = p.up_y, spec.up_x = p.up_x;
  spec.taps = oconv_taps(p, src);
  spec.clamp_lo = op.lo != nullptr;
  spec.clamp_hi = op.hi != nullptr;
  spec.shift = op.shift != nullptr;
  spec.slope = op.slope != nullptr;
  spec.table = !op.table.empty();
  if (residual) spec.residual = spec.dst == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
  spec.residual_zero = op.attrs.int_or("residual_zero", 0) != 0;
  if (spec.dst == DType::f32) spec.act = activation_of(op.attrs);
  if (spec.dst == DType::u8) spec.rounding = rounding_of(op);
  // Weights that do not stay in the second-level cache from one run to the next arrive too late for the hardware's
  // prefetchers, which stop at the end of a page.
  constexpr int kAhead = 8192;
  if (op.w->count() * (spec.src == DType::u8 ? 1 : 4) > l.cpu.l2_bytes / 8) spec.prefetch = kAhead;
  return spec;
}

bool padding_is_zero(const ConvOperands& op) {
  if (op.lo || op.hi) return false;
  for (int64_t c = 0; c < op.inputs; ++c)
    if (op.z_at(c) != 0) return false;
  return true;
}

Status oconv_refusal(const Lowering& l, const ConvOperands& op, const std::vector<ConvSection>& sections,
                     int64_t outputs, int64_t up_y, int64_t up_x) {
  if (op.group != 1) return unsupported(op.group, " groups");
  if (op.input_scale) return unsupported("a scale that is known at run time");
  const int64_t lanes = (outputs + kVectorPixels - 1) / kVectorPixels * kVectorPixels;
  if (static_cast<double>(outputs) < kLeastFull * static_cast<double>(lanes))
    return unsupported(outputs, " outputs fill ", outputs, " of ", lanes, " lanes");
  OconvSpec spec;
  spec.isa = l.isa;
  if (op.w->dtype() == DType::f32) spec.src = spec.dst = DType::f32;
  if (std::max(up_y, up_x) > kVectorPixels) return unsupported(up_y, " x ", up_x, " pixels of the result for one");
  spec.rows = spec.up_y = static_cast<int>(up_y), spec.columns = spec.up_x = static_cast<int>(up_x);
  spec.clamp_lo = op.lo != nullptr, spec.clamp_hi = op.hi != nullptr;
  spec.slope = op.slope != nullptr, spec.table = !op.table.empty();
  for (const ConvSection& section : sections) spec.taps.emplace_back(section.taps.size());
  return check(spec);
}

Result<OconvSchedule> oconv_schedule(Lowering& l, const Emitter& e, const ConvOperands& op, const OconvProblem& p,
                                     const PlanarValue& out, bool residual) {
  const Geometry &src = e.geometry(p.sources[0]), &dst = e.geometry(out);
  return l.tuner.choose(oconv_spec(l, e, op, p, out, residual), oconv_extent(p, op.outputs, src, dst), p, src, dst);
}

Status emit_oconv(Lowering& l, Emitter& e, run::StepInfo info, const ConvOperands& op, const OconvProblem& p,
                  const OconvSchedule& schedule, const PlanarValue& out, const PlanarValue* residual) {
  const Geometry &src = e.geometry(p.sources[0]), &dst = e.geometry(out);
  OconvSpec spec = oconv_spec(l, e, op, p, out, residual != nullptr);
  QL_TRY(OconvTiling tiling, oconv_tiling(p, schedule, src, dst));
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
  // Every tile reads its block's weights: from behind L1 again where they fill more than half of it.
  const int64_t tiles = dst.n * ((dst.h + spec.rows - 1) / spec.rows) * ((dst.w + spec.columns - 1) / spec.columns);
  int64_t filled_again = 0;
  for (const BuiltBlock& b : blocks) {
    int64_t weights = 0;
    for (size_t s = 0; s < p.sections.size(); ++s)
      weights += b.planes.counts()[s] * static_cast<int64_t>(p.sections[s].taps.size()) * step * 4;
    info.bytes_read += weights;
    if (2 * weights > l.cpu.l1d_bytes) filled_again += (tiles - 1) * weights;
  }
  info.bytes_written = e.pixel_bytes(out);
  info.gmac_lanes = lane_gmac(spec, oconv_extent(p, op.outputs, src, dst), dst.n);
  info.bytes_filled = info.bytes_read + info.bytes_written + filled_again;

  const int64_t band = oconv_band_rows(p, tiling, src, l.cpu);
  std::optional<PlanarValue> added;
  if (residual) added = *residual;
  e.step(std::move(info), std::move(touched), [=, &l, epilogue = epilogue_of(op)](const Addresses& a) {
    auto s = std::make_unique<run::OconvStep>();
    tiling.apply(*s, p, l.layouts.geometry(p.sources[0].layout), l.layouts.geometry(out.layout));
    s->dst_planes = a.planes(out);
    s->dst_pads = a.pads(out);
    if (added) s->residual_planes = a.planes(*added);
    s->epilogue = epilogue;
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
