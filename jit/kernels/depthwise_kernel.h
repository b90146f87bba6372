// The depthwise generator (depthwise.h has the tile): depthwise.cc sets up and ends a tile, depthwise_taps.cc brings
// the taps of a tile together, depthwise_walk.cc goes from tile to tile.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "jit/kernels/conv_tile.h"
#include "jit/kernels/depthwise.h"
#include "jit/kernels/depthwise_groups.h"
#include "jit/kernels/quads.h"

namespace quadlane {

class Depthwise {
 public:
  Depthwise(Assembler& a, const DepthwiseSpec& s) : a_(a), s_(s), groups_(depthwise_groups(s.taps, s.step > 0)) {}
  void generate();

 private:
  enum class Dot { vnni, narrow, wide };  // conv_reduction.h

  using TapsUse = std::function<void(int i, const Vec& taps)>;  // what becomes of accumulator i's taps
  // Accumulators whose pixels lie in two loads at step 2: the last one's begin at pixel 6, its last tap may be
  // pixel 33.
  static constexpr int kAcross = 3;

  void planes();
  void constants();
  void tile();
  void group(size_t g);
  void taps_of(size_t g, Dot, const Vec& weights);
  void row_across(const DepthwiseGroup&, const TapsUse&);
  void row(const DepthwiseGroup&, const TapsUse&);
  void loose(const DepthwiseGroup&, const TapsUse&);
  void load_tap(const Vec& to, const DepthwiseTap&, int pixels);
  void clamp(const Vec&);
  Xbyak::RegExp tap_at(const DepthwiseTap&, int pixels) const;
  Xbyak::RegExp second_at(const DepthwiseTap&, int pixels) const;
  std::vector<uint32_t> row_order(const DepthwiseGroup&, int pixels) const;
  void quads();
  void slope(const Vec&);
  void round();
  void residual();

  void flattened();
  void rows();
  void store_pair();

  Xbyak::Address block(int at) { return a_.ptr[weights_ + at]; }
  Xbyak::Address weights_of(size_t g, int vector = 0) {
    return block(DepthwiseBlock::group(s_.isa, g) + vector * DepthwiseBlock::kVector);
  }
  bool paired() const { return s_.step == 2 && a_.avx512() && s_.w <= kVectorPixels / 2; }
  bool same_lanes() const { return s_.lanes == std::array<int, 4>{0, 1, 2, 3}; }

  Assembler& a_;
  const DepthwiseSpec& s_;
  std::vector<DepthwiseGroup> groups_;
  std::vector<Gp> planes_;            // of each section, at the first pixel
  std::vector<Gp> residual_, dst_x_;  // where there is one; a result's x by rows
  Gp dst_ = a_.gp("dst"), weights_ = a_.gp("weights"), x_ = a_.gp("x");
  Gp count_ = a_.gp("registers or rows left");
  std::vector<Vec> acc_ = a_.vecs("acc", kGroups), work_ = a_.vecs("work", 4);
  Vec ones_ = a_.vec("ones"), pad_ = a_.vec("pad");
  Mask pixels_ = a_.mask("pixels");
  std::map<std::pair<int, int>, Vec> order_;  // row_order by the number of distinct taps and the first pixel
  std::vector<Vec> resident_;                 // VNNI: the groups' weights, as far as there are registers
  std::vector<Vec> mult_, bias_;              // where registers are left; loads are what there is most of
  // The epilogue's constants: AVX-512 has registers for them (its residual reads them where they are), AVX2 a frame.
  std::vector<QuadRounding> rounding_;
  std::vector<Gp> constants_;
  std::optional<ByteLookup> table_;
};

}  // namespace quadlane
