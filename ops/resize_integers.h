// Linear Resize of integers.
#pragma once

#include "ops/resize_axis.h"

namespace quadlane {

// u8, s8 or s32 of 2 axes, 3, or 4 and 5 of which only those behind the first two change; or 4 of which only the middle
// two do. Others have no agreed rounding and are refused.
Status expect_resizable_integers(const TensorType&, std::span<const ResizeAxis>, const ResizeOptions&);
void resize_integers(const View& x, std::span<const ResizeAxis>, const ResizeOptions&, const MutView& y);

}  // namespace quadlane
