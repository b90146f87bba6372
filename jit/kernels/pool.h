// Pooling kernels: max and average over windows, and the average of a whole map; arguments in engine/base/abi/pool.h.
#pragma once

#include "engine/base/abi/pool.h"
#include "jit/kernels/pixel_rows.h"
#include "jit/kernels/rounding.h"

namespace quadlane {

enum class PoolOp : uint8_t { max, average };

struct PoolSpec {
  Isa isa = Isa::avx2;
  PoolOp op = PoolOp::max;
  bool f32 = false;  // else u8 quads
  int kh = 1, kw = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  int pad_top = 0, pad_left = 0;
  int src_h = 1, src_w = 1;
  int dst_h = 1;
  RowShape dst;              // result columns; the padding on the right is what src_w leaves
  RoundingFacts rounding{};  // average u8
  bool no_in_zero = false;   // average u8: in_zero is 0
  auto operator<=>(const PoolSpec&) const = default;
};
std::string describe(const PoolSpec&);
Result<MachineCode> generate(const PoolSpec&, const GenerateOptions& = {});

// The table of all result rows, for planes whose rows are `src_pitch` pixels apart.
std::vector<PoolRow> pool_rows(const PoolSpec&, int src_pitch);
// The factors of an average (see PoolArgs) and where each result row finds its own: fills PoolRow::factors. The
// paddings matter to count_include_pad only; -1: what the result extents imply (with ceil_mode they may be less).
std::vector<std::byte> pool_factors(const PoolSpec&, bool count_include_pad, float mult, int in_zero,
                                    std::vector<PoolRow>& rows, int pad_bottom = -1, int pad_right = -1);
// Whether some window has no tap inside the image (dilation may step over a small one): there is no maximum then.
bool has_empty_window(const PoolSpec&);

struct GlobalPoolSpec {
  Isa isa = Isa::avx2;
  bool f32 = false;
  int src_w = 1;
  int gap = 0;  // pixels behind the result pixel that are stored as padding
  auto operator<=>(const GlobalPoolSpec&) const = default;
};
std::string describe(const GlobalPoolSpec&);
Result<MachineCode> generate(const GlobalPoolSpec&, const GenerateOptions& = {});

}  // namespace quadlane
