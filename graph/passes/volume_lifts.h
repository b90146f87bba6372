// Operators with a window in depth as operators on images; used by volumes_as_images.cc.
#pragma once

#include "graph/passes/image_form.h"

namespace quadlane {

// What the rewriting of an operator gives: its image, or nothing where it stays as it is.
using Lifted = Result<std::optional<ValueId>>;
inline const std::optional<ValueId> kStays;

Lifted lift_conv(ImageForm&, const Node&);         // Conv, ConvTranspose
Lifted lift_pool(ImageForm&, const Node&);         // MaxPool, AveragePool
Lifted lift_global_pool(ImageForm&, const Node&);  // GlobalMaxPool, GlobalAveragePool
Lifted lift_resize(ImageForm&, const Node&);       // Resize of an image made here

}  // namespace quadlane
