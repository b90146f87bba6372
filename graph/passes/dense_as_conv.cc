// dense_as_conv: Gemm or MatMul(x[n,k], constant) [-> Add constant]  =>  Conv(image of x) -> Reshape
//
// A fully connected layer is a convolution whose kernel covers the whole image that x was flattened from, or one of
// 1x1 on an image of one pixel. As such the quantizer needs to know nothing else: scales for each channel, corrected
// biases and layers kept in fp32 come by themselves. Functions of one value behind it move to the image, so that one
// layer's result is the next one's image. Only quantization wants this: in fp32 a Gemm is the better form.
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

struct Dense {
  std::vector<float> weights;  // [outputs][inputs]
  std::vector<double> bias;    // empty: none
  int64_t outputs = 0;
  ValueId last = kNoValue;  // the result
};

// A constant of one element for each of `count` columns, or for all: as so many.
std::optional<std::vector<double>> row_constant(const Graph& g, ValueId v, int64_t count) {
  const Tensor* t = g.constant(v);
  if (!t || t->dtype() != DType::f32) return {};
  std::vector<double> row = floats_of(g, v);
  if (row.size() == 1) row.resize(static_cast<size_t>(count), row[0]);
  const bool one_row = t->shape().empty() || t->shape().back() == t->count();
  return one_row && row.size() == static_cast<size_t>(count) ? std::optional(row) : std::nullopt;
}

std::optional<Dense> match(const Graph& g, const Node& node) {
  const bool gemm = node.op == "Gemm";
  if (!gemm && node.op != "MatMul") return {};
  const Tensor* w = g.constant(node.input(1));
  const TensorType& x = g[node.input(0)].type;
  if (!w || w->dtype() != DType::f32 || w->shape().size() != 2 || x.shape.size() != 2 || x.count() == 0) return {};
  if (g.constant(node.input(0)) || node.attrs.int_or("transA", 0) != 0) return {};
  const bool transposed = gemm && node.attrs.int_or("transB", 0) != 0;
  const float alpha = gemm ? node.attrs.float_or("alpha", 1) : 1;
  const size_t k = static_cast<size_t>(x.shape[1]), m = static_cast<size_t>(w->count()) / k;
  Dense dense{std::vector<float>(k * m), {}, static_cast<int64_t>(m), node.output()};
  for (size_t o = 0; o < m; ++o)
    for (size_t i = 0; i < k; ++i)
      dense.weights[o * k + i] = alpha * w->as<float>()[transposed ? o * k + i : i * m + o];
  if (gemm && node.input(2) != kNoValue) {
    auto bias = row_constant(g, node.input(2), dense.outputs);
    if (!bias) return {};
    for (double& b : *bias) b *= double{node.attrs.float_or("beta", 1)};
    dense.bias = *std::move(bias);
  }
  return dense;
}

// An Add of a constant for each column.
void take_added(const Graph& g, Dense& dense) {
  const NodeId user = dense.bias.empty() ? only_user(g, dense.last) : kNoNode;
  if (user == kNoNode || g[user].op != "Add" || g[g[user].output()].type != g[dense.last].type) return;
  const ValueId other = g[user].input(g[user].input(0) == dense.last ? 1 : 0);
  if (auto bias = row_constant(g, other, dense.outputs)) {
    dense.bias = *std::move(bias);
    dense.last = g[user].output();
  }
}

// The image [n, c, h, w] whose elements x lists row by row, if it is one: itself in that order, or with channels last.
std::optional<ValueId> flattened_image(const Graph& g, ValueId x, bool& channels_last) {
  const Node* flatten = g.producer(x);
  if (!flatten || !is_one_of(flatten->op, {"Reshape", "Flatten", "Squeeze"})) return {};
  ValueId image = flatten->input(0);
  const Node* transpose = producer_of(g, image, "Transpose");
  channels_last = transpose && transpose->attrs.ints_or("perm", {}) == std::vector<int64_t>{0, 2, 3, 1};
  if (channels_last) image = transpose->input(0);
  const Shape& shape = g[image].type.shape;
  return shape.size() == 4 && shape[0] == g[x].type.shape[0] ? std::optional(image) : std::nullopt;
}

// [o][h][w][c] -> [o][c][h][w]
std::vector<float> channels_first(const std::vector<float>& w, const Shape& image) {
  const size_t c = static_cast<size_t>(image[1]), pixels = static_cast<size_t>(image[2] * image[3]);
  std::vector<float> moved(w.size());
  for (size_t i = 0; i < w.size(); ++i) {
    const size_t o = i / (c * pixels), pixel = i / c % pixels;
    moved[(o * c + i % c) * pixels + pixel] = w[i];
  }
  return moved;
}

// A function of each element, with constants for all at most.
bool takes_scalars(const Graph& g, const Node& node) {
  return is_function(node.op) && std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                                             [&](ValueId v) { return v == kNoValue || scalar_constant(g, v); });
}

// The batch stays open in every shape: 0 copies it.
Node reshape(Graph& g, const std::string& name, ValueId v, const Shape& shape) {
  Tensor target = Tensor::from<int64_t>({static_cast<int64_t>(shape.size())}, shape);
  return {name, "Reshape", {}, {v, g.add_constant(name + ".shape", std::move(target))}};
}

Status rewrite(Graph& g, const OpTable& ops, const Node& node, Dense dense) {
  const Shape x = g[node.input(0)].type.shape;
  bool channels_last = false;
  std::optional<ValueId> image = flattened_image(g, node.input(0), channels_last);
  if (!image) {
    QL_TRY(image, add_op(g, ops, reshape(g, node.name + ".image", node.input(0), {0, x[1], 1, 1})));
  }
  const Shape& shape = g[*image].type.shape;
  if (channels_last) dense.weights = channels_first(dense.weights, shape);
  const Shape kernel{dense.outputs, shape[1], shape[2], shape[3]};
  Node conv{node.name,
            "Conv",
            {},
            {*image, g.add_constant(node.name + ".kernel", Tensor::from<float>(kernel, dense.weights))}};
  if (!dense.bias.empty()) conv.inputs.push_back(add_floats(g, node.name + ".bias", {dense.outputs}, dense.bias));
  conv.attrs.set("kernel_shape", std::vector<int64_t>{kernel[2], kernel[3]});
  conv.attrs.set("pads", std::vector<int64_t>{0, 0, 0, 0});
  QL_TRY(ValueId result, add_op(g, ops, std::move(conv), g[dense.last].name + "_image"));
  for (NodeId user = only_user(g, dense.last); user != kNoNode && takes_scalars(g, g[user]);
       user = only_user(g, dense.last)) {
    Node function = g[user];
    dense.last = function.output();
    function.inputs[0] = result;
    QL_TRY(result, add_op(g, ops, std::move(function), g[dense.last].name + "_image"));
  }
  QL_TRY([[maybe_unused]] ValueId v,
         replace_with(g, ops, dense.last, reshape(g, node.name + ".row", result, {0, dense.outputs})));
  return {};
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id)) continue;
    const Node node = g[id];
    std::optional<Dense> dense = match(g, node);
    if (!dense) continue;
    take_added(g, *dense);
    QL_CHECK_OK(rewrite(g, ops, node, *std::move(dense)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kDenseAsConv{"dense_as_conv", "Gemm, MatMul of rows with a constant => Conv of an image", run};

}  // namespace quadlane
