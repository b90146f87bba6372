// A convolution whose stride makes more phases than a kernel takes, as a pointwise one: every tap becomes channels.
//
//   conv(x [C], w [O, C, kh, kw])  =  conv(x' [C * kh * kw], w' [O, C * kh * kw, 1, 1])
//   x'[(c * kh + i) * kw + j](y, x) = x[c](y * stride + i * dilation - pad, ...), the zero point outside of x
//
// Patch embeddings of vision transformers, where the kernel is as large as the stride, read every pixel once: x' is x
// in another order. Exact: the same products in another order; w' has the bytes of w, and a group its channels side by
// side.
#pragma once

#include "engine/compile/fold_columns.h"

namespace quadlane::compile {

// Why x' is no way to run it, or ok.
Status window_refusal(const ConvOperands&, const ConvAttrs&, const PlanarValue& x, const Shape& in);
// Appends the steps that make x'; the result computes the same on `layout`, which has as many pixels as the
// convolution's result.
FoldedConv fold_window(Lowering&, const std::string& name, const ConvOperands&, const ConvAttrs&, const PlanarValue& x,
                       const Shape& in, LayoutId layout);

}  // namespace quadlane::compile
