// Walking the pixels of a result row, for every kernel that works row by row.
//
//   |<---------------- w pixels ----------------->|<- gap ->|  next row (another thread's)
//   [ head steps ][ loop: all lanes inside ][ tail steps    ]
//
// A step makes one or more vectors. Steps whose position matters (borders of the source, lanes that are no pixels, the
// end of the stored range) are emitted one by one with their position known; all others are one loop. Stores end
// exactly behind the gap, so the next row may belong to another thread.
#pragma once

#include <functional>
#include <vector>

#include "jit/asm/assembler.h"

namespace quadlane {

struct RowShape {
  int w = 0;    // pixels
  int gap = 0;  // pixels behind them that are stored as padding
  int pitch() const { return w + gap; }
  auto operator<=>(const RowShape&) const = default;
};
std::string describe(const RowShape&);  // "w56 gap1"

// A register and the bytes it moves with every step.
struct Advance {
  Xbyak::Reg64 reg;
  int bytes;
};

inline constexpr int kAnywhere = -1;  // position inside the loop

// Calls body(first pixel of the step, or kAnywhere) so that steps of `step` pixels cover the row's pitch. The pixels
// [loop_begin, loop_end) are the ones for which a step needs no position; the walk narrows that to what is all pixels.
void walk_row(Assembler&, const RowShape&, int step, int loop_begin, int loop_end, const std::vector<Advance>&,
              const std::function<void(int at)>& body);
// No borders in the source.
void walk_row(Assembler&, const RowShape&, int step, const std::vector<Advance>&,
              const std::function<void(int at)>& body);

// How whole registers are stored: rows start anywhere, and 64 bytes across two cache lines are slower than two halves
// where nothing but memory is waited for. Where shuffles are, halves cost one more.
enum class RowStore : uint8_t { whole, halves };
// Stores a vector of a result row that starts at pixel `at`: pixels, then padding, nothing behind the pitch.
// `v` does not survive.
void store_row(Assembler&, const Xbyak::Address& to, const Vec& v, const Vec& pad, int at, const RowShape&,
               RowStore = RowStore::whole);
// Loads a vector and touches no pixel behind the row's last one; lanes behind it are 0.
void load_row_exact(Assembler&, const Vec& to, const Xbyak::Address& from, int at, int w);

// Bits [first, end) of the lanes, clipped to the register.
uint32_t lane_bits(const Assembler&, int first, int end);
// A mask known at generation time.
Mask static_mask(Assembler&, uint32_t bits);
// v = lanes in `bits` keep v, the others become `other`.
void keep_lanes(Assembler&, const Vec& v, const Vec& other, uint32_t bits);
// Dwords of 0 or -1 for the lanes of one register.
std::vector<uint32_t> lane_dwords(const Assembler&, uint32_t bits);

// to = dwords at [base + index + displacement]; lanes outside `bits` are not touched in memory and become `other`.
void gather(Assembler&, const Vec& to, const Xbyak::Reg64& base, int displacement, const Vec& index, uint32_t bits,
            const Vec* other = nullptr);

// --- two pixels for one, one pixel for two ---------------------------------------------------------------------------

// Splits 2 * lanes() consecutive pixels into the even and the odd ones. On AVX2 results stand in a shuffled order,
// which lane-wise operations may use, until in_order() ends it.
class PixelPairs {
 public:
  explicit PixelPairs(Assembler&);
  void even(const Vec& to, const Vec& low, const Vec& high);  // shuffled
  void odd(const Vec& to, const Vec& low, const Vec& high);   // shuffled
  void in_order(const Vec& v);

 private:
  void pick(const Vec& to, const Vec& low, const Vec& high, int phase);
  Assembler& a_;
  std::vector<Vec> order_;  // AVX-512: lanes of even and of odd pixels
};

// low, high = even[0], odd[0], even[1], odd[1], ...  All four registers differ.
void interleave_pixels(Assembler&, const Vec& low, const Vec& high, const Vec& even, const Vec& odd);

// for each of `planes` (destroyed): body
void for_planes(Assembler&, size_t planes_arg_offset, const std::function<void()>& body);

}  // namespace quadlane
