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

struct ResampleSpec {
  Isa isa = Isa::avx2;
  ResampleKind kind = ResampleKind::nearest;
  bool f32 = false;      // else u8 quads; nearest moves any pixels
  bool windows = false;  // table kinds: see fits_windows()
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
// Whether the source columns of any register of result pixels lie in one register of source pixels, as they do when
// columns are not dropped: then windows are loaded and permuted, several times faster than gathering.
bool fits_windows(const ResampleSpec&, std::span<const ResampleTap> columns);

// Tables of ResampleArgs; one tap for each result row, and one for each result column.
std::vector<ResampleRow> resample_rows(const ResampleSpec&, std::span<const ResampleTap>, int src_pitch);
std::vector<std::byte> resample_columns(const ResampleSpec&, std::span<const ResampleTap>);

}  // namespace quadlane
