// Groups of taps and the block of weights of a depthwise kernel.
#include <cstring>

#include "jit/kernels/conv_pack.h"
#include "jit/kernels/depthwise.h"
#include "jit/kernels/depthwise_groups.h"

namespace quadlane {
namespace {

constexpr std::array<std::array<int, 4>, 4> kSlots = {{{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 1, 1, 2}, {0, 1, 2, 3}}};

DepthwiseGroup group_of(const std::vector<DepthwiseTap>& taps, bool row) {
  DepthwiseGroup g{row, {}, {}, static_cast<int>(taps.size())};
  g.pixel = kSlots[taps.size() - 1];
  for (size_t k = 0; k < 4; ++k) g.slot[k] = taps[static_cast<size_t>(g.pixel[k])];
  return g;
}

struct Slots {
  std::array<int8_t, 4> weight{};
  bool fits = true;
};

bool pairs_fit(const std::array<int, 4>& w) { return pair_fits(w[0], w[1]) && pair_fits(w[2], w[3]); }

// The weights of the taps 0, 1, .. in their slots. Where a tap has two of them its weight is shared so that vpmaddubsw
// cannot saturate, if that is possible.
Slots fill_slots(const std::array<int, 4>& w, int distinct) {
  std::array<int, 4> slots{};
  if (distinct == 4) slots = w;
  if (distinct == 2) slots = {w[0], 0, 0, w[1]};
  if (distinct == 1) slots = {w[0], 0, 0, 0};
  if (distinct == 3) {
    slots = {w[0], w[1], 0, w[2]};
    // From all in the first half to all in the second.
    const int step = w[1] < 0 ? 1 : -1;
    for (int first = w[1]; !pairs_fit(slots) && first != step; first += step) slots = {w[0], first, w[1] - first, w[2]};
    if (!pairs_fit(slots)) slots = {w[0], w[1], 0, w[2]};
  }
  Slots result{{}, pairs_fit(slots)};
  for (size_t k = 0; k < 4; ++k) result.weight[k] = static_cast<int8_t>(slots[k]);
  return result;
}

// The same 16 bytes in every 128-bit lane of a 64-byte vector.
void put(std::vector<std::byte>& block, int at, const void* bytes16) {
  for (int i = 0; i < DepthwiseBlock::kVector; i += 16) std::memcpy(block.data() + at + i, bytes16, 16);
}

}  // namespace

std::vector<DepthwiseGroup> depthwise_groups(const std::vector<std::vector<int64_t>>& taps, bool rows) {
  std::vector<DepthwiseGroup> groups;
  std::vector<DepthwiseTap> loose;
  for (size_t s = 0; s < taps.size(); ++s)
    for (size_t t = 0; t < taps[s].size();) {
      std::vector<DepthwiseTap> run;
      const int64_t first = taps[s][t];
      while (run.size() < 4 && t < taps[s].size() && taps[s][t] == first + 4 * static_cast<int64_t>(run.size()))
        run.push_back({static_cast<int>(s), static_cast<int>(t++)});
      if (rows || run.size() >= 3)
        groups.push_back(group_of(run, true));
      else
        loose.insert(loose.end(), run.begin(), run.end());
    }
  for (size_t i = 0; i < loose.size(); i += 4)
    groups.push_back(group_of({loose.begin() + static_cast<std::ptrdiff_t>(i),
                               loose.begin() + static_cast<std::ptrdiff_t>(std::min(i + 4, loose.size()))},
                              false));
  return groups;
}

std::vector<std::byte> pack_depthwise(const DepthwiseSpec& spec, const DepthwiseChannels& channels,
                                      const DepthwiseWeight& weight, std::span<const uint8_t> table) {
  const std::vector<DepthwiseGroup> groups = depthwise_groups(spec.taps, spec.step > 0);
  std::vector<std::byte> block(static_cast<size_t>(DepthwiseBlock::group(spec.isa, groups.size())));
  put(block, DepthwiseBlock::bias, channels.bias.data());
  put(block, DepthwiseBlock::mult, channels.mult.data());
  put(block, DepthwiseBlock::slope, channels.slope.data());
  for (int i = 0; i < DepthwiseBlock::kVector; i += 4) {
    std::memcpy(block.data() + DepthwiseBlock::clamp_lo + i, channels.clamp_lo.data(), 4);
    std::memcpy(block.data() + DepthwiseBlock::clamp_hi + i, channels.clamp_hi.data(), 4);
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    std::array<int8_t, 16> bytes{};
    bool fits = true;
    for (int j = 0; j < 4; ++j) {
      std::array<int, 4> w{};
      for (size_t k = 0; k < 4; ++k)
        w[static_cast<size_t>(groups[g].pixel[k])] = weight(j, groups[g].slot[k].section, groups[g].slot[k].tap);
      const Slots slots = fill_slots(w, groups[g].distinct);
      std::copy(slots.weight.begin(), slots.weight.end(), bytes.begin() + 4 * j);
      fits &= slots.fits;
    }
    const int at = DepthwiseBlock::group(spec.isa, g);
    if (fits || has_vnni(spec.isa)) {
      put(block, at, bytes.data());
      continue;
    }
    block[DepthwiseBlock::flags + g] = std::byte{1};
    std::array<int16_t, 8> even, odd;
    for (size_t i = 0; i < 8; ++i) even[i] = bytes[2 * i], odd[i] = bytes[2 * i + 1];
    put(block, at, even.data());
    put(block, at + DepthwiseBlock::kVector, odd.data());
  }
  const auto bytes = std::as_bytes(table);
  block.insert(block.end(), bytes.begin(), bytes.end());
  return block;
}

}  // namespace quadlane
