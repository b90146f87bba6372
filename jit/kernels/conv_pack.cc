// Weights in the order in which a convolution kernel reads them.
#include "jit/kernels/conv_pack.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "jit/kernels/conv.h"

namespace quadlane {
namespace {

using Quad = std::array<int8_t, 4>;

bool without_vnni(const ConvSpec& s) { return s.src == DType::u8 && !has_vnni(s.isa); }

template <class T>
void append(std::vector<std::byte>& to, const T& value) {
  const size_t at = to.size();
  to.resize(at + sizeof value);
  std::memcpy(to.data() + at, &value, sizeof value);
}

// Calls visit(section, plane, tap) in packed order.
template <class Visit>
void for_each_tap(const ConvSpec& spec, const std::vector<int64_t>& section_planes, const Visit& visit) {
  for (size_t section = 0; section < spec.taps.size(); ++section)
    for (int64_t plane = 0; plane < section_planes[section]; ++plane)
      for (size_t tap = 0; tap < spec.taps[section].size(); ++tap)
        visit(static_cast<int>(section), plane, static_cast<int>(tap));
}

int64_t weight_count(const ConvSpec& spec, const std::vector<int64_t>& section_planes) {
  int64_t taps = 0;
  for (size_t section = 0; section < spec.taps.size(); ++section)
    taps += section_planes[section] * static_cast<int64_t>(spec.taps[section].size());
  return taps * spec.no;
}

Quad quad_at(const ConvWeightS8& weight, int o, int section, int64_t plane, int tap) {
  Quad w;
  for (int c = 0; c < 4; ++c) w[static_cast<size_t>(c)] = weight(o, section, plane, tap, c);
  return w;
}

// The part of a quad that fits in the place of the quad; the rest (w - part) fits, too.
Quad fitting_part(const Quad& w) {
  Quad part = w;
  for (size_t pair : {size_t{0}, size_t{2}})
    if (!pair_fits(w[pair], w[pair + 1]))
      for (size_t i : {pair, pair + 1}) part[i] = static_cast<int8_t>(w[i] / 2);
  return part;
}

// Extra dots as a share of all: one costs about three times as much as another, a narrow dot three quarters of a wide
// one.
constexpr double kMaxExtraShare = 0.15;

// Empty when too many weights do not fit.
std::vector<std::byte> pack_narrow(const ConvSpec& spec, const std::vector<int64_t>& section_planes,
                                   const ConvWeightS8& weight) {
  std::vector<std::byte> packed;
  std::vector<std::vector<ConvExtraDot>> extras(static_cast<size_t>(spec.no));
  append(packed, ConvBlockHeader{0, 0});
  std::vector<int64_t> first_plane{0};
  for (int64_t n : section_planes) first_plane.push_back(first_plane.back() + n);
  size_t count = 0;
  for_each_tap(spec, section_planes, [&](int section, int64_t plane, int tap) {
    const auto s = static_cast<size_t>(section);
    for (int o = 0; o < spec.no; ++o) {
      const Quad w = quad_at(weight, o, section, plane, tap), part = fitting_part(w);
      append(packed, part);
      if (part == w) continue;
      ConvExtraDot extra{static_cast<int32_t>(first_plane[s] + plane),
                         static_cast<int32_t>(spec.taps[s][static_cast<size_t>(tap)]),
                         {}};
      for (size_t c = 0; c < 4; ++c) extra.weights[c] = static_cast<int8_t>(w[c] - part[c]);
      extras[static_cast<size_t>(o)].push_back(extra);
      ++count;
    }
  });
  if (static_cast<double>(count) > kMaxExtraShare * static_cast<double>(weight_count(spec, section_planes))) return {};
  for (const auto& list : extras) {
    append(packed, static_cast<uint32_t>(list.size()));
    for (const ConvExtraDot& extra : list) append(packed, extra);
  }
  return packed;
}

}  // namespace

int64_t packed_weight_bytes(const ConvSpec& spec, const std::vector<int64_t>& section_planes) {
  const int64_t count = weight_count(spec, section_planes);
  // wide; narrow takes at most 4 + 0.15 * 12 bytes a dot and its counters.
  if (without_vnni(spec)) return static_cast<int64_t>(sizeof(ConvBlockHeader)) + 8 * count + 4 * spec.no;
  return 4 * count;
}

std::vector<std::byte> pack_conv_weights(const ConvSpec& spec, const std::vector<int64_t>& section_planes,
                                         const ConvWeightS8& weight) {
  std::vector<std::byte> packed;
  if (without_vnni(spec)) {
    packed = pack_narrow(spec, section_planes, weight);
    if (!packed.empty()) return packed;
    append(packed, ConvBlockHeader{1, 0});
  }
  for_each_tap(spec, section_planes, [&](int section, int64_t plane, int tap) {
    for (int o = 0; o < spec.no; ++o) {
      const Quad w = quad_at(weight, o, section, plane, tap);
      if (without_vnni(spec))
        append(packed, std::array<int16_t, 4>{w[0], w[2], w[1], w[3]});
      else
        append(packed, w);
    }
  });
  return packed;
}

std::vector<std::byte> pack_conv_weights(const ConvSpec& spec, const std::vector<int64_t>& section_planes,
                                         const ConvWeightF32& weight) {
  std::vector<std::byte> packed;
  for_each_tap(spec, section_planes, [&](int section, int64_t plane, int tap) {
    for (int o = 0; o < spec.no; ++o) append(packed, weight(o, section, plane, tap));
  });
  return packed;
}

}  // namespace quadlane
