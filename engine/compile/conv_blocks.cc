#include "engine/compile/conv_blocks.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/compile/conv_work.h"
#include "engine/run/conv_step.h"
#include "jit/kernels/conv.h"

namespace quadlane::compile {

Result<std::optional<ConvOperands>> ConvOperands::read(const Graph& graph, const Node& node, bool transposed) {
  ConvOperands op;
  op.transposed = transposed;
  op.attrs = node.attrs;
  op.dst = graph.at(node.output()).type.dtype;
  op.group = node.attrs.int_or("group", 1);
  const Tensor** const constants[] = {&op.w, &op.bias, &op.mult, &op.z, &op.lo, &op.hi};
  for (size_t i = 0; i < std::size(constants); ++i) {
    const ValueId id = node.input(i + 1);
    if (id == kNoValue) continue;
    *constants[i] = graph.constant(id);
    if (!*constants[i]) return std::optional<ConvOperands>();
  }
  if (!op.w || !op.bias) return std::optional<ConvOperands>();
  if (const ValueId shift = node.input(10); shift != kNoValue && !(op.shift = graph.constant(shift)))
    return std::optional<ConvOperands>();
  op.inputs = graph.at(node.input(0)).type.shape[1];
  op.outputs = graph.at(node.output()).type.shape[1];
  return std::optional(std::move(op));
}

double ConvOperands::weight(int64_t o, int64_t c, int i, int j) const {
  if (i < 0 || group_of_output(o) != group_of_input(c)) return 0;
  const Shape& s = w->shape();
  const int64_t row = transposed ? c : o, column = transposed ? o % (outputs / group) : c % (inputs / group);
  const int64_t index = ((row * s[1] + column) * s[2] + i) * s[3] + j;
  switch (w->dtype()) {
    case DType::s8: return w->as<int8_t>()[index];
    case DType::s16: return w->as<int16_t>()[index];
    default: return w->as<float>()[index];
  }
}

double ConvOperands::weight_part(int part, int64_t o, int64_t c, int i, int j) const {
  double rest = weight(o, c, i, j);
  if (w->dtype() != DType::s16) return part == 0 ? rest : 0;
  for (; part > 0; --part) rest -= std::clamp(rest, -128.0, 127.0);
  return std::clamp(rest, -128.0, 127.0);
}

int ConvOperands::weight_parts() const {
  if (w->dtype() != DType::s16) return 1;
  int parts = 1;
  for (int16_t v : w->span<int16_t>()) parts = std::max({parts, (v + 126) / 127, (127 - v) / 128});
  return parts;
}

ConvEpilogue epilogue_of(const ConvOperands& op) {
  ConvEpilogue e;
  if (op.dst == DType::u8) {
    e.out_zero = static_cast<int32_t>(op.attrs.int_or("out_zero", 0));
    e.v_lo = static_cast<float>(op.attrs.int_or("out_lo", 0) - e.out_zero);
    e.v_hi = static_cast<float>(op.attrs.int_or("out_hi", 255) - e.out_zero);
  } else {
    e.v_lo = op.attrs.float_or("act_lo", -std::numeric_limits<float>::infinity());
    e.v_hi = op.attrs.float_or("act_hi", std::numeric_limits<float>::infinity());
    e.alpha = op.attrs.float_or("alpha", 0.01f);
    e.beta = op.attrs.float_or("beta", 0);
  }
  e.residual_mult = op.attrs.float_or("residual_mult", 1.0f);
  e.residual_zero = static_cast<int32_t>(op.attrs.int_or("residual_zero", 0));
  return e;
}

double weight_sum(const ConvOperands& op, int64_t o, int64_t c, const std::vector<ConvSection>& sections) {
  double sum = 0;
  for (const ConvSection& section : sections)
    for (const ConvTap& tap : section.taps) sum += op.weight_part(section.part, o, c, tap.i, tap.j);
  return sum;
}

double folded_bias(const ConvOperands& op, int64_t o, const std::vector<ConvSection>& sections) {
  double bias = element_as_double(op.bias->view(), o);
  if (!op.z) return bias;
  const int64_t per_group = op.inputs / op.group, first = op.group_of_output(o) * per_group;
  for (int64_t c = first; c < first + per_group; ++c) bias -= weight_sum(op, o, c, sections) * op.z_at(c);
  return bias;
}

bool conversion_needs_clamp(const ConvOperands& op) {
  if (!op.is_u8() || op.dst != DType::u8) return true;
  const int64_t per_output = op.w->count() / (op.transposed ? 1 : op.outputs);
  for (int64_t o = 0; o < op.outputs; ++o) {
    double sum = std::fabs(element_as_double(op.bias->view(), o));
    const double largest = 255.0 * (op.w->dtype() == DType::s8 ? 128.0 : 255.0) * static_cast<double>(per_output);
    sum += largest;
    if (sum * std::fabs(element_as_double(op.mult->view(), o)) >= 1e9) return true;
  }
  return op.attrs.has("residual_mult");
}

namespace {

Activation activation_of(const Attrs& attrs) {
  const std::string name = attrs.string_or("act", "");
  for (int i = 0; i <= static_cast<int>(Activation::round); ++i)
    if (name == to_string(Activation(i))) return Activation(i);
  return Activation::none;
}

// Planes of each section that a block of outputs reads: those with a channel of one of its groups.
struct BlockPlanes {
  std::vector<std::vector<uint32_t>> of_section;  // indices into the phase's planes
  std::vector<int64_t> counts() const {
    std::vector<int64_t> n;
    for (const auto& section : of_section) n.push_back(static_cast<int64_t>(section.size()));
    return n;
  }
};

bool has_part(const ConvOperands& op, const ConvSection& section, int64_t channel, int64_t first, int64_t end) {
  for (int64_t o = first; o < end; ++o)
    for (const ConvTap& tap : section.taps)
      if (op.weight_part(section.part, o, channel, tap.i, tap.j) != 0) return true;
  return false;
}

BlockPlanes planes_for(const ConvOperands& op, const std::vector<PlanarValue>& phases,
                       const std::vector<ConvSection>& sections, int64_t first, int64_t end) {
  BlockPlanes planes;
  planes.of_section.resize(sections.size());
  for (size_t s = 0; s < sections.size(); ++s)
    for (uint32_t i = 0; i < phases[s].planes.size(); ++i) {
      bool needed = false;
      for (int32_t c : phases[s].planes[i].channels)
        if (c >= 0) {
          const int64_t g = op.group_of_input(c);
          const bool in_group = g >= op.group_of_output(first) && g <= op.group_of_output(end - 1);
          needed |= in_group && (sections[s].part == 0 || has_part(op, sections[s], c, first, end));
        }
      if (needed) planes.of_section[s].push_back(i);
    }
  return planes;
}

// What one level of a zero point that is known at run time takes from the bias.
int32_t total_weight(const ConvOperands& op, int64_t o, const std::vector<ConvSection>& sections) {
  const int64_t per_group = op.inputs / op.group, first = op.group_of_output(o) * per_group;
  double sum = 0;
  for (int64_t c = first; c < first + per_group; ++c) sum += weight_sum(op, o, c, sections);
  return static_cast<int32_t>(sum);
}

// One 64-byte vector for each plane: the clamp's byte of each lane (or its float) repeated. A hole takes `neutral`.
std::vector<std::byte> clamp_vectors(const ConvOperands& op, const Tensor* bounds, double neutral,
                                     const std::vector<PlanarValue>& phases, const BlockPlanes& planes) {
  std::vector<std::byte> out;
  for (size_t s = 0; s < planes.of_section.size(); ++s)
    for (uint32_t i : planes.of_section[s]) {
      const PlaneRef& p = phases[s].planes[i];
      auto bound = [&](size_t lane) {
        const int32_t c = p.channels[lane];
        return c < 0 || !bounds ? neutral : element_as_double(bounds->view(), c);
      };
      uint32_t bits = 0;
      if (op.is_u8()) {
        for (size_t lane = 0; lane < 4; ++lane) bits |= static_cast<uint32_t>(bound(lane)) << (8 * lane);
      } else {
        bits = std::bit_cast<uint32_t>(static_cast<float>(bound(0)));
      }
      for (int x = 0; x < kVectorPixels; ++x) {
        auto* b = reinterpret_cast<const std::byte*>(&bits);
        out.insert(out.end(), b, b + 4);
      }
    }
  return out;
}

std::vector<std::byte> pack(const ConvOperands& op, const ConvSpec& spec, const std::vector<PlanarValue>& phases,
                            const std::vector<ConvSection>& sections, const BlockPlanes& planes, int64_t first) {
  auto weight = [&](int o, int s, int64_t plane, int tap, int channel) {
    const ConvTap& t = sections[static_cast<size_t>(s)].taps[static_cast<size_t>(tap)];
    const uint32_t index = planes.of_section[static_cast<size_t>(s)][static_cast<size_t>(plane)];
    const int32_t c = phases[static_cast<size_t>(s)].planes[index].channels[static_cast<size_t>(channel)];
    return c < 0 ? 0.0 : op.weight_part(sections[static_cast<size_t>(s)].part, first + o, c, t.i, t.j);
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
  std::vector<int32_t> bias_s32, weight_sums;
  std::vector<float> bias_f32, mult, shift;
  for (int64_t o = first; o < end; ++o) {
    const double bias = folded_bias(op, o, sections);
    bias_s32.push_back(op.is_u8() ? static_cast<int32_t>(bias) : 0);
    bias_f32.push_back(static_cast<float>(bias));
    mult.push_back(op.mult ? static_cast<float>(element_as_double(op.mult->view(), o)) : 1.0f);
    if (op.shift) shift.push_back(op.shift->as<float>()[o]);
    if (op.input_scale) weight_sums.push_back(total_weight(op, o, sections));
  }
  b.block.bias = op.is_u8() ? e.constant(bias_s32) : e.constant(bias_f32);
  b.block.mult = e.constant(mult);
  b.block.shift = op.shift ? e.constant(shift) : 0;
  b.block.weight_sums = op.input_scale ? e.constant(weight_sums) : 0;
  b.block.outputs = spec.no;
  const double huge = std::numeric_limits<float>::max();
  b.block.clamp_lo = op.lo ? e.constant(clamp_vectors(op, op.lo, op.is_u8() ? 0 : -huge, phases, b.planes)) : 0;
  b.block.clamp_hi = op.hi ? e.constant(clamp_vectors(op, op.hi, op.is_u8() ? 255 : huge, phases, b.planes)) : 0;
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
  spec.residual = !residual ? ConvResidual::none : residual->dtype == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
  spec.act = spec.dst == DType::f32 ? activation_of(op.attrs) : Activation::none;
  spec.v_clamp_hi = conversion_needs_clamp(op);

  const int64_t group_outputs = op.outputs / op.group;
  const int64_t quad = spec.dst == DType::u8 ? 4 : 1;  // blocks begin at planes
  const int64_t extent_outputs = op.group == 1 ? op.outputs : std::max(quad, group_outputs);
  ConvExtent extent{extent_outputs, dst.vectors(),
                    planes_for(op, phases, sections, 0, std::min(op.outputs, extent_outputs)).counts()};
  QL_TRY(ConvSchedule schedule, l.tuner.choose(spec, extent, src, dst));
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
