// upsampled_conv: Resize(x) by nearest, s times -> Conv KxK  =>  ConvTranspose (K + s - 1)x(K + s - 1), stride s
//
// Along an axis, with up[u] = x[u / s] and 0 outside of both, p pixels of padding in front:
//
//   y[o] = sum_j w[j] up[o + j - p] = sum_i x[i] sum_{r < s} w[s i + r - o + p]
//
// which is a transposed convolution of stride s, whose weights add up what meets the same pixel, with K - 1 - p in
// front:
//
//   W[k] = sum_{r < s} w[r + K - 1 - k],   k = 0 .. K + s - 2
//
// A result costs (K + s - 1)^2 / s^2 products instead of K^2: 4 instead of 9 for 3x3 behind 2x. Exact but for the order
// of sums. In int8 the added weights get scales of their own, so this comes before quantization; a foreign int8 file
// stays as it is, where a sum of weights fits no byte.
#include "graph/passes/list.h"
#include "graph/passes/rewrite.h"

namespace quadlane {
namespace {

constexpr int64_t kMostFactor = 8;
// A small file may not ask for much: at most so many weights for one (3x3 behind 4x has 4, behind 2x 1.8).
constexpr int64_t kMostGrowth = 4;

// Whether output pixel u of every axis is source pixel u / factor.
bool repeats(const Node& resize, int64_t factor) {
  if (resize.attrs.string_or("mode", "nearest") != "nearest" || resize.attrs.has("axes")) return false;
  const std::string coordinates = resize.attrs.string_or("coordinate_transformation_mode", "half_pixel"),
                    nearest = resize.attrs.string_or("nearest_mode", "round_prefer_floor");
  if (coordinates == "asymmetric") return nearest == "floor" || (nearest == "round_prefer_floor" && factor == 2);
  // (u + 0.5) / s - 0.5 is less than half a pixel away from u / s.
  const bool centred = is_one_of(coordinates, {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"});
  return centred && is_one_of(nearest, {"round_prefer_floor", "round_prefer_ceil"});
}

// The factors of (h, w); empty where they are no whole numbers.
std::optional<std::vector<int64_t>> factors_of(const Graph& g, const Node& resize) {
  const Shape &in = g[resize.input(0)].type.shape, &out = g[resize.output()].type.shape;
  if (in.size() != 4 || out[0] != in[0] || out[1] != in[1] || in[2] < 1 || in[3] < 1) return {};
  std::vector<int64_t> factors{out[2] / in[2], out[3] / in[3]};
  for (size_t i = 0; i < 2; ++i) {
    const int64_t s = factors[i];
    if (s < 1 || s > kMostFactor || s * in[2 + i] != out[2 + i] || !repeats(resize, s)) return {};
  }
  if (resize.input(2) != kNoValue) {  // 2.01 makes twice as many pixels of a few as well
    const Tensor* scales = g.constant(resize.input(2));
    if (!scales) return {};
    const std::vector<double> values = floats_of(g, resize.input(2));  // none where sizes are given
    if (scales->count() != 0 && (values.size() != 4 || values[2] != static_cast<double>(factors[0]) ||
                                 values[3] != static_cast<double>(factors[1])))
      return {};
  }
  return factors[0] * factors[1] > 1 ? std::optional(factors) : std::nullopt;
}

// [outputs, inputs, kh, kw] of the convolution to [inputs, outputs, kh + sh - 1, kw + sw - 1].
ValueId added_weights(Graph& g, const Tensor& w, const std::vector<int64_t>& s, const std::string& name) {
  const Shape& shape = w.shape();
  const int64_t outputs = shape[0], inputs = shape[1], kh = shape[2], kw = shape[3], h = kh + s[0] - 1,
                width = kw + s[1] - 1;
  std::vector<double> sums(static_cast<size_t>(inputs * outputs * h * width));
  const float* from = w.as<float>();
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t c = 0; c < inputs; ++c)
      for (int64_t i = 0; i < kh; ++i)
        for (int64_t j = 0; j < kw; ++j, ++from)
          for (int64_t ry = 0; ry < s[0]; ++ry)
            for (int64_t rx = 0; rx < s[1]; ++rx) {
              const int64_t y = ry + kh - 1 - i, x = rx + kw - 1 - j;
              sums[static_cast<size_t>(((c * outputs + o) * h + y) * width + x)] += double{*from};
            }
  return add_floats(g, name, {inputs, outputs, h, width}, sums);
}

bool fits(const Window2d& w) {
  const std::vector<int64_t> ones{1, 1};
  return w.group == 1 && w.strides == ones && w.dilations == ones && w.kernel != ones && w.pads[0] < w.kernel[0] &&
         w.pads[2] < w.kernel[0] && w.pads[1] < w.kernel[1] && w.pads[3] < w.kernel[1];
}

Result<int> run(Graph& g, const OpTable& ops) {
  int rewrites = 0;
  for (NodeId id : g.order()) {
    if (!g.is_live(id) || g[id].op != "Conv") continue;
    const Node conv = g[id];
    const std::optional<Window2d> window = window2d(g, conv);
    const Node* resize = producer_of(g, conv.input(0), "Resize");
    const Tensor* w = g.constant(conv.input(1));
    if (!window || !fits(*window) || !resize || !g.single_use(conv.input(0)) || !w || w->dtype() != DType::f32)
      continue;
    const std::optional<std::vector<int64_t>> factors = factors_of(g, *resize);
    if (!factors) continue;
    const auto& k = window->kernel;
    if ((k[0] + (*factors)[0] - 1) * (k[1] + (*factors)[1] - 1) > kMostGrowth * k[0] * k[1]) continue;
    Node node;
    node.op = "ConvTranspose";
    node.name = conv.name;
    node.inputs = {resize->input(0), added_weights(g, *w, *factors, conv.name + ".added")};
    if (conv.input(2) != kNoValue) node.inputs.push_back(conv.input(2));
    const auto& p = window->pads;
    node.attrs.set("kernel_shape", std::vector<int64_t>{k[0] + (*factors)[0] - 1, k[1] + (*factors)[1] - 1});
    node.attrs.set("strides", *factors);
    node.attrs.set("pads", std::vector<int64_t>{k[0] - 1 - p[0], k[1] - 1 - p[1], k[0] - 1 - p[2], k[1] - 1 - p[3]});
    QL_TRY([[maybe_unused]] ValueId v, replace_with(g, ops, g[id].output(), std::move(node)));
    ++rewrites;
  }
  return rewrites;
}

}  // namespace

const Pass kUpsampledConv{"upsampled_conv", "Resize by nearest -> Conv => ConvTranspose", run};

}  // namespace quadlane
