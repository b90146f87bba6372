// computed_conv: Conv(x, w) of weights that are computed  =>  MatMul(w, patches of x)
//
// Dynamic convolutions and the correlation of trackers know their weights at run time only; kernels pack theirs at plan
// time. Each tap's pixels are one slice of the padded input, the taps of a channel one behind the other:
//
//   y[g][o][p] = sum over c, t of w[g][o][c, t] * x[g, c][p * stride + t * dilation]      [O/G, C/G K] x [C/G K, P]
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;
constexpr int64_t kMostTaps = 256, kMostElements = int64_t{1} << 26;  // of the patches

class Rewriter {
 public:
  Rewriter(Graph& g, const OpTable& ops, const Node& conv, const Window2d& window)
      : g_(g), ops_(ops), conv_(conv), w_(window) {}

  Status run() {
    const Shape x = g_[conv_.input(0)].type.shape, y = g_[conv_.output()].type.shape;
    const int64_t taps = w_.kernel[0] * w_.kernel[1], depth = x[1] / w_.group * taps, pixels = y[2] * y[3];
    QL_TRY(ValueId padded, pad(conv_.input(0)));
    std::vector<ValueId> slices;
    for (int64_t i = 0; i < w_.kernel[0]; ++i)
      for (int64_t j = 0; j < w_.kernel[1]; ++j) {
        QL_TRY(ValueId slice, tap(padded, i * w_.dilations[0], j * w_.dilations[1], y));
        QL_TRY(slice, reshape(slice, {x[0], x[1], 1, pixels}));
        slices.push_back(slice);
      }
    Attrs axis;
    axis.set("axis", int64_t{2});
    QL_TRY(ValueId patches, add("Concat", axis, slices));
    QL_TRY(patches, reshape(patches, {x[0], w_.group, depth, pixels}));
    QL_TRY(ValueId weights, reshape(conv_.input(1), {w_.group, y[1] / w_.group, depth}));
    QL_TRY(ValueId product, add("MatMul", {}, {weights, patches}));
    if (conv_.input(2) == kNoValue) return finish(Node{conv_.name, "Reshape", {}, {product, ints(y)}, {}});
    QL_TRY(product, reshape(product, y));
    QL_TRY(ValueId bias, reshape(conv_.input(2), {1, y[1], 1, 1}));
    return finish(Node{conv_.name, "Add", {}, {product, bias}, {}});
  }

 private:
  ValueId ints(const Ints& values) {
    return g_.add_constant(conv_.name + ".ints", Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  Result<ValueId> add(const char* op, Attrs attrs, std::vector<ValueId> inputs) {
    return add_op(g_, ops_, Node{conv_.name, op, std::move(attrs), std::move(inputs), {}});
  }
  Result<ValueId> reshape(ValueId v, const Shape& shape) { return add("Reshape", {}, {v, ints(shape)}); }
  Result<ValueId> pad(ValueId v) {
    if (!w_.padded()) return v;
    return add("Pad", {}, {v, ints({0, 0, w_.pads[0], w_.pads[1], 0, 0, w_.pads[2], w_.pads[3]})});
  }
  Result<ValueId> tap(ValueId v, int64_t row, int64_t column, const Shape& y) {
    const int64_t end_row = row + (y[2] - 1) * w_.strides[0] + 1, end_column = column + (y[3] - 1) * w_.strides[1] + 1;
    return add("Slice", {}, {v, ints({row, column}), ints({end_row, end_column}), ints({2, 3}), ints(w_.strides)});
  }
  Status finish(Node last) {
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g_, ops_, conv_.output(), std::move(last)));
    return {};
  }

  Graph& g_;
  const OpTable& ops_;
  const Node conv_;
  const Window2d& w_;
};

// Weights that are bytes in the file are constants all the same.
bool is_computed(const Graph& g, ValueId v) {
  const Node* producer = g.producer(v);
  return !g.constant(v) && !(producer && producer->op == "DequantizeLinear" && g.constant(producer->input(0)));
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Conv" || g[g[id].output()].type.dtype != DType::f32) continue;
    const std::optional<Window2d> window = window2d(g, g[id]);
    if (!window || !is_computed(g, g[id].input(1))) continue;
    const int64_t taps = window->kernel[0] * window->kernel[1], pixels = g[g[id].output()].type.count();
    const Shape &x = g[g[id].input(0)].type.shape, &y = g[g[id].output()].type.shape;
    if (taps > kMostTaps || pixels == 0 || pixels / y[1] > kMostElements / taps / x[1]) continue;
    QL_CHECK_OK(Rewriter(g, ops, g[id], *window).run());
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kComputedConv{"computed_conv", "Conv of computed weights => MatMul of patches", run};

}  // namespace quadlane
