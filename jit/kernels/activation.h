// The functions of one f32 value that kernels apply to their results; functions.h makes code of them.
#pragma once

#include <cstdint>

namespace quadlane {

enum class Activation : uint8_t {
  none,
  clip,          // min(max(v, alpha), beta)
  leaky,         // v < 0 ? v * alpha : v
  hard_sigmoid,  // clamp(v * alpha + beta, 0, 1)
  hard_swish,    // v * clamp(v / 6 + 1/2, 0, 1)
  sigmoid,       // 1 / (1 + exp(-v))
  swish,         // v * sigmoid(v * alpha)
  tanh,
  erf,
  gelu,       // v / 2 * (1 + erf(v / sqrt(2)))
  gelu_tanh,  // v / 2 * (1 + tanh(sqrt(2 / pi) * (v + 0.044715 v^3)))
  mish,       // v * tanh(log(1 + exp(v)))
  softplus,   // log(1 + exp(v))
  softsign,   // v / (1 + |v|)
  elu,        // v < 0 ? alpha * (exp(v) - 1) : v
  selu,       // beta * (v < 0 ? alpha * (exp(v) - 1) : v)
  celu,       // v < 0 ? alpha * (exp(v / alpha) - 1) : v
  exp,
  log,
  sqrt,
  reciprocal,
  abs,
  neg,
  square,
  cube,
  floor,
  ceil,
  round,  // half to even
};
const char* to_string(Activation);

}  // namespace quadlane
