#include "engine/compile/conv_blocks.h"

#include <algorithm>

#include "engine/compile/conv_work.h"
#include "engine/compile/oconv_blocks.h"
#include "engine/run/conv_step.h"
#include "jit/kernels/conv.h"

namespace quadlane::compile {
namespace {

std::vector<std::byte> pack(const ConvOperands& op, const ConvSpec& spec, const std::vector<PlanarValue>& phases,
                            const std::vector<ConvSection>& sections, const BlockPlanes& planes, int64_t first) {
  auto weight = [&](int o, int s, int64_t plane, int tap, int channel) {
    return block_weight(op, phases, sections, planes, first, o, s, plane, tap, channel);
  };
  if (op.is_u8())
    return pack_conv_weights(spec, planes.counts(), ConvWeightS8([&](int o, int s, int64_t p, int t, int c) {
                               return static_cast<int8_t>(weight(o, s, p, t, c));
                             }));
  return pack_conv_weights(spec, planes.counts(), ConvWeightF32([&](int o, int s, int64_t p, int t) {
                             return static_cast<float>(weight(o, s, p, t, 0));
                           }));
}

struct BuiltBlock {
  run::ConvStep::Block block;
  BlockPlanes planes;
  std::vector<KernelId> kernels;
};

Result<BuiltBlock> build_block(Emitter& e, const ConvOperands& op, ConvSpec spec,
                               const std::vector<PlanarValue>& phases, const std::vector<ConvSection>& sections,
                               int64_t vectors, int64_t first, int64_t end) {
  BuiltBlock b;
  spec.no = static_cast<int>(end - first);
  b.planes = planes_for(op, phases, sections, first, end);
  const std::vector<int64_t> counts = b.planes.counts();
  std::copy(counts.begin(), counts.end(), b.block.section_planes);
  b.block.weights = e.constant(pack(op, spec, phases, sections, b.planes, first));
  const BlockConstants constants = block_constants(e, op, phases, sections, b.planes, first, end, spec.no);
  b.block.bias = constants.bias;
  b.block.mult = constants.mult;
  b.block.shift = constants.shift;
  b.block.weight_sums = constants.weight_sums;
  b.block.clamp_lo = constants.clamp_lo;
  b.block.clamp_hi = constants.clamp_hi;
  b.block.outputs = spec.no;
  for (int pv = 1; pv <= spec.pv; ++pv) {
    // Only the whole tile and the remainders that can occur when threads share out whole tiles.
    const ConvSpec sized = with_vectors(spec, pv);
    if (pv != spec.pv && pv != vectors % spec.pv) {
      b.kernels.push_back(KernelId{SIZE_MAX});
      continue;
    }
    QL_TRY(KernelId id, e.kernel(describe(sized), [&] { return generate(sized); }));
    b.kernels.push_back(id);
  }
  return b;
}

}  // namespace

Status emit_conv(Lowering& l, Emitter& e, run::StepInfo info, const ConvOperands& op,
                 const std::vector<PlanarValue>& phases, const std::vector<ConvSection>& sections,
                 const PlanarValue& out, const PlanarValue* residual) {
  const Geometry &src = e.geometry(phases[0]), &dst = e.geometry(out);
  if (src.pitch != dst.pitch) return make_error(Code::internal, "pitch ", src.pitch, " in, ", dst.pitch, " out");
  ConvSpec spec;
  spec.isa = l.isa;
  spec.src = phases[0].dtype;
  spec.dst = out.dtype;
  for (const ConvSection& section : sections) {
    std::vector<int64_t> taps;
    for (const ConvTap& tap : section.taps) taps.push_back((tap.dy * src.pitch + tap.dx) * kPixelBytes);
    spec.taps.push_back(std::move(taps));
  }
  spec.clamp_lo = op.lo != nullptr;
  spec.clamp_hi = op.hi != nullptr;
  spec.shift = op.shift != nullptr;
  spec.slope = op.slope != nullptr;
  spec.table = !op.table.empty();
  spec.residual = !residual ? ConvResidual::none : residual->dtype == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
  spec.residual_zero = op.attrs.int_or("residual_zero", 0) != 0;
  spec.act = spec.dst == DType::f32 ? activation_of(op.attrs) : Activation::none;
  if (spec.dst == DType::u8) spec.rounding = rounding_of(op);

  const int64_t group_outputs = op.outputs / op.group;
  const int64_t quad = spec.dst == DType::u8 ? 4 : 1;  // blocks begin at planes
  const int64_t extent_outputs = op.group == 1 ? op.outputs : std::max(quad, group_outputs);
  ConvExtent extent{extent_outputs, dst.vectors(),
                    planes_for(op, phases, sections, 0, std::min(op.outputs, extent_outputs)).counts()};
  QL_TRY(ConvSchedule schedule, l.tuner.choose(spec, extent, src, dst));
  if (oconv_refusal(l, op, sections, op.outputs).ok()) {
    const OconvProblem problem{phases, sections, 1, 1, 1, 1, padding_is_zero(op)};
    const OconvSpec lanes = oconv_spec(l, e, op, problem, out, residual != nullptr);
    QL_TRY(std::optional<OconvSchedule> faster,
           l.tuner.choose_lanes(spec, extent, schedule, lanes, oconv_extent(problem, op.outputs, src, dst), problem,
                                src, dst));
    if (faster) return emit_oconv(l, e, std::move(info), op, problem, *faster, out, residual);
  }
  schedule.apply(spec);
  if (spec.no > run::ConvStep::kMaxOutputs)
    return make_error(Code::internal, "a block of ", spec.no, " outputs, at most ", run::ConvStep::kMaxOutputs);
  // A block ends with its group where that is possible.
  const bool whole_groups = op.group > 1 && group_outputs % quad == 0;
  if (op.group > 1 && !whole_groups)
    spec.no = static_cast<int>(std::min<int64_t>(spec.no, std::max<int64_t>(4, group_outputs / 4 * 4)));

  std::vector<BuiltBlock> blocks;
  for (int64_t o = 0, end = 0; o < op.outputs; o = end) {
    end = std::min<int64_t>(op.outputs, o + spec.no);
    if (whole_groups) end = std::min(end, (op.group_of_output(o) + 1) * group_outputs);
    QL_TRY(BuiltBlock block, build_block(e, op, spec, phases, sections, dst.vectors(), o, end));
    block.block.first_dst = static_cast<uint32_t>(spec.dst == DType::u8 ? o / 4 : o);
    blocks.push_back(std::move(block));
  }
  info.kernel = describe(spec);
  std::vector<const PlanarValue*> read;
  for (const PlanarValue& phase : phases) read.push_back(&phase);
  for (const PlanarValue& phase : phases) info.bytes_read += e.pixel_bytes(phase);
  if (residual) info.bytes_read += e.pixel_bytes(*residual);
  for (const BuiltBlock& b : blocks) info.bytes_read += packed_weight_bytes(spec, b.planes.counts());
  info.bytes_written = e.pixel_bytes(out);
  const int64_t band = conv_band_tiles(l.cpu, extent, spec);
  std::vector<BlockWork> work;
  for (const BuiltBlock& b : blocks) work.push_back({b.block.outputs, b.planes.counts()});
  note_conv_work(info, spec, work, src, dst, band, l.cpu.l1d_bytes);

  std::vector<BufferId> touched = buffers_of({&out});
  for (const PlanarValue& phase : phases)
    for (BufferId id : buffers_of({&phase})) touched.push_back(id);
  if (residual)
    for (BufferId id : buffers_of({residual})) touched.push_back(id);
  if (op.input_scale)
    for (const DenseRef& ref : {op.input_scale->scale, op.input_scale->zero})
      if (ref.place == Place::arena) touched.push_back(BufferId(ref.index));
  const size_t lanes = e.lanes(dst);
  const ConvEpilogue epilogue = epilogue_of(op);
  std::optional<PlanarValue> residual_planes;
  if (residual) residual_planes = *residual;
  e.step(std::move(info), std::move(touched), [=, &l](const Addresses& a) {
    auto s = std::make_unique<run::ConvStep>();
    s->src = l.layouts.geometry(phases[0].layout);
    s->dst = l.layouts.geometry(out.layout);
    s->dst_planes = a.planes(out);
    s->dst_pads = a.pads(out);
    if (residual_planes) s->residual_planes = a.planes(*residual_planes);
    if (op.input_scale) s->input_scale = {a.dense(op.input_scale->scale), a.dense(op.input_scale->zero)};
    s->lanes = lanes;
    s->epilogue = epilogue;
    s->pv = spec.pv;
    s->band_tiles = band;
    for (const BuiltBlock& built : blocks) {
      run::ConvStep::Block block = built.block;
      block.first_src = static_cast<uint32_t>(s->src_planes.size());
      for (size_t section = 0; section < built.planes.of_section.size(); ++section)
        for (uint32_t i : built.planes.of_section[section]) s->src_planes.push_back(a.plane(phases[section].planes[i]));
      for (KernelId id : built.kernels) block.kernels.push_back(id == KernelId{SIZE_MAX} ? nullptr : a.kernel(id));
      s->blocks.push_back(std::move(block));
    }
    return s;
  });
  return {};
}

}  // namespace quadlane::compile
