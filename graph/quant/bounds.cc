#include "graph/quant/bounds.h"

#include <cmath>

#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

constexpr Range kAnything{-HUGE_VAL, HUGE_VAL};

struct Image {
  const char* op;
  Range range;
};
// The least values of the functions that dip below zero are rounded outwards.
constexpr Image kImages[] = {
    {"Relu", {0, HUGE_VAL}},
    {"Sigmoid", {0, 1}},
    {"HardSigmoid", {0, 1}},
    {"Softmax", {0, 1}},
    {"Tanh", {-1, 1}},
    {"Softsign", {-1, 1}},
    {"Erf", {-1, 1}},
    {"Softplus", {0, HUGE_VAL}},
    {"Exp", {0, HUGE_VAL}},
    {"Sqrt", {0, HUGE_VAL}},
    {"Abs", {0, HUGE_VAL}},
    {"HardSwish", {-0.375, HUGE_VAL}},
    {"Mish", {-0.3089, HUGE_VAL}},
    {"Gelu", {-0.1701, HUGE_VAL}},
    {"LogSoftmax", {-HUGE_VAL, 0}},
};

double bound(const Graph& g, const Node& clip, size_t input, double otherwise) {
  if (clip.input(input) == kNoValue) return otherwise;
  return scalar_constant(g, clip.input(input)).value_or(otherwise);
}

// Results lie among the inputs: weighted means whose weights add up to 1, or single elements.
bool stays_inside(const Node& node) {
  if (node.op == "Resize") return node.attrs.string_or("mode", "nearest") != "cubic";
  return is_one_of(node.op, {"Identity", "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax",
                             "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"});
}

}  // namespace

Range bounds_of(const Graph& g, ValueId v) {
  while (const Node* node = g.producer(v)) {
    if (node->op == "Clip") return {bound(g, *node, 1, -HUGE_VAL), bound(g, *node, 2, HUGE_VAL)};
    if (node->op == "Swish" && node->attrs.float_or("alpha", 1) == 1) return {-0.2785, HUGE_VAL};
    for (const Image& image : kImages)
      if (node->op == image.op) return image.range;
    if (!stays_inside(*node)) break;
    v = node->input(0);
  }
  return kAnything;
}

}  // namespace quadlane
