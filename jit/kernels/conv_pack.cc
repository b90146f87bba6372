// Weights in the order in which a convolution kernel reads them.
#include <cstring>

#include "jit/kernels/conv.h"

namespace quadlane {
namespace {

// Calls put(bytes, o, section, plane, tap) for every weight, in packed order, `size` bytes each.
template <class Put>
std::vector<std::byte> pack(const ConvSpec& spec, const std::vector<int64_t>& section_planes, size_t size,
                            const Put& put) {
  std::vector<std::byte> packed(static_cast<size_t>(packed_weight_bytes(spec, section_planes)));
  std::byte* at = packed.data();
  for (size_t section = 0; section < spec.taps.size(); ++section)
    for (int64_t plane = 0; plane < section_planes[section]; ++plane)
      for (size_t tap = 0; tap < spec.taps[section].size(); ++tap)
        for (int o = 0; o < spec.no; ++o, at += size)
          put(at, o, static_cast<int>(section), plane, static_cast<int>(tap));
  return packed;
}

}  // namespace

int64_t packed_weight_bytes(const ConvSpec& spec, const std::vector<int64_t>& section_planes) {
  const int64_t size = spec.src == DType::u8 && spec.isa == Isa::avx2 ? 8 : 4;
  int64_t count = 0;
  for (size_t section = 0; section < spec.taps.size(); ++section)
    count += section_planes[section] * static_cast<int64_t>(spec.taps[section].size()) * spec.no;
  return count * size;
}

std::vector<std::byte> pack_conv_weights(const ConvSpec& spec, const std::vector<int64_t>& section_planes,
                                         const ConvWeightS8& weight) {
  const bool widened = spec.isa == Isa::avx2;
  return pack(spec, section_planes, widened ? 8 : 4, [&](std::byte* to, int o, int section, int64_t plane, int tap) {
    int8_t w[4];
    for (int c = 0; c < 4; ++c) w[c] = weight(o, section, plane, tap, c);
    if (!widened) {
      std::memcpy(to, w, sizeof w);
      return;
    }
    const int16_t pairs[4] = {w[0], w[2], w[1], w[3]};
    std::memcpy(to, pairs, sizeof pairs);
  });
}

std::vector<std::byte> pack_conv_weights(const ConvSpec& spec, const std::vector<int64_t>& section_planes,
                                         const ConvWeightF32& weight) {
  return pack(spec, section_planes, 4, [&](std::byte* to, int o, int section, int64_t plane, int tap) {
    const float w = weight(o, section, plane, tap);
    std::memcpy(to, &w, sizeof w);
  });
}

}  // namespace quadlane
