// Operators of ONNX that Quadlane does not run, each with the reason: what errors and the operator table say.
#pragma once

#include <span>
#include <string_view>

namespace quadlane {

struct RefusedOp {
  std::string_view op;  // outside the standard domain with the domain before it; "ai.onnx.ml.*" is all of a domain
  std::string_view reason;
};

// By name, sorted.
std::span<const RefusedOp> refused_ops();
// Empty: not in the list.
std::string_view refusal_of(std::string_view op);

}  // namespace quadlane
