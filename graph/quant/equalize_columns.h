// Cross-layer equalization (equalize.h) of what products read: their columns, which share one scale, get ranges of one
// size. Column k is divided by s[k] where it is computed, row k of the weights multiplied.
//
// It costs nothing where what computes the columns has constants for each: a LayerNormalization's scale and bias, also
// written as Mul and Add, or the weights of a product in front, through a Relu. Behind a LayerNormalization columns
// differ by the scales it has learnt, often tenfold.
#pragma once
#include "graph/quant/equalize.h"

namespace quadlane {

// Factors by by_columns(name) of the values. They depend on the products' weights too.
ChannelFactors column_factors(const Graph&, const Profile&, const QuantPolicy&);
// Whether there are such values.
bool can_equalize_columns(const Graph&);
// Applies them; values with factors are called NAME_equalized.
void equalize_columns(Graph&, const ChannelFactors&);

}  // namespace quadlane
