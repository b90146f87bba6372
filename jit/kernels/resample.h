// Resample kernels: whole result rows from one or two source rows; arguments in engine/base/abi/resample.h.
#pragma once

#include <span>

#include "engine/base/abi/resample.h"
#include "jit/kernels/pixel_rows.h"

namespace quadlane {

enum class ResampleKind : uint8_t {
  nearest,     // any source column for any result column
  nearest_2x,  // column x / 2
  linear,      // any two columns, any weights
  linear_2x,   // half_pixel: (3 * near + far) / 4, the far column clamped to the image
};

// Table kernels: where the source pixels of a register of result pixels come from.
enum class ResampleWindows : uint8_t {
  none,    // anywhere: gathered
  narrow,  // one register of source pixels, permuted; AVX2: one for the first columns and one for the second ones
  wide,    // AVX-512: two neighbouring registers
};

struct ResampleSpec {
  Isa isa = Isa::avx2;
  ResampleKind kind = ResampleKind::nearest;
  bool f32 = false;                                 // else u8 quads; nearest moves any pixels
  ResampleWindows windows = ResampleWindows::none;  // table kinds: see fitting_windows()
  int src_w = 1;
  RowShape dst;  // 2x: w = 2 * src_w
  auto operator<=>(const ResampleSpec&) const = default;
};
std::string describe(const ResampleSpec&);
Result<MachineCode> generate(const ResampleSpec&, const GenerateOptions& = {});

// Where one row or column of the result comes from: (1 - fraction) * src[first] + fraction * src[second].
struct ResampleTap {
  int32_t first = 0, second = 0;
  float fraction = 0;
};
// The narrowest windows that hold the source columns of every register of result pixels. Narrow ones do where columns
// are not dropped, wide ones down to half the width: several times faster than gathering.
ResampleWindows fitting_windows(const ResampleSpec&, std::span<const ResampleTap> columns);

// Tables of ResampleArgs; one tap for each result row, and one for each result column.
std::vector<ResampleRow> resample_rows(const ResampleSpec&, std::span<const ResampleTap>, int src_pitch);
std::vector<std::byte> resample_columns(const ResampleSpec&, std::span<const ResampleTap>);

}  // namespace quadlane
