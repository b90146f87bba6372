// Elementwise operators on u8 planes: ql.Lut, ql.Requantize, ql.PRelu, ql.Add, ql.Mul.
#include <algorithm>

#include "engine/compile/elementwise.h"

namespace quadlane::compile {
namespace {

void read_u8_range(ElementwiseScalars& s, const Attrs& attrs) {
  s.out_zero = static_cast<int32_t>(attrs.int_or("out_zero", 0));
  s.v_lo = static_cast<float>(attrs.int_or("out_lo", 0) - s.out_zero);
  s.v_hi = static_cast<float>(attrs.int_or("out_hi", 255) - s.out_zero);
}

std::optional<Elementwise> lut(Lowering& l, const Node& node) {
  const Tensor* table = l.graph.constant(node.input(1));
  if (!table) return std::nullopt;
  Elementwise e;
  const bool permutes = l.permutes_bytes(), one = table->count() == 256;
  e.op = one ? (permutes ? ElementwiseOp::lut_vbmi : ElementwiseOp::lut)
             : (permutes ? ElementwiseOp::lut_channels_vbmi : ElementwiseOp::lut_channels);
  e.params = [table = *table, permutes, one, isa = l.isa](const PlanarValue& planes) {
    auto entries = [&](int32_t channel) {  // of a hole any
      return std::span<const uint8_t, 256>(table.as<uint8_t>() + 256 * std::max(channel, 0), 256);
    };
    std::vector<std::byte> bytes;
    auto append = [&](std::span<const uint8_t> more) {
      const auto added = std::as_bytes(more);
      bytes.insert(bytes.end(), added.begin(), added.end());
    };
    if (one) permutes ? append(entries(0)) : append(pack_lut(entries(0)));
    for (size_t p = 0; p < planes.planes.size() && !one; ++p) {
      const auto& c = planes.planes[p].channels;
      if (!permutes) append(pack_luts({entries(c[0]), entries(c[1]), entries(c[2]), entries(c[3])}, isa));
      for (size_t k = 0; k < 4 && permutes; ++k) append(entries(c[k]));
    }
    return bytes;
  };
  return e;
}

// Inputs 1 to 3, one element for all or one for each channel: four channels an entry, in the order of the value's
// channels; a single entry's first lane when nothing differs between them.
struct ChannelParams {
  std::vector<RequantizeChannels> entries;
  int64_t count;
};
std::optional<ChannelParams> channel_params(Lowering& l, const Node& node) {
  const Tensor* t[3];
  int64_t count = 1;
  for (size_t i = 0; i < 3; ++i) {
    if (!(t[i] = l.graph.constant(node.input(i + 1)))) return std::nullopt;
    count = std::max(count, t[i]->count());
  }
  ChannelParams p{std::vector<RequantizeChannels>(static_cast<size_t>((count + 3) / 4)), count};
  for (int64_t c = 0; c < count; ++c) {
    auto at = [&](size_t i) { return static_cast<float>(element_as_double(t[i]->view(), t[i]->count() == 1 ? 0 : c)); };
    RequantizeChannels& entry = p.entries[static_cast<size_t>(c / 4)];
    entry.mult[c % 4] = at(0);
    entry.bias[c % 4] = at(1);
    entry.in_zero[c % 4] = at(2);
  }
  return p;
}

// The entries in the lanes of a value's planes.
std::vector<std::byte> in_lanes(const ChannelParams& p, const PlanarValue& value) {
  std::vector<RequantizeChannels> entries;
  for (const PlaneRef& plane : value.planes) {
    RequantizeChannels r{};
    for (size_t lane = 0; lane < 4; ++lane) {
      if (plane.channels[lane] < 0) continue;
      const size_t c = p.count == 1 ? 0 : static_cast<size_t>(plane.channels[lane]);
      const RequantizeChannels& from = p.entries[c / 4];
      r.mult[lane] = from.mult[c % 4];
      r.bias[lane] = from.bias[c % 4];
      r.in_zero[lane] = from.in_zero[c % 4];
    }
    entries.push_back(r);
  }
  return as_bytes(entries);
}

// Why bytes are written once more in another scale.
std::string why_requantized(const Lowering& l, const Node& node, const ChannelParams& p) {
  const RequantizeChannels& first = p.entries[0];
  for (int64_t c = 0; c < p.count; ++c) {
    const RequantizeChannels& entry = p.entries[static_cast<size_t>(c / 4)];
    if (entry.bias[c % 4] != 0 || entry.mult[c % 4] != first.mult[0])
      return "factors and summands of channels that no convolution takes in";
  }
  for (const Use& use : l.graph.at(node.output()).uses)
    if (const Node& reader = l.graph.at(use.node); reader.op == "Concat")
      return cat("all parts of '", reader.name, "' have its scale");
  return "its readers have another scale, zero point or range";
}

std::optional<Elementwise> requantize(Lowering& l, const Node& node) {
  std::optional<ChannelParams> p = channel_params(l, node);
  if (!p) return std::nullopt;
  Elementwise e;
  e.op = node.op == "ql.PRelu" ? ElementwiseOp::prelu_u8 : ElementwiseOp::requantize;
  read_u8_range(e.scalars, node.attrs);
  if (e.op == ElementwiseOp::requantize) {
    e.note = why_requantized(l, node, *p);
    if (auto folded = fold_requantize(p->entries, e.scalars)) {
      e.op = ElementwiseOp::requantize_folded;
      p->entries = std::move(*folded);
    }
  }
  e.facts = facts_of(e.op, e.scalars, p->entries);
  e.params = [p = *std::move(p)](const PlanarValue& planes) { return in_lanes(p, planes); };
  return e;
}

}  // namespace

std::optional<Elementwise> unary_u8(Lowering& l, const Node& node) {
  if (node.op == "ql.Lut") return lut(l, node);
  if (node.op == "ql.Requantize" || node.op == "ql.PRelu") return requantize(l, node);
  return std::nullopt;
}

Elementwise binary_u8(const Node& node) {
  Elementwise e;
  const bool add = node.op == "ql.Add";
  e.op = add ? ElementwiseOp::add_u8 : ElementwiseOp::mul_u8;
  e.scalars.a_mult = node.attrs.float_or(add ? "a_mult" : "mult", 1.0f);
  e.scalars.b_mult = node.attrs.float_or("b_mult", 1.0f);
  e.scalars.a_zero = static_cast<float>(node.attrs.int_or("a_zero", 0));
  e.scalars.b_zero = static_cast<float>(node.attrs.int_or("b_zero", 0));
  read_u8_range(e.scalars, node.attrs);
  e.facts = facts_of(e.op, e.scalars);
  return e;
}

}  // namespace quadlane::compile
