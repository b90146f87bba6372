#include "engine/compile/conv_operands.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

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
  for (auto [id, constant] : {std::pair{node.input(10), &op.shift}, std::pair{node.input(11), &op.slope}})
    if (id != kNoValue && !(*constant = graph.constant(id))) return std::optional<ConvOperands>();
  op.inputs = graph.at(node.input(0)).type.shape[1];
  op.outputs = graph.at(node.output()).type.shape[1];
  return std::optional(std::move(op));
}

ValueId ConvOperands::take_table(const Lowering& l, ValueId result) {
  if (!l.permutes_bytes() || dst != DType::u8 || !l.graph.single_use(result)) return result;
  const Node& reader = l.graph.at(l.graph.at(result).uses[0].node);
  const Tensor* t = reader.op == "ql.Lut" ? l.graph.constant(reader.input(1)) : nullptr;
  if (!t || t->count() != 256) return result;
  table = {t->as<uint8_t>(), 256};
  return reader.output();
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

void add_weight_parts(const ConvOperands& op, std::vector<ConvSection>& sections, std::vector<PlanarValue>& phases) {
  const size_t count = sections.size();
  for (int part = 1; part < op.weight_parts(); ++part)
    for (size_t s = 0; s < count; ++s) {
      sections.push_back(sections[s]);
      sections.back().part = part;
      phases.push_back(phases[s]);
    }
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

RoundingFacts rounding_of(const ConvOperands& op) {
  const ConvEpilogue e = epilogue_of(op);
  double most = std::numeric_limits<double>::infinity();
  if (op.is_u8() && !op.input_scale) {
    const double outputs = op.transposed ? 1 : static_cast<double>(op.outputs);
    const double products =
        255.0 * (op.w->dtype() == DType::s8 ? 128.0 : 255.0) * static_cast<double>(op.w->count()) / outputs;
    most = 0;
    for (int64_t o = 0; o < op.outputs; ++o)
      most = std::max(most, (std::fabs(element_as_double(op.bias->view(), o)) + products) *
                                std::fabs(element_as_double(op.mult->view(), o)) *
                                std::max(1.0, std::fabs(op.slope_at(o))));
    most += 255 * std::fabs(double{e.residual_mult});
  }
  return rounding_facts(most, e.v_lo, e.v_hi, e.out_zero);
}

Activation activation_of(const Attrs& attrs) {
  const std::string name = attrs.string_or("act", "");
  for (int i = 0; i <= static_cast<int>(Activation::round); ++i)
    if (name == to_string(Activation(i))) return Activation(i);
  return Activation::none;
}

namespace {

bool has_part(const ConvOperands& op, const ConvSection& section, int64_t channel, int64_t first, int64_t end) {
  for (int64_t o = first; o < end; ++o)
    for (const ConvTap& tap : section.taps)
      if (op.weight_part(section.part, o, channel, tap.i, tap.j) != 0) return true;
  return false;
}

}  // namespace

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

namespace {

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

}  // namespace

double block_weight(const ConvOperands& op, const std::vector<PlanarValue>& phases,
                    const std::vector<ConvSection>& sections, const BlockPlanes& planes, int64_t first, int o,
                    int section, int64_t plane, int tap, int channel) {
  const auto s = static_cast<size_t>(section);
  const ConvTap& t = sections[s].taps[static_cast<size_t>(tap)];
  const uint32_t index = planes.of_section[s][static_cast<size_t>(plane)];
  const int32_t c = phases[s].planes[index].channels[static_cast<size_t>(channel)];
  return c < 0 ? 0.0 : op.weight_part(sections[s].part, first + o, c, t.i, t.j);
}

BlockConstants block_constants(Emitter& e, const ConvOperands& op, const std::vector<PlanarValue>& phases,
                               const std::vector<ConvSection>& sections, const BlockPlanes& planes, int64_t first,
                               int64_t end, int64_t padded) {
  std::vector<int32_t> bias_s32(static_cast<size_t>(padded)), weight_sums = bias_s32;
  std::vector<float> bias_f32(static_cast<size_t>(padded)), mult = bias_f32, shift = bias_f32;
  for (int64_t o = first; o < end; ++o) {
    const auto i = static_cast<size_t>(o - first);
    const double bias = folded_bias(op, o, sections);
    if (op.is_u8()) bias_s32[i] = static_cast<int32_t>(bias);
    bias_f32[i] = static_cast<float>(bias);
    mult[i] = op.mult ? static_cast<float>(element_as_double(op.mult->view(), o)) : 1.0f;
    if (op.shift) shift[i] = op.shift->as<float>()[o];
    if (op.input_scale) weight_sums[i] = total_weight(op, o, sections);
  }
  const double huge = std::numeric_limits<float>::max();
  BlockConstants c{};
  c.bias = op.is_u8() ? e.constant(bias_s32) : e.constant(bias_f32);
  if (op.slope)
    for (int64_t o = first; o < first + padded; ++o) mult.push_back(o < end ? static_cast<float>(op.slope_at(o)) : 0);
  if (op.table.empty()) {
    c.mult = e.constant(mult);
  } else {
    std::vector<std::byte> with_table(static_cast<size_t>(table_offset(padded, op.slope != nullptr)));
    std::memcpy(with_table.data(), mult.data(), mult.size() * sizeof(float));
    const auto bytes = std::as_bytes(op.table);
    with_table.insert(with_table.end(), bytes.begin(), bytes.end());
    c.mult = e.constant(with_table);
  }
  c.shift = op.shift ? e.constant(shift) : 0;
  c.weight_sums = op.input_scale ? e.constant(weight_sums) : 0;
  c.clamp_lo = op.lo ? e.constant(clamp_vectors(op, op.lo, op.is_u8() ? 0 : -huge, phases, planes)) : 0;
  c.clamp_hi = op.hi ? e.constant(clamp_vectors(op, op.hi, op.is_u8() ? 255 : huge, phases, planes)) : 0;
  return c;
}

}  // namespace quadlane::compile
