// blocks_conv: Concat(x[:, :, i::b, j::b] for all i, j < b) -> Conv KxK  =>  Conv (b K)x(b K), stride b
//
// The "focus" stem of detectors, written as slices with a step or as SpaceToDepth: block (i, j) has every b-th row from
// i and every b-th column from j. Its row u is row b u + i of x, so with P rows of padding in front and stride s
//
//   y[o] = sum_k w_i[k] block_i[s o + k - P] = sum_k w_i[k] x[b s o + (b k + i) - b P]
//
// and w_i[k] becomes weight b k + i. As many products, and no block is made. Exact but for the order of sums. Not where
// b s is a stride for which the pixels are rearranged once more (engine/compile/fold_window.h).
#include <algorithm>

#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

using Ints = std::vector<int64_t>;

constexpr int64_t kMostStride = 4;                 // of the result
constexpr int64_t kMostExtent = int64_t{1} << 30;  // of a kernel, stride or padding

// Every step[a]-th pixel of x from start[a], for rows and columns.
struct Block {
  ValueId x = kNoValue;
  int64_t start[2] = {0, 0}, step[2] = {1, 1};
};

Ints constant_ints(const Graph& g, ValueId v) {
  const Tensor* t = v == kNoValue ? nullptr : g.constant(v);
  Ints values;
  for (int64_t i = 0; t && i < t->count(); ++i) values.push_back(element_as_int(t->view(), i));
  return values;
}

// The block with the Slice that makes its x taken in; empty where that is none of whole rows or columns at a step.
std::optional<Block> with_slice(const Graph& g, const Node& slice, Block block) {
  const Ints starts = constant_ints(g, slice.input(1)), axes = constant_ints(g, slice.input(3)),
             steps = constant_ints(g, slice.input(4));
  const Shape &from = g[slice.input(0)].type.shape, &to = g[block.x].type.shape;
  if (from.size() != 4 || starts.empty() || axes.size() != starts.size() || steps.size() != starts.size()) return {};
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = static_cast<size_t>(axes[i] < 0 ? axes[i] + 4 : axes[i]), a = axis - 2;
    if (axis < 2 || axis > 3 || block.step[a] != 1 || steps[i] < 1 || starts[i] < 0 || starts[i] >= steps[i]) return {};
    if (from[axis] % steps[i] != 0 || to[axis] != from[axis] / steps[i]) return {};
    block.start[a] = starts[i], block.step[a] = steps[i];
  }
  block.x = slice.input(0);
  return block;
}

std::optional<Block> block_of(const Graph& g, ValueId v) {
  Block block{v};
  while (const Node* slice = producer_of(g, block.x, "Slice")) {
    const std::optional<Block> more = with_slice(g, *slice, block);
    if (!more) break;
    block = *more;
  }
  return block.x != v ? std::optional(block) : std::nullopt;
}

// What a convolution reads as blocks of x: places[p] is the row and column of the channels from p * (channels of x) on.
struct Blocks {
  ValueId x = kNoValue;
  int64_t size[2] = {1, 1};
  std::vector<std::pair<int64_t, int64_t>> places;
};

std::optional<Blocks> blocks_of(const Graph& g, const Node& node) {
  Blocks blocks;
  if (node.op == "SpaceToDepth") {
    blocks.x = node.input(0);
    blocks.size[0] = blocks.size[1] = node.attrs.int_or("blocksize", 0);
    if (blocks.size[0] < 1 || blocks.size[0] > kMostStride) return {};
    for (int64_t i = 0; i < blocks.size[0]; ++i)
      for (int64_t j = 0; j < blocks.size[1]; ++j) blocks.places.push_back({i, j});
    return blocks;
  }
  if (node.op != "Concat" || axis_of(g, node) != 1) return {};
  for (ValueId part : node.inputs) {
    const std::optional<Block> block = block_of(g, part);
    if (!block) return {};
    if (blocks.places.empty())
      blocks.x = block->x, std::copy(std::begin(block->step), std::end(block->step), std::begin(blocks.size));
    if (block->x != blocks.x || !std::equal(std::begin(block->step), std::end(block->step), std::begin(blocks.size)))
      return {};
    blocks.places.push_back({block->start[0], block->start[1]});
  }
  auto sorted = blocks.places;
  std::sort(sorted.begin(), sorted.end());
  const bool distinct = std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  if (!distinct || std::max(blocks.size[0], blocks.size[1]) > kMostStride ||
      static_cast<int64_t>(sorted.size()) != blocks.size[0] * blocks.size[1])
    return {};
  return blocks;
}

// [o, places * c, kh, kw] to [o, c, bh * kh, bw * kw].
ValueId woven_weights(Graph& g, const Tensor& w, const Blocks& b, const std::string& name) {
  const int64_t outputs = w.shape()[0], places = static_cast<int64_t>(b.places.size()), inputs = w.shape()[1] / places,
                kh = w.shape()[2], kw = w.shape()[3], h = kh * b.size[0], width = kw * b.size[1];
  std::vector<double> woven(static_cast<size_t>(w.count()));
  const float* from = w.as<float>();
  for (int64_t o = 0; o < outputs; ++o)
    for (const auto& [y, x] : b.places)
      for (int64_t c = 0; c < inputs; ++c)
        for (int64_t i = 0; i < kh; ++i)
          for (int64_t j = 0; j < kw; ++j)
            woven[static_cast<size_t>(((o * inputs + c) * h + i * b.size[0] + y) * width + j * b.size[1] + x)] =
                *from++;
  return add_floats(g, name, {outputs, inputs, h, width}, woven);
}

// Empty where the stride is too large, or a number so large that it can only be an attack.
std::optional<Window2d> scaled(Window2d w, const int64_t (&size)[2]) {
  for (size_t a = 0; a < 2; ++a)
    for (int64_t* extent : {&w.kernel[a], &w.strides[a], &w.pads[a], &w.pads[a + 2]}) {
      if (*extent > kMostExtent) return {};
      *extent *= size[a];
    }
  if (std::max(w.strides[0], w.strides[1]) > kMostStride) return {};
  return w;
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Conv") continue;
    const Node conv = g[id];
    const std::optional<Window2d> window = window2d(g, conv);
    const Tensor* w = g.constant(conv.input(1));
    const Node* rearranged = g.producer(conv.input(0));
    if (!window || window->group != 1 || window->dilations != Ints{1, 1} || !w || w->dtype() != DType::f32 ||
        !rearranged || !g.single_use(conv.input(0)))
      continue;
    const std::optional<Blocks> blocks = blocks_of(g, *rearranged);
    if (!blocks) continue;
    std::optional<Window2d> wide = scaled(*window, blocks->size);
    if (!wide) continue;
    Node node = conv;
    node.inputs[0] = blocks->x;
    node.inputs[1] = woven_weights(g, *w, *blocks, conv.name + ".woven");
    node.attrs.set("kernel_shape", wide->kernel);
    node.attrs.set("strides", wide->strides);
    node.attrs.set("pads", wide->pads);
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, conv.output(), std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kBlocksConv{"blocks_conv", "Slices with a step, or SpaceToDepth -> Conv => Conv with a stride", run};

}  // namespace quadlane
